//! Servers of this kind on the same store: requests for resources that only they serve are passed on to them, and their
//! groups stand in discovery (`apiserver/pkg/util/peerproxy` upstream).

mod merge;
mod order;

pub use merge::merged;

use crate::aggregation::{outgoing, replied};
use crate::answer::refuse;
use crate::app::App;
use crate::exchange::Exchange;
use crate::request::Request;
use crate::response::Response;
use pintle_object::{Reason, Status};
use pintle_proxy::peers::{PROXIED, Peers};

/// Passes a request on to a server that has its resource where this one has not; none when there is no such server. A
/// request that was already passed on is answered here in any case.
pub async fn answer(app: &App, request: &Request, exchange: &mut Exchange) -> Option<Response> {
    let peers = app.peers.as_deref()?;
    let info = &request.info;
    let is_passed_on = request.headers.get(PROXIED).is_some_and(|value| value == "true");
    if !info.is_resource || is_passed_on || is_served_here(app, request) {
        return None;
    }
    let resource = [info.group.as_str(), info.version.as_str(), info.resource.as_str()];
    let [group, version, plural] = resource;
    let serving = peers.serving(group, version, plural);
    if serving.is_empty() {
        return None;
    }
    let Some(address) = peers.pick(&serving) else {
        peers.metrics.failed(resource);
        let why = "Error getting ip and port info of the remote server while proxying";
        return Some(refuse(app, request, &Status::new(503, Reason::ServiceUnavailable, why)));
    };
    // Boxed, so that requests of this server's own need not make room for it.
    let response = Box::pin(passed_on(peers, &address, request, exchange)).await;
    peers.metrics.passed(response.status, resource);
    Some(response)
}

async fn passed_on(peers: &Peers, address: &str, request: &Request, exchange: &mut Exchange) -> Response {
    tracing::debug!(path = request.path(), address, "a request is passed on to another server");
    let reply = peers.forward(address, outgoing(request, exchange), &request.user).await;
    replied(reply, exchange).await
}

/// Whether this server, or one behind it, has the resource.
fn is_served_here(app: &App, request: &Request) -> bool {
    let info = &request.info;
    let table = app.engine.table();
    table.find(&info.group, &info.version, &info.resource).is_some()
        || app.aggregator.owner(request.path()).is_some()
}
