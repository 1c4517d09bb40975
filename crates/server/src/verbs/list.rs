//! GET of a collection: a list.

use crate::app::App;
use crate::request::Request;
use crate::resolve::Route;
use crate::response::Response;
use crate::{negotiate, representation};
use pintle_engine::options::ListOptions;
use pintle_engine::{ObjectRef, Selection};
use pintle_object::Status;
use pintle_object::audit::Latency;

pub async fn list(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    route: &Route,
) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let served = target.served;
    let options = ListOptions::read(&request.query)?;
    let selection = Selection::compile(served, &options, target.name)?;
    let clock = request.audit_clock();
    let listing = app.engine.list(served, target.namespace, &options, &selection).await;
    request.took(Latency::Etcd, clock);
    let listing = listing?;
    let resource = &served.resource;
    let (told, is_consistent) = (listing.items.len(), request.query.text("resourceVersion").is_empty());
    let looked_at = crate::verbs::list::listed(app, request, route).max(told);
    app.metrics.lists.observe(&resource.group, &resource.plural, looked_at, told, is_consistent);
    representation::list(app, request, accept, &route.served, listing).await
}

/// The number of objects that a list looks through, at most.
pub(crate) fn listed(app: &App, request: &Request, route: &Route) -> usize {
    let query = &request.query;
    let stored = app.engine.stored_count(&route.served);
    if !query.text("labelSelector").is_empty() || !query.text("fieldSelector").is_empty() {
        return stored;
    }
    // Objects behind the page are counted, but not read.
    match query.text("limit").parse() {
        Ok(limit) if limit > 0 && query.text("resourceVersion") != "0" => stored.min(limit),
        _ => stored,
    }
}
