//! GET of a collection: a list, or a watch when the query says so.

use super::{call, form, watch};
use crate::app::App;
use crate::negotiate;
use crate::request::Request;
use crate::respond::Response;
use pintle_engine::options::ListOptions;
use pintle_engine::{Selection, Target};
use pintle_object::Status;

pub async fn list(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    if request.info.verb == "watch" {
        return watch::watch(app, request, target).await;
    }
    let accept = negotiate::resource(request)?;
    let served = target.served;
    let options = ListOptions::read(call::query(request))?;
    let selection = Selection::compile(served, &options, target.name)?;
    let listing = app.engine.list(served, target.namespace, &options, &selection).await?;
    form::list(app, request, accept, served, &listing)
}
