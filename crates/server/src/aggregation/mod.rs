//! APIs of other servers: their requests passed on to them, and their documents merged with this server's own.

pub(crate) mod aggregator;
mod discovery;
mod documents;
mod groups;
mod keep;
mod openapi;

pub use aggregator::Aggregator;
pub use discovery::{Groups, Merged, Ties};
pub use documents::{Documents, OwnDocument, RemoteDocuments};
pub use keep::keep_documents;
pub use openapi::merge;

use crate::app::App;
use crate::exchange::Exchange;
use crate::list_body::Cut;
use crate::request::Request;
use crate::response::{Body, Response};
use crate::sniff;
use crate::upgrade::Upgrade;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use pintle_outbound::BoxError;
use pintle_proxy::{AnswerBody, Incoming, Refused, Remote, Reply, encode_query};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Passes a request on to the server that its path is under; none when that is this one.
pub async fn answer(app: &App, request: &Request, exchange: &mut Exchange) -> Option<Response> {
    let remote = app.aggregator.owner(request.path())?;
    // Boxed, so that requests of this server's own need not make room for it.
    Some(Box::pin(forward(app, request, &remote, exchange)).await)
}

/// Passes a request on to another server.
pub async fn forward(app: &App, request: &Request, remote: &Remote, exchange: &mut Exchange) -> Response {
    let reply = app.aggregator.services.forward(remote, outgoing(request, exchange), &request.user).await;
    replied(reply, exchange).await
}

/// The answer that another server's reply makes, or its absence.
pub(crate) async fn replied(reply: Result<Reply, Refused>, exchange: &mut Exchange) -> Response {
    match reply {
        Ok(Reply::Answer(answer)) => passed(answer).await,
        Ok(Reply::Upgrade(head, serve)) => match exchange.upgrade.take() {
            Some(on) => {
                let upgrade = Upgrade::new(on, |stream| serve(Box::new(stream)));
                Response::upgraded(upgrade).passing(head)
            }
            None => refused(&Refused { code: 500, text: String::from("unable to upgrade the connection\n") }),
        },
        Err(why) => refused(&why),
    }
}

/// A request as it is passed on, with its body.
pub(crate) fn outgoing(request: &Request, exchange: &mut Exchange) -> Incoming {
    let pairs = request.query.pairs().iter().map(|(name, value)| (name.as_str(), value.clone()));
    let body = match exchange.body.take() {
        Some(body) if !body.is_end_stream() => pintle_outbound::RequestBody::stream(body),
        _ => pintle_outbound::RequestBody::empty(),
    };
    let mut headers = request.headers.clone();
    if let Ok(id) = HeaderValue::from_str(&request.audit_id) {
        headers.insert("audit-id", id);
    }
    Incoming {
        method: request.method.clone(),
        path: request.path().into(),
        query: encode_query(&pairs.collect::<Vec<_>>()),
        host: String::new(),
        headers,
        body,
        peer: Some(request.peer.ip()),
        can_upgrade: exchange.upgrade.is_some(),
    }
}

fn refused(why: &Refused) -> Response {
    let response = Response::new(why.code, "text/plain; charset=utf-8", why.text.clone());
    // A refused redirect is an answer in the place of the other server's, and not one of Go's errors.
    if why.code == 502 { response } else { response.with("x-content-type-options", "nosniff") }
}

/// An answer of another server as it came. A missing content type is found by the first bytes, as Go's server does.
async fn passed(answer: hyper::Response<AnswerBody>) -> Response {
    let (mut parts, mut body) = answer.into_parts();
    let is_told = parts.headers.contains_key(CONTENT_TYPE) || parts.headers.contains_key(CONTENT_ENCODING);
    let first = if is_told || body.is_end_stream() { None } else { body.frame().await };
    if let Some(Ok(frame)) = &first
        && let Some(data) = frame.data_ref().filter(|data| !data.is_empty())
    {
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(sniff::content_type(data)));
    }
    let body = Begun { first, rest: body }.boxed_unsync();
    let response = Response::empty(parts.status.as_u16()).passing(parts.headers);
    Response { body: Body::Passed(body), ..response }
}

/// A body of which the first part may be read already.
struct Begun {
    first: Option<Result<Frame<Bytes>, BoxError>>,
    rest: AnswerBody,
}

impl hyper::body::Body for Begun {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let next = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        };
        next.map(|frame| frame.map(|frame| frame.map_err(|error| Cut::new(&error.to_string()))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }
}
