//! Logs of containers, passed on as the kubelet sends them: `apiserver/pkg/registry/generic/rest` upstream.

use crate::forward::plain;
use crate::location::Location;
use crate::rewrite::AnswerBody;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame};
use hyper::header::LOCATION;
use pintle_object::{Details, Reason, Status};
use pintle_outbound::{BoxError, RequestBody, Transport, words};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The most of a kubelet's refusal that is repeated.
const REFUSAL_BYTES_MAX: usize = 50_000;

/// Asks for a log. Its body is read as fast as the client takes it, for as long as it is followed.
pub async fn open(transport: &Transport, location: &Location, pod: &str) -> Result<AnswerBody, Status> {
    let mut request = Request::new(RequestBody::empty());
    *request.uri_mut() = location.uri()?;
    let client = hyper::header::HeaderValue::from_static("Go-http-client/1.1");
    request.headers_mut().insert("user-agent", client);
    let asked = transport.round_trip(request).await;
    let response =
        asked.map_err(|failure| plain(failure.of_request("GET", &location.to_string()).to_string()))?;
    let code = response.status().as_u16();
    let elsewhere = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    if let Some(elsewhere) = elsewhere.filter(|_| matches!(code, 301 | 302 | 303 | 307 | 308)) {
        return Err(plain(format!("{}: redirects forbidden", words::request("GET", elsewhere))));
    }
    let body = response.into_body();
    if (200..=206).contains(&code) {
        return Ok(FollowedLog(body).boxed_unsync());
    }
    let text = match Limited::new(body, REFUSAL_BYTES_MAX).collect().await {
        Ok(read) => String::from_utf8_lossy(&read.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    Err(refused(code, &text, pod))
}

/// A log, as far as the kubelet sends it: it ends where it is cut off, since its length is unknown.
struct FollowedLog(pintle_outbound::AnswerBody);

impl HttpBody for FollowedLog {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match std::task::ready!(Pin::new(&mut self.0).poll_frame(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                tracing::debug!(%error, "a log was cut off");
                Poll::Ready(None)
            }
            None => Poll::Ready(None),
        }
    }
}

/// The answer to the client for a kubelet's refusal.
fn refused(code: u16, text: &str, pod: &str) -> Status {
    let (reason, message) = match code {
        500 => return Status::internal(text),
        400 => return Status::bad_request(text),
        401 => (Reason::Unauthorized, "the server has asked for the client to provide credentials"),
        403 => (Reason::Forbidden, text),
        404 => (Reason::NotFound, "the server could not find the requested resource"),
        405 => (Reason::MethodNotAllowed, "the server does not allow this method on the requested resource"),
        406 if text.is_empty() => (
            Reason::NotAcceptable,
            "the server was unable to respond with a content type that the client supports",
        ),
        406 => (Reason::NotAcceptable, text),
        409 => (Reason::Conflict, "the server reported a conflict"),
        415 => (Reason::UnsupportedMediaType, text),
        422 => (Reason::Invalid, "the server rejected our request due to an error in our request"),
        429 => (
            Reason::TooManyRequests,
            "the server has received too many requests and has asked us to try again later",
        ),
        503 => (Reason::ServiceUnavailable, "the server is currently unable to handle the request"),
        504 => (
            Reason::Timeout,
            "the server was unable to return a response in the time allotted, but may still be processing \
             the request",
        ),
        code if code > 500 => {
            let quoted = pintle_object::field::quote(text);
            let message =
                format!("an error on the server ({quoted}) has prevented the request from succeeding");
            return about(code, Reason::InternalError, &message, pod);
        }
        code => {
            let message = format!(
                "the server responded with the status code {code} but did not return more information"
            );
            return about(code, Reason::Unknown, &message, pod);
        }
    };
    about(code, reason, message, pod)
}

fn about(code: u16, reason: Reason, message: &str, pod: &str) -> Status {
    let details = Details { name: pod.into(), kind: "pods/log".into(), ..Details::default() };
    Status::new(code, reason, format!("{message} ( pods/log {pod})")).with_details(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_log() {
        let status = refused(404, "gone", "p");
        assert_eq!(status.message, "the server could not find the requested resource ( pods/log p)");
        assert_eq!(refused(500, "boom", "p").message, "Internal error occurred: boom");
        let odd = refused(502, "a\"b", "p").message;
        assert_eq!(
            odd,
            "an error on the server (\"a\\\"b\") has prevented the request from succeeding ( pods/log p)"
        );
    }
}
