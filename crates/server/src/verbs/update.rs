//! PUT: the next version of an object.

use super::write_context;
use crate::app::App;
use crate::negotiate;
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use pintle_engine::options::WriteOptions;
use pintle_engine::{ObjectRef, WriteContext};
use pintle_object::Status;

pub async fn update(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = WriteOptions::update(&request.query)?;
    let mut context = write_context::begin(request, &options.field_manager, options.dry_run);
    context.options = Some(&options);
    let result = run(app, request, target, accept, &options, &mut context).await;
    write_context::with_warnings(app, request, context.warnings, result)
}

async fn run(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    accept: negotiate::Accept,
    options: &WriteOptions,
    context: &mut WriteContext<'_>,
) -> Result<Response, Status> {
    let body = write_context::body(request)?;
    let object = app.engine.read_body(&target, body, options.field_validation, context)?;
    let written = app.engine.update(target, object, context).await?;
    let status = if written.created { 201 } else { 200 };
    representation::written(app, request, accept, &target, status, &written.answer)
}
