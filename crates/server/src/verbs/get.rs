//! GET of one object.

use crate::app::App;
use crate::negotiate;
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use pintle_engine::ObjectRef;
use pintle_object::Status;

pub async fn get(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let object = app.engine.get(&target, &request.query).await?;
    representation::stored(app, request, accept, target.served, 200, &object)
}
