//! PATCH: a change to whatever version of the object is current.

use crate::app::App;
use crate::negotiate;
use crate::request::Request;
use crate::respond::Response;
use pintle_engine::Target;
use pintle_engine::options::PatchKind;
use pintle_object::{Details, Reason, Status};

pub async fn patch(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request)?;
    let kind = kind(request)?;
    let _ = (app, target, accept, kind);
    Err(Status::internal("patches are not served yet"))
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
