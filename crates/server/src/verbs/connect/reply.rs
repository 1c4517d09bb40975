//! From a request to the one that is passed on, and from the other side's reply to an answer.

use crate::exchange::Exchange;
use crate::list_body::Cut;
use crate::request::Request;
use crate::response::{Body, Response};
use crate::upgrade::Upgrade;
use http_body_util::BodyExt;
use hyper::header;
use pintle_object::Status;
use pintle_outbound::RequestBody as SentBody;
use pintle_proxy::{AnswerBody, Incoming, Reply, headers};

/// The request as others may see it. Its body is read as they take it.
pub fn incoming(request: &Request, exchange: &mut Exchange) -> Incoming {
    let mut sent = request.headers.clone();
    headers::strip_identity(&mut sent);
    let (_, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
    let body = match exchange.body.take() {
        Some(body) => SentBody::stream(body),
        None => SentBody::bytes(request.body.clone()),
    };
    Incoming {
        method: request.method.clone(),
        path: request.path().to_string(),
        query: query.to_string(),
        host: host(request),
        headers: sent,
        body,
        peer: Some(request.peer.ip()),
        can_upgrade: exchange.upgrade.is_some(),
    }
}

/// The host that the client asked for, which HTTP/2 has in the URI.
fn host(request: &Request) -> String {
    let host = request.header(header::HOST);
    if !host.is_empty() {
        return host.into_owned();
    }
    let uri: Option<hyper::Uri> = request.uri.parse().ok();
    uri.and_then(|uri| uri.authority().map(|host| host.to_string())).unwrap_or_default()
}

pub fn answer(reply: Reply, exchange: &mut Exchange) -> Result<Response, Status> {
    match reply {
        Reply::Answer(answer) => {
            let (parts, body) = answer.into_parts();
            let response = Response::empty(parts.status.as_u16()).passing(parts.headers);
            Ok(Response { body: passed(body), ..response })
        }
        Reply::Upgrade(head, serve) => {
            let on = exchange.upgrade.take();
            let on = on.ok_or_else(|| Status::bad_request("Upgrade request required"))?;
            let upgrade = Upgrade::new(on, move |stream| serve(Box::new(stream)));
            Ok(Response::upgraded(upgrade).passing(head))
        }
    }
}

/// A body that ends where the other side's does, or is cut off there.
pub fn passed(body: AnswerBody) -> Body {
    Body::Passed(body.map_err(|error| Cut::new(&error.to_string())).boxed_unsync())
}
