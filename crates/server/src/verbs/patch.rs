//! PATCH: a change to the current version of an object.

use super::write_context;
use crate::app::App;
use crate::negotiate::{self, Accept};
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use crate::spans;
use hyper::header;
use pintle_engine::options::{PatchKind, WriteOptions};
use pintle_engine::{ObjectRef, Patch, WriteContext};
use pintle_object::Status;

pub async fn patch(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let kind = kind(request, &target)?;
    let accept = negotiate::resource(request, &target)?;
    let options = WriteOptions::patch(&request.query, kind)?;
    request.audit.set_request_patch(&request.body);
    pintle_traces::event("Recorded the audit event", |_| ());
    let mut context = write_context::begin(request, &options.field_manager, options.dry_run);
    context.options = Some(&options);
    let patch = Patch {
        kind,
        bytes: &request.body,
        validation: options.field_validation,
        force: options.force.unwrap_or(false),
    };
    let result = run(app, request, target, accept, &patch, &mut context).await;
    write_context::with_warnings(app, request, context.warnings, result)
}

async fn run(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    accept: Accept,
    patch: &Patch<'_>,
    context: &mut WriteContext<'_>,
) -> Result<Response, Status> {
    let written = app.engine.patch(target, patch, context).await?;
    pintle_traces::event("Object stored in database", |_| ());
    let status = if written.created { 201 } else { 200 };
    let span = spans::serialize(request, accept);
    spans::serialized(span, representation::written(app, request, accept, &target, status, &written.answer))
}

/// Content types of patches. Without a Go type there is no strategy.
pub const BUILT_IN: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const CUSTOM: &[&str] =
    &["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// The kind of patch, by the content type, which is compared as it is written.
fn kind(request: &Request, target: &ObjectRef<'_>) -> Result<PatchKind, Status> {
    let taken = if target.served.is_typed() { BUILT_IN } else { CUSTOM };
    let header = request.header(header::CONTENT_TYPE);
    let media_type = match header.find(';') {
        Some(end) if end > 0 => header.get(..end).unwrap_or(&header),
        _ => &header,
    };
    match media_type {
        media_type if !taken.contains(&media_type) => Err(write_context::unknown_format(taken)),
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        _ => Ok(PatchKind::Apply),
    }
}
