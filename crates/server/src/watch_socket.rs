//! Watches over WebSocket, as consoles ask for them: a message for each event.

use crate::exchange::Exchange;
use crate::request::Request;
use crate::response::{Body, Response};
use crate::upgrade::Upgrade;
use hyper::header;
use pintle_object::Verb;
use pintle_proxy::socket::{self, Framing};
use pintle_proxy::websocket;

/// The answer to a watch in messages of a web socket, where the client asks for one.
pub fn opened(request: &Request, exchange: &mut Exchange, response: Response) -> Response {
    if request.info.verb != Verb::Watch || response.status != 200 || exchange.upgrade.is_none() {
        return response;
    }
    let Some(named) = websocket::protocols(&request.headers) else { return response };
    // Upstream's library takes no client that does not say where it is from, and chooses among no protocols.
    let origin = request.header(header::ORIGIN);
    if !origin.contains("://") && !origin.starts_with('/') {
        return refused(403);
    }
    let protocol = match named.as_slice() {
        [] => None,
        [one] => Some(one.as_str()),
        _ => return refused(400),
    };
    let head = match websocket::accept(&request.method, &request.headers, protocol) {
        Ok(head) => head,
        Err(refusal) => return refused(refusal.status().as_u16()),
    };
    let is_json = response.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let framing = if is_json { Framing::Lines } else { Framing::Lengths };
    match (response.body, exchange.upgrade.take()) {
        (Body::Stream(mut parts), Some(on)) => {
            let next: socket::Next = Box::new(move |context| parts.poll_part(context));
            let upgrade =
                Upgrade::new(on, move |stream| socket::tell(Box::new(stream), framing, false, next));
            let headers = Vec::new();
            Response { status: 101, headers, body: Body::Upgrade(upgrade), ..response }.passing(head)
        }
        (body, _) => Response { body, ..response },
    }
}

fn refused(status: u16) -> Response {
    Response::empty(status).with("connection", "close")
}
