//! Paths that are no resources: health, metrics, documents, discovery.

pub mod debug;
mod discovery;
pub mod health;
pub mod oidc;
mod openapi;
pub mod pprof;
pub mod zpages;

use crate::app::App;
use crate::exchange::Exchange;
use crate::heavy::LARGE_BYTES_MIN;
use crate::permits::Requester;
use crate::refusals::no_such_resource;
use crate::request::Request;
use crate::response::Response;
use crate::served::{elsewhere, is_built_in};
use crate::{fairness, metrics, top};
use hyper::Method;
use pintle_object::Status;
use std::sync::Arc;

/// The answer to a path that is no resource.
pub async fn answer(app: &Arc<App>, request: &Request, exchange: &mut Exchange) -> Result<Response, Status> {
    // A success would claim a connection that does not exist.
    if request.method == Method::CONNECT {
        return Ok(Response::not_found_page());
    }
    let path = request.path();
    if let Some(response) = health::answer(app, request).await {
        return Ok(response);
    }
    if let Some(response) = metrics::answer(app, request) {
        return Ok(response);
    }
    if let Some(response) = top::answer(app, request) {
        return Ok(response);
    }
    if let Some(turns) = &app.stages.fairness
        && let Some(response) = fairness::dump::answer(turns, request)
    {
        return Ok(response);
    }
    if let Some(response) = openapi::passed_on(app, request, exchange).await {
        return Ok(response);
    }
    if openapi::is_path(path)
        && let Some(response) = document(app, request).await?
    {
        return Ok(response);
    }
    if let Some(response) = oidc::answer(app, request)? {
        return Ok(response);
    }
    if let Some(response) = zpages::answer(app, request)? {
        return Ok(response);
    }
    if let Some(response) = debug::answer(app, request, exchange).await? {
        return Ok(response);
    }
    match discovery::answer(app, request)? {
        Some(response) => Ok(response),
        None if is_built_in(app, path) => Err(no_such_resource()),
        None => {
            tracing::debug!(path, "no handler for this path");
            let response = elsewhere(app, request, exchange).await?;
            Ok(response.unwrap_or_else(Response::not_found_page))
        }
    }
}

/// An OpenAPI document, made on the threads for large requests if it is not cached.
async fn document(app: &Arc<App>, request: &Request) -> Result<Option<Response>, Status> {
    let (own, copy) = (app.clone(), request.clone());
    let work = async move { Ok(openapi::answer(&own, &copy)) };
    app.heavy.run(Requester::of(&request.user), LARGE_BYTES_MIN, work).await
}
