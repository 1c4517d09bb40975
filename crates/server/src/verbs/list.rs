//! GET of a collection: a list, or a watch when the query says so.

use super::{call, form, watch};
use crate::app::App;
use crate::negotiate;
use crate::request::Request;
use crate::respond::{Body, Response};
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
    let list = async || {
        let listing = app.engine.list(served, target.namespace, &options, &selection).await?;
        form::list(app, request, accept, served, listing)
    };
    let response = list().await?;
    let Body::Flow(flow) = &response.body else { return Ok(response) };
    let bytes = flow.weight();
    if let Some(share) = app.lists.try_share(bytes) {
        flow.hold(share);
        return Ok(response);
    }
    // Who waits holds nothing; it sees the list as it is when its turn has come.
    drop(response);
    let share = app.lists.share(bytes).await?;
    let response = list().await?;
    if let Body::Flow(flow) = &response.body {
        flow.hold(share);
    }
    Ok(response)
}
