//! Refusals without a better place: those of the router, and internal errors.

use crate::request::Request;
use crate::response::Response;
use pintle_engine::ObjectRef;
use pintle_object::field::quote;
use pintle_object::{Details, Reason, Status};

/// Upstream's 500 of a request whose authorization failed.
pub fn internal_error(request: &Request, why: &str) -> Response {
    let words = format!("Internal Server Error: {}: {why}", quote(&request.uri));
    // Nothing in it reads as HTML.
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Response::new(500, "text/plain; charset=utf-8", format!("{words}\n"))
        .with("x-content-type-options", "nosniff")
}

/// The router's 405 for a method that a path does not take.
pub fn method_not_allowed() -> Status {
    Status::new(
        405,
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
    .with_details(Details::default())
}

/// The router's 404 for a path under a known group and version that is no resource.
pub fn no_such_resource() -> Status {
    Status::new(404, Reason::NotFound, "the server could not find the requested resource")
        .with_details(Details::default())
}

/// The refusal of a verb that a place does not have.
pub(crate) fn not_supported(request: &Request, target: ObjectRef<'_>) -> Status {
    Status::method_not_supported(&target.served.group_resource(), request.info.verb.as_str())
}
