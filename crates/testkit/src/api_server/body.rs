//! Bodies of answers.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;
use std::convert::Infallible;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

pub(crate) fn json(code: u16, value: &Value) -> Response<Body> {
    typed(code, "application/json", value)
}

pub(crate) fn typed(code: u16, content_type: &str, value: &Value) -> Response<Body> {
    let response = Response::builder().status(code).header(CONTENT_TYPE, content_type);
    response.body(full(value.to_string())).expect("a response")
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

pub(crate) fn status(code: u16, reason: &str) -> Response<Body> {
    json(
        code,
        &serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                            "message": reason, "reason": reason, "code": code}),
    )
}
