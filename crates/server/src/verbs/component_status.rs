//! ComponentStatus: an old API for the health of a control plane's parts; it is not stored.

use crate::app::App;
use crate::negotiate;
use crate::representation;
use crate::request::Request;
use crate::resolve::Route;
use crate::response::Response;
use pintle_engine::options::ListOptions;
use pintle_engine::{Listing, ObjectRef, Selection};
use pintle_object::{GroupResource, Status, Value};
use pintle_store::Object;
use std::sync::Arc;

/// Names of components, and whether this process answers for them.
const COMPONENTS: [(&str, bool); 3] = [("controller-manager", false), ("etcd-0", true), ("scheduler", false)];

pub async fn list(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    route: &Route,
) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = ListOptions::read(&request.query)?;
    let selection = Selection::compile(target.served, &options, "")?;
    let objects = COMPONENTS.iter().map(|(name, is_ours)| component(app, &target, name, *is_ours));
    let items = objects.filter(|object| selection.matches(object)).collect();
    let listing = Listing { items, ..Listing::default() };
    representation::list(app, request, accept, &route.served, listing).await
}

pub fn get(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let known = COMPONENTS.iter().find(|(name, _)| *name == target.name);
    let missing = || Status::not_found(&GroupResource::new("", "componentstatus"), target.name);
    let (name, is_ours) = known.ok_or_else(missing)?;
    representation::stored(app, request, accept, target.served, 200, &component(app, &target, name, *is_ours))
}

fn component(app: &App, target: &ObjectRef<'_>, name: &str, is_ours: bool) -> Arc<Object> {
    let mut condition = Value::map();
    condition.set(&["type"], "Healthy");
    condition.set(&["status"], if is_ours { "True" } else { "Unknown" });
    condition.set(&["message"], if is_ours { "ok" } else { "not a part of this process" });
    let mut tree = Value::map();
    tree.set(&["metadata", "name"], name);
    tree.set(&["conditions"], vec![condition]);
    app.engine.unstored(target.served, tree)
}
