//! PUT: the next version of an object.

use super::write_context;
use crate::app::App;
use crate::negotiate;
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use pintle_engine::options::WriteOptions;
use pintle_engine::{Call, Target, body, custom};
use pintle_object::Status;

pub async fn update(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = WriteOptions::update(write_context::query(request))?;
    let mut call = write_context::begin(request, &options.field_manager, options.dry_run);
    call.options = Some(&options);
    let result = run(app, request, target, accept, &options, &mut call).await;
    write_context::with_warnings(app, request, call.warnings, result)
}

async fn run(
    app: &App,
    request: &Request,
    target: Target<'_>,
    accept: negotiate::Accept,
    options: &WriteOptions,
    call: &mut Call<'_>,
) -> Result<Response, Status> {
    let served = target.served;
    let (ty, gvk) = write_context::body_kind(served, &target);
    let body = write_context::body(request)?;
    let validation = options.field_validation;
    let (api, warnings) = (&app.engine.api, &mut call.warnings);
    let object = match &served.custom {
        Some(_) => custom::body::decode(api, body, served, validation, warnings)?,
        None => body::decode(api, body, ty, &gvk, validation, warnings, &mut call.empties)?,
    };
    app.engine.note_request(&target, ty, &object, call);
    let written = app.engine.update(target, object, call).await?;
    let status = if written.created { 201 } else { 200 };
    representation::written(app, request, accept, &target, status, &written.answer)
}
