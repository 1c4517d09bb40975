//! Subresources: parts of an object with verbs of their own.

use super::{create, get, patch, update, write_context};
use crate::app::App;
use crate::refusals::not_supported;
use crate::request::Request;
use crate::response::Response;
use crate::{negotiate, representation};
use pintle_engine::options::WriteOptions;
use pintle_engine::{ObjectRef, ScaleSource, WriteContext};
use pintle_object::{Status, Verb};

pub async fn answer(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let is_scale = target.subresource == "scale";
    match request.info.verb {
        Verb::Get if is_scale => get_scale(app, request, target).await,
        Verb::Get => get::get(app, request, target).await,
        Verb::Update if is_scale => put_scale(app, request, target).await,
        Verb::Update => update::update(app, request, target).await,
        Verb::Patch => patch::patch(app, request, target).await,
        Verb::Create => create::create(app, request, target).await,
        Verb::List | Verb::Watch | Verb::Delete | Verb::DeleteCollection | Verb::Proxy | Verb::Other(_) => {
            Err(not_supported(request, target))
        }
    }
}

async fn get_scale(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let served = target.served;
    let object = app.engine.get(&target, &request.query).await?;
    let tree = app.engine.tree(served, &object)?;
    app.engine.check_scale(served, &tree)?;
    let scale = app.engine.scale(served, &tree);
    representation::scale(app, request, accept, &target, 200, &scale)
}

async fn put_scale(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = WriteOptions::update(&request.query)?;
    let mut context = write_context::begin(request, &options.field_manager, options.dry_run);
    context.options = Some(&options);
    let result = write_scale(app, request, target, accept, &options, &mut context).await;
    write_context::with_warnings(app, request, context.warnings, result)
}

async fn write_scale(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    accept: negotiate::Accept,
    options: &WriteOptions,
    context: &mut WriteContext<'_>,
) -> Result<Response, Status> {
    let body = write_context::body(request)?;
    let scale = app.engine.read_body(&target, body, options.field_validation, context)?;
    pintle_engine::preconditions::check_name(&target, &scale)?;
    let written = app.engine.update_scale(target, ScaleSource::Body(scale), context).await?;
    representation::written(app, request, accept, &target, 200, &written.answer)
}
