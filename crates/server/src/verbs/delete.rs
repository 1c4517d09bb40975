//! DELETE of one object or of a collection.

use super::write_context;
use crate::app::App;
use crate::negotiate::{self, Accept};
use crate::representation;
use crate::request::Request;
use crate::resolve::Route;
use crate::response::Response;
use pintle_engine::delete::{self, Deleted};
use pintle_engine::options::{DeleteOptions, ListOptions};
use pintle_engine::{Call, Selection, Target, body};
use pintle_object::Status;

pub async fn delete(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = options(app, request)?;
    let mut call = write_context::begin(request, "", options.dry_run);
    let result = run(app, request, target, accept, &options, &mut call).await;
    write_context::with_warnings(app, request, call.warnings, result)
}

async fn run(
    app: &App,
    request: &Request,
    target: Target<'_>,
    accept: Accept,
    options: &DeleteOptions,
    call: &mut Call<'_>,
) -> Result<Response, Status> {
    let served = target.served;
    match app.engine.delete(target, options, call).await? {
        Deleted::Gone { uid } => {
            let status = delete::success(&served.group_resource(), target.name, &uid);
            Ok(representation::typed(app, accept.of_status(), app.engine.meta_type("Status"), 200, &status))
        }
        Deleted::Object { object, is_gone } => {
            // Whoever asked for its dependents to go too is told that this takes a while.
            let status = if !is_gone && options.orphan_dependents == Some(false) { 202 } else { 200 };
            representation::tree(app, request, accept, served, status, &object)
        }
    }
}

pub async fn delete_collection(
    app: &App,
    request: &Request,
    target: Target<'_>,
    route: &Route,
) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let served = target.served;
    let list = ListOptions::read(write_context::query(request))?;
    let selection = Selection::compile(served, &list, "")?;
    let options = options(app, request)?;
    let mut call = write_context::begin(request, "", options.dry_run);
    let result = app.engine.delete_collection(target, &options, &list, &selection, &mut call).await;
    let result = match result {
        Ok(listing) => representation::list(app, request, accept, &route.served, listing).await,
        Err(status) => Err(status),
    };
    write_context::with_warnings(app, request, call.warnings, result)
}

/// Options come in the body, or else in the query.
fn options(app: &App, request: &Request) -> Result<DeleteOptions, Status> {
    if request.body.is_empty() {
        return DeleteOptions::from_query(write_context::query(request));
    }
    let body = write_context::body(request)?;
    let options = body::decode_delete_options(&app.engine.api, body)?;
    app.engine.note_delete_options(&options, &request.audit);
    DeleteOptions::from_body(&options)
}
