//! DELETE of one object or of a collection.

use super::write_context;
use crate::app::App;
use crate::negotiate::{self, Accept};
use crate::representation;
use crate::request::Request;
use crate::resolve::Route;
use crate::response::Response;
use crate::spans;
use pintle_access::Decision;
use pintle_engine::delete::{self, Deleted};
use pintle_engine::options::{DeleteOptions, ListOptions};
use pintle_engine::{ObjectRef, Selection, WriteContext, body};
use pintle_object::{Status, Verb};

pub async fn delete(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = options(app, request)?;
    if options.ignores_read_errors {
        authorize_unread(app, request, &target).await?;
    }
    let mut context = write_context::begin(request, "", options.dry_run);
    let result = run(app, request, target, accept, &options, &mut context).await;
    write_context::with_warnings(app, request, context.warnings, result)
}

async fn run(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    accept: Accept,
    options: &DeleteOptions,
    context: &mut WriteContext<'_>,
) -> Result<Response, Status> {
    let served = target.served;
    pintle_traces::event("About to delete object from database", |_| ());
    let deleted = app.engine.delete(target, options, context).await?;
    pintle_traces::event("Object deleted from database", |_| ());
    let span = spans::serialize(request, accept);
    let response = match deleted {
        Deleted::Gone { uid } => {
            let status = delete::success(&served.group_resource(), target.name, &uid);
            Ok(representation::typed(app, accept.of_status(), app.engine.meta_type("Status"), 200, &status))
        }
        Deleted::Unread => {
            let status = delete::unread(&served.resource.kind, target.name);
            Ok(representation::typed(app, accept.of_status(), app.engine.meta_type("Status"), 200, &status))
        }
        Deleted::Object { answer, is_gone } => {
            // With `orphanDependents: false` the dependents are deleted later: 202 Accepted.
            let status = if !is_gone && options.orphan_dependents == Some(false) { 202 } else { 200 };
            representation::written(app, request, accept, &target, status, &answer)
        }
    };
    spans::serialized(span, response)
}

pub async fn delete_collection(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    route: &Route,
) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let served = target.served;
    let list = ListOptions::read(&request.query)?;
    let selection = Selection::compile(served, &list, "")?;
    let options = options(app, request)?.of_collection()?;
    let mut context = write_context::begin(request, "", options.dry_run);
    let result = app.engine.delete_collection(target, &options, &list, &selection, &mut context).await;
    let result = match result {
        Ok(listing) => representation::list(app, request, accept, &route.served, listing).await,
        Err(status) => Err(status),
    };
    write_context::with_warnings(app, request, context.warnings, result)
}

/// Options come in the body, or else in the query.
fn options(app: &App, request: &Request) -> Result<DeleteOptions, Status> {
    let deletes_unreadable = app.engine.deletes_unreadable;
    if request.body.is_empty() {
        return DeleteOptions::from_query(&request.query)?.gated(deletes_unreadable);
    }
    let body = write_context::body(request)?;
    let options = body::decode_delete_options(&app.engine.api, body)?;
    pintle_traces::event("Decoded delete options", |_| ());
    app.engine.note_delete_options(&options, &request.audit);
    pintle_traces::event("Recorded the audit event", |_| ());
    DeleteOptions::from_body(&options)?.gated(deletes_unreadable)
}

/// Refuses the deletion of an unreadable object unless its user has the permission for just that.
async fn authorize_unread(app: &App, request: &Request, target: &ObjectRef<'_>) -> Result<(), Status> {
    let verb = "unsafe-delete-ignore-read-errors";
    request.audit.annotate("apiserver.k8s.io/unsafe-delete-ignore-read-error", "");
    let info = request.info.with_verb(Verb::named(verb));
    let why = match app.access.authorize(&request.user, &info).await {
        Decision::Allow(_) => return Ok(()),
        Decision::Deny(reason) | Decision::NoOpinion(reason) => {
            format!("not permitted to do {verb:?}, reason: {reason}")
        }
        Decision::Error { why, .. } => format!("error while checking permission for {verb:?}, {why}"),
    };
    Err(Status::forbidden(&target.served.group_resource(), target.name, &why))
}
