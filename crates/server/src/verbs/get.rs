//! GET of one object.

use super::{call, form};
use crate::app::App;
use crate::negotiate;
use crate::request::Request;
use crate::respond::Response;
use pintle_engine::Target;
use pintle_object::Status;

pub async fn get(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let object = app.engine.get(&target, call::query(request)).await?;
    form::stored(app, request, accept, target.served, &object)
}
