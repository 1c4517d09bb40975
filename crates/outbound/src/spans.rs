//! Spans of requests to other servers, and the headers by which those find them. (OpenTelemetry's conventions for HTTP
//! clients, as upstream's transports have them.)

use crate::body::RequestBody;
use crate::failure::Failure;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, Uri};
use pintle_traces::{Library, Role, Span, SpanAttributes, is_recorded};

/// Begins the span of a request, and adds it to the headers. Such headers of a client are replaced.
pub(crate) fn begin(request: &mut Request<RequestBody>) -> Span {
    let span = match is_recorded() {
        true => pintle_traces::current().child(
            Library::Http,
            Role::Client,
            format!("HTTP {}", request.method()),
            |attributes| described(attributes, request),
        ),
        false => pintle_traces::current(),
    };
    let headers = request.headers_mut();
    span.inject(|name, value| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    });
    span
}

/// Notes the result of a request.
pub(crate) fn end<B>(span: &Span, result: Result<&Response<B>, &Failure>) {
    if !span.is_recorded() {
        return;
    }
    match result {
        Ok(response) => {
            let code = response.status();
            span.set(|attributes| {
                attributes.int("http.response.status_code", code.as_u16().into());
                if code.as_u16() >= 400 {
                    attributes.text("error.type", code.as_str());
                }
            });
            if code.as_u16() >= 400 {
                span.fail("");
            }
        }
        Err(failure) => span.fail(&failure.to_string()),
    }
}

fn described(attributes: &mut SpanAttributes, request: &Request<RequestBody>) {
    let uri = request.uri();
    attributes.text("http.request.method", request.method().as_str());
    attributes.text("url.full", &without_user(uri));
    let host = uri.host().unwrap_or_default();
    attributes.text("server.address", host.trim_start_matches('[').trim_end_matches(']'));
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    if let Some(port) = uri.port_u16().filter(|port| *port != usual) {
        attributes.int("server.port", port.into());
    }
    attributes.text("network.protocol.version", "1.1");
}

/// An address without user and password.
fn without_user(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{}://{host}{path}", uri.scheme_str().unwrap_or("http"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_are_in_no_span() {
        let shown = |text: &str| without_user(&text.parse().unwrap());
        assert_eq!(shown("https://u:p@a.example:8443/x?y=z"), "https://a.example:8443/x?y=z");
        assert_eq!(shown("http://[::1]/"), "http://[::1]/");
    }
}
