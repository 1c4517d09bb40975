//! Headers of requests and answers that are passed on, as Go's `ReverseProxy` and the API server keep and strip them.

use hyper::HeaderMap;
use hyper::header::{
    AUTHORIZATION, CONNECTION, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use std::net::IpAddr;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Headers by which clients authenticate to the API server, which servers behind it must not see or trust.
const IDENTITY: [&str; 8] = [
    "x-remote-user",
    "x-remote-uid",
    "x-remote-group",
    "impersonate-user",
    "impersonate-group",
    "impersonate-uid",
    "proxy-connection",
    "authorization",
];
const IDENTITY_PREFIXES: [&str; 2] = ["x-remote-extra-", "impersonate-extra-"];

/// Removes the headers about the user.
pub fn strip_identity(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    for name in IDENTITY.iter().filter(|name| **name != "proxy-connection") {
        headers.remove(*name);
    }
    let is_extra =
        |name: &HeaderName| IDENTITY_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    let extra: Vec<HeaderName> = headers.keys().filter(|name| is_extra(name)).cloned().collect();
    for name in extra {
        headers.remove(name);
    }
}

/// Removes the hop-by-hop headers.
pub fn strip_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE]
    {
        headers.remove(name);
    }
    headers.remove("proxy-connection");
    headers.remove("keep-alive");
}

/// The headers of a request that is passed on without an upgrade.
pub fn of_request(headers: &mut HeaderMap, peer: Option<IpAddr>) {
    let is_trailed = headers
        .get_all(TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("trailers"));
    strip_hops(headers);
    if is_trailed {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    add_forwarded(headers, peer);
}

/// Adds the client to `X-Forwarded-For`.
pub fn add_forwarded(headers: &mut HeaderMap, peer: Option<IpAddr>) {
    let Some(peer) = peer else { return };
    let prior: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let all = if prior.is_empty() { peer.to_string() } else { format!("{}, {peer}", prior.join(", ")) };
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// Removes the CORS headers, which only the API server may set.
pub fn strip_cors(headers: &mut HeaderMap) {
    for name in ["credentials", "headers", "methods", "origin"] {
        headers.remove(format!("access-control-allow-{name}").as_str());
    }
}

/// Whether a request asks for another protocol on its connection.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    all.any(|value| value.to_ascii_lowercase().contains("upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        headers.iter().map(pair).collect()
    }

    #[test]
    fn requests_lose_hops_and_identities() {
        let mut headers = map(&[
            ("x-custom", "a"),
            ("connection", "x-drop"),
            ("x-drop", "1"),
            ("te", "trailers"),
            ("x-remote-user", "root"),
            ("x-remote-extra-a", "root"),
            ("impersonate-user", "root"),
            ("authorization", "Bearer x"),
            ("x-forwarded-for", "1.2.3.4"),
        ]);
        strip_identity(&mut headers);
        of_request(&mut headers, Some("127.0.0.1".parse().unwrap()));
        let expected = [("x-custom", "a"), ("te", "trailers"), ("x-forwarded-for", "1.2.3.4, 127.0.0.1")];
        assert_eq!(headers, map(&expected));
    }
}
