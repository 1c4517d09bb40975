//! GET of a collection: a list.

use super::{call, form};
use crate::app::App;
use crate::negotiate;
use crate::request::Request;
use crate::resolve::Route;
use crate::respond::Response;
use pintle_engine::options::ListOptions;
use pintle_engine::{Selection, Target};
use pintle_object::Status;

pub async fn list(
    app: &App,
    request: &Request,
    target: Target<'_>,
    route: &Route,
) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let served = target.served;
    let options = ListOptions::read(call::query(request))?;
    let selection = Selection::compile(served, &options, target.name)?;
    let listing = app.engine.list(served, target.namespace, &options, &selection).await?;
    form::list(app, request, accept, &route.served, listing)
}
