//! The handshake of WebSocket: which requests ask for one, and the head of the answer.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

/// The text that the key of a request is joined with before it is hashed.
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The protocols that a request names, if it asks for a web socket.
pub fn protocols(headers: &HeaderMap) -> Option<Vec<String>> {
    let is_websocket = headers.get(UPGRADE)?.as_bytes().eq_ignore_ascii_case(b"websocket");
    if !is_websocket || !crate::headers::is_upgrade(headers) {
        return None;
    }
    let named = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Some(named.split(',').map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect())
}

/// The head of the answer that opens a web socket, or the answer to a request that cannot have one.
pub fn accept(
    method: &Method,
    headers: &HeaderMap,
    protocol: Option<&str>,
) -> Result<HeaderMap, Box<Response<String>>> {
    if method != Method::GET {
        return Err(refused(StatusCode::METHOD_NOT_ALLOWED, ""));
    }
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let key = text(SEC_WEBSOCKET_KEY);
    if key.is_empty() {
        return Err(refused(StatusCode::BAD_REQUEST, "mismatch challenge/response"));
    }
    if text(SEC_WEBSOCKET_VERSION) != "13" {
        let mut answer = refused(StatusCode::BAD_REQUEST, "missing or bad WebSocket Version");
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(answer);
    }
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{SUFFIX}").as_bytes());
    let mut head = HeaderMap::new();
    head.insert(UPGRADE, HeaderValue::from_static("websocket"));
    head.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(value) = HeaderValue::from_str(&STANDARD.encode(hash)) {
        head.insert(SEC_WEBSOCKET_ACCEPT, value);
    }
    if let Some(Ok(value)) = protocol.map(HeaderValue::from_str) {
        head.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    Ok(head)
}

fn refused(status: StatusCode, why: &str) -> Box<Response<String>> {
    let mut answer = Response::new(why.to_string());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Box::new(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderName;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn keys_are_answered_as_the_rfc_shows() {
        let asked = headers(&[
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io"),
        ]);
        assert_eq!(protocols(&asked).unwrap(), ["v5.channel.k8s.io", "v4.channel.k8s.io"]);
        let head = accept(&Method::GET, &asked, Some("v5.channel.k8s.io")).unwrap();
        assert_eq!(head[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(head[SEC_WEBSOCKET_PROTOCOL], "v5.channel.k8s.io");
        assert_eq!(accept(&Method::POST, &asked, None).unwrap_err().status(), 405);
        let mut old = asked.clone();
        old.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
        assert_eq!(accept(&Method::GET, &old, None).unwrap_err().headers()[SEC_WEBSOCKET_VERSION], "13");
        old.remove(SEC_WEBSOCKET_KEY);
        assert_eq!(accept(&Method::GET, &old, None).unwrap_err().status(), 400);
        assert_eq!(protocols(&headers(&[("upgrade", "SPDY/3.1"), ("connection", "upgrade")])), None);
    }
}
