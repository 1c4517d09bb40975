//! POST on a collection: a new object.

use super::{review, token, write_context};
use crate::app::App;
use crate::negotiate;
use crate::refusals;
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use crate::spans;
use pintle_engine::options::WriteOptions;
use pintle_engine::{ObjectRef, WriteContext};
use pintle_object::Status;

pub async fn create(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let body = write_context::body(request)?;
    let options = WriteOptions::create(&request.query)?;
    let mut context = write_context::begin(request, &options.field_manager, options.dry_run);
    context.options = Some(&options);
    let written = async {
        pintle_traces::event("About to convert to expected version", |_| ());
        let object = app.engine.read_body(&target, body, options.field_validation, &mut context)?;
        pintle_traces::event("Conversion done", |_| ());
        if target.served.is_virtual() || !target.subresource.is_empty() {
            return virtual_create(app, request, target, accept, object, &mut context).await;
        }
        spans::stored_soon();
        let written = spans::stored(request, app.engine.create(target, object, &mut context).await)?;
        let span = spans::serialize(request, accept);
        spans::serialized(span, representation::written(app, request, accept, &target, 201, &written.answer))
    };
    let result = written.await;
    write_context::with_warnings(app, request, context.warnings, result)
}

/// Objects that are answered, not stored.
async fn virtual_create(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    accept: negotiate::Accept,
    object: pintle_object::Value,
    context: &mut WriteContext<'_>,
) -> Result<Response, Status> {
    match (target.served.resource.plural.as_ref(), target.subresource) {
        ("bindings", "") | ("pods", "binding") => {
            let pods = app.engine.find("", "v1", "pods").ok_or_else(refusals::no_such_resource)?;
            let name = object.str_at(&["metadata", "name"]).to_string();
            if name.is_empty() && target.name.is_empty() {
                return Err(Status::bad_request("Name parameter required."));
            }
            let name = if target.name.is_empty() { &name } else { target.name };
            let pod = ObjectRef { served: &pods, subresource: "binding", namespace: target.namespace, name };
            app.engine.bind(pod, target, object, context).await?;
            Ok(created(app, accept))
        }
        ("pods", "eviction") => {
            app.engine.evict(target, object, context).await?;
            Ok(created(app, accept))
        }
        ("serviceaccounts", "token") => token::request(app, accept, target, object, context).await,
        (_, "") => review::review(app, request, accept, target, object, context).await,
        _ => Err(refusals::no_such_resource()),
    }
}

fn created(app: &App, accept: negotiate::Accept) -> Response {
    let ty = app.engine.meta_type("Status");
    representation::typed(app, accept.of_status(), ty, 201, &pintle_engine::created())
}
