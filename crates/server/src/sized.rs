//! The work of a request by its size: on which threads it is done, and its permit of the memory that answers may take
//! together.

use crate::answer::finish;
use crate::answers;
use crate::app::App;
use crate::heavy::LARGE_BYTES_MIN;
use crate::inflight;
use crate::permits::Requester;
use crate::request::Request;
use crate::resolve::Route;
use crate::response::{Body, Response};
use crate::verbs;
use pintle_object::Status;
use std::sync::Arc;

/// The reserved size of a write's answer, as a multiple of the bytes that it is made of: defaults and managers are
/// added.
const WRITTEN_RATIO: usize = 2;

/// Dispatches a request: on the threads for large requests when its body or object is large.
pub async fn sized(app: &Arc<App>, request: &Request, route: Route) -> Result<Response, Status> {
    let who = Requester::of(&request.user);
    let bytes = verbs::bytes(app, request, &route);
    // Rare cases are boxed, so that the futures of others stay small.
    if bytes >= LARGE_BYTES_MIN {
        return Box::pin(large(app, request, route, bytes)).await;
    }
    if who != Requester::Master {
        app.answers.room(who).await?;
    }
    let mut response = verbs::dispatch(app, request, &route).await?;
    let wanted = response.weight();
    if app.answers.try_cover(who, &mut response.carried.permits, wanted) {
        return Ok(response);
    }
    if !request.info.verb.is_read() {
        return Box::pin(covered(app, request, response)).await;
    }
    drop(response);
    Box::pin(again(app, request, wanted, verbs::dispatch(app, request, &route))).await
}

/// Dispatches a large request on those threads. Memory for its answer is reserved before.
async fn large(app: &Arc<App>, request: &Request, route: Route, bytes: usize) -> Result<Response, Status> {
    let who = Requester::of(&request.user);
    let is_read = request.info.verb.is_read();
    let run = || {
        let (own, copy, route) = (app.clone(), request.clone(), route.clone());
        app.heavy.run(who, bytes, async move { verbs::dispatch(&own, &copy, &route).await })
    };
    let reserved = app.answers.permit(who, bytes * if is_read { 1 } else { WRITTEN_RATIO }).await?;
    let mut response = run().await?;
    response.carried.permits.push(reserved);
    let wanted = response.weight();
    if !is_read || app.answers.try_cover(who, &mut response.carried.permits, wanted) {
        return covered(app, request, response).await;
    }
    drop(response);
    again(app, request, wanted, run()).await
}

/// Reads again once there is room for the size that was found; nothing is held meanwhile.
async fn again(
    app: &App,
    request: &Request,
    wanted: usize,
    run: impl Future<Output = Result<Response, Status>>,
) -> Result<Response, Status> {
    let permit = app.answers.permit(Requester::of(&request.user), wanted).await?;
    let mut response = run.await?;
    response.carried.permits.push(permit);
    covered(app, request, response).await
}

/// An answer with its permit of the memory for all answers. When there is no room in time, a read gets a refusal with
/// `Retry-After`, and a write a timeout, since it has already been made.
pub async fn covered(app: &App, request: &Request, mut response: Response) -> Result<Response, Status> {
    let weight = response.weight();
    match app.answers.cover(Requester::of(&request.user), &mut response.carried.permits, weight).await {
        Ok(()) => Ok(response),
        Err(status) if request.info.verb.is_read() || !request.info.is_resource => Err(status),
        Err(_) => Ok(inflight::timed_out()),
    }
}

/// An answer that holds its permit until it is sent. Refusals have none yet; when there is no room for one, a shorter
/// refusal with `Retry-After` is sent.
pub async fn held(app: &App, request: &Request, mut response: Response) -> Response {
    let (who, weight) = (Requester::of(&request.user), response.weight());
    if !app.answers.try_cover(who, &mut response.carried.permits, weight)
        && response.carried.permits.is_empty()
    {
        let (is_to_nobody, left) = (response.is_to_nobody, response.carried.left);
        let mut refusal = inflight::too_many(1);
        if let Some(connection) = response.header("connection") {
            refusal = refusal.with("connection", connection.to_string());
        }
        drop(response);
        refusal.carried.left = left;
        let refusal = Box::pin(finish(app, request, refusal)).await;
        return Response { is_to_nobody, ..refusal };
    }
    match &mut response.body {
        Body::Bytes(bytes) => {
            *bytes = answers::hold(std::mem::take(bytes), std::mem::take(&mut response.carried.permits))
        }
        Body::List(list) => list.hold(std::mem::take(&mut response.carried.permits)),
        Body::Chunks(_) | Body::Stream(_) | Body::Passed(_) | Body::Upgrade(_) => {}
    }
    response
}
