//! PUT: the next version of an object.

use super::write_context;
use crate::app::App;
use crate::negotiate;
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use crate::spans;
use pintle_engine::ObjectRef;
use pintle_engine::options::WriteOptions;
use pintle_object::Status;

pub async fn update(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = WriteOptions::update(&request.query)?;
    let mut context = write_context::begin(request, &options.field_manager, options.dry_run);
    context.options = Some(&options);
    let written = async {
        let body = write_context::body(request)?;
        pintle_traces::event("About to convert to expected version", |_| ());
        let object = app.engine.read_body(&target, body, options.field_validation, &mut context)?;
        pintle_traces::event("Conversion done", |_| ());
        spans::stored_soon();
        let written = spans::stored(request, app.engine.update(target, object, &mut context).await)?;
        let status = if written.created { 201 } else { 200 };
        let span = spans::serialize(request, accept);
        spans::serialized(
            span,
            representation::written(app, request, accept, &target, status, &written.answer),
        )
    };
    let result = written.await;
    write_context::with_warnings(app, request, context.warnings, result)
}
