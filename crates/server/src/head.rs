//! Heads of requests that Go's server answers itself, before anybody else sees them.

use crate::response::Response;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Version, header};

/// The answer to a request that is answered by its head alone.
pub fn answer(parts: &Parts) -> Option<Response> {
    if parts.version < Version::HTTP_2
        && let Some(refusal) = refusal(parts)
    {
        return Some(refusal);
    }
    // It asks about the server as a whole.
    (parts.method == Method::OPTIONS && parts.uri.path() == "*").then(|| Response::empty(200))
}

fn refusal(parts: &Parts) -> Option<Response> {
    // The HTTP parser checks the size before the head is whole, and may have read beyond it.
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > HEADER_BYTES_MAX as usize {
        let words = "431 Request Header Fields Too Large";
        return Some(Response::text(431, words).with("connection", "close"));
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Some(Response::malformed(None)),
        (Some(host), None) if !host.as_bytes().iter().all(|byte| is_of_host(*byte)) => {
            return Some(Response::malformed(Some("Bad Request: malformed Host header")));
        }
        (None, _) if parts.version == Version::HTTP_11 && parts.method != Method::CONNECT => {
            return Some(Response::malformed(Some("Bad Request: missing required Host header")));
        }
        _ => {}
    }
    expects_more(&parts.headers).then(|| Response::empty(417).with("connection", "close"))
}

/// Whether a byte may be in a host, with its port.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-./:;=@[]_~".contains(&byte)
}

/// Whether a client waits for `100 Continue` before it sends its body.
pub fn waits_to_send(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11 && parts.headers.contains_key(header::EXPECT)
}

/// Whether a client has an expectation other than `100-continue`.
fn expects_more(headers: &HeaderMap) -> bool {
    let Some(expected) = headers.get(header::EXPECT) else { return false };
    let expected = String::from_utf8_lossy(expected.as_bytes()).to_ascii_lowercase();
    let mut tokens = expected.split([' ', '\t', ',']);
    !expected.is_empty() && !tokens.any(|token| token == "100-continue")
}

/// Upstream's limit on the headers of one request, in bytes: a proxy sends one header for each group of its user.
pub const HEADER_BYTES_MAX: u32 = (1 << 20) + 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, version: Version, headers: &[(&'static str, &'static str)], expected: &str) {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = hyper::Request::builder().method(method).uri(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = answer(&parts).map(|response| {
            let reason = response.carried.reason.unwrap_or("");
            format!("{} {reason}", response.status)
        });
        assert_eq!(found.unwrap_or_default(), expected, "{line} {version:?} {headers:?}");
    }

    #[test]
    fn heads_are_judged_as_go_judges_them() {
        let (old, new) = (Version::HTTP_11, Version::HTTP_2);
        let host = ("host", "example.org:1");
        check("GET /", old, &[host], "");
        check("GET /", old, &[], "400 Bad Request: missing required Host header");
        check("GET /", Version::HTTP_10, &[], "");
        check("GET /", new, &[], "");
        check("CONNECT example.org:1", old, &[], "");
        check("GET /", old, &[host, host], "400 ");
        check("GET /", old, &[("host", "a b")], "400 Bad Request: malformed Host header");
        check("GET /", old, &[("host", "")], "");
        check("GET /", old, &[host, ("expect", "foo")], "417 ");
        check("GET /", old, &[host, ("expect", "100-Continue")], "");
        check("GET /", old, &[host, ("expect", "")], "");
        check("GET /", new, &[("expect", "foo")], "");
        let large: &'static str = "a".repeat(HEADER_BYTES_MAX as usize).leak();
        check("GET /", old, &[host, ("x", large)], "431 ");
        check("OPTIONS *", old, &[host], "200 ");
        check("GET *", old, &[host], "");
    }
}
