//! GET of a collection: a list.

use super::{call, form};
use crate::app::App;
use crate::negotiate;
use crate::request::Request;
use crate::resolve::Route;
use crate::respond::{Body, Response};
use crate::shares::Who;
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
    let list = async || {
        let listing = app.engine.list(served, target.namespace, &options, &selection).await?;
        form::list(app, request, accept, &route.served, listing)
    };
    let response = list().await?;
    let Body::Flow(flow) = &response.body else { return Ok(response) };
    let bytes = flow.weight();
    let who = Who::of(&request.user);
    if let Some(share) = app.answers.try_share(who, bytes) {
        flow.hold(share);
        return Ok(response);
    }
    // Who waits holds nothing; it sees the list as it is when its turn has come.
    drop(response);
    let share = app.answers.share(who, bytes).await?;
    let response = list().await?;
    if let Body::Flow(flow) = &response.body {
        flow.hold(share);
    }
    Ok(response)
}
