//! PATCH: a change to whatever version of the object is current.

use super::{call, form};
use crate::app::App;
use crate::negotiate::{self, Accept};
use crate::request::Request;
use crate::respond::Response;
use pintle_engine::options::{PatchKind, WriteOptions};
use pintle_engine::{Call, Patch, Target};
use pintle_object::{Details, Reason, Status};

pub async fn patch(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    let kind = match (kind(request), &target.served.custom) {
        (Ok(PatchKind::Strategic) | Err(_), Some(_)) => return Err(not_for_custom()),
        (kind, _) => kind?,
    };
    let accept = negotiate::resource(request)?;
    let options = WriteOptions::patch(call::query(request), kind)?;
    let user = call::user(request);
    let mut call = call::call(request, &user, &options.field_manager, options.dry_run);
    call.options = Some(&options);
    let patch = Patch {
        kind,
        bytes: &request.body,
        validation: options.field_validation,
        force: options.force.unwrap_or(false),
    };
    let result = run(app, request, target, accept, &patch, &mut call).await;
    call::with_warnings(app, request, call.warnings, result)
}

async fn run(
    app: &App,
    request: &Request,
    target: Target<'_>,
    accept: Accept,
    patch: &Patch<'_>,
    call: &mut Call<'_>,
) -> Result<Response, Status> {
    let written = app.engine.patch(target, patch, call).await?;
    let status = if written.created { 201 } else { 200 };
    if target.subresource == "scale" {
        return form::scale(app, request, accept, &target, status, &written.object);
    }
    form::tree(app, request, accept, target.served, status, &written.object)
}

/// Without a Go type there is no strategy.
fn not_for_custom() -> Status {
    let message = "the body of the request was in an unknown format - accepted media types include: \
                   application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    Status::new(415, Reason::UnsupportedMediaType, message)
}

/// What kind of patch the body is, by its content type; the router compares it as it is written.
fn kind(request: &Request) -> Result<PatchKind, Status> {
    match request.header("content-type").split(';').next().unwrap_or("").trim() {
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        "application/apply-patch+yaml" => Ok(PatchKind::Apply),
        _ => Err(Status::new(415, Reason::UnsupportedMediaType, "415: Unsupported Media Type")
            .with_details(Details::default())),
    }
}
