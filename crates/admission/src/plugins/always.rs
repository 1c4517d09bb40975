//! AlwaysAdmit and AlwaysDeny: everything, or nothing at all. Both are deprecated upstream, having no real meaning.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::{Status, Value};

/// The user that the server writes its own objects as.
const SERVER: &str = "system:apiserver";

pub struct AlwaysAdmit;

impl Plugin for AlwaysAdmit {}

pub struct AlwaysDeny;

impl Plugin for AlwaysDeny {
    fn handles_connect(&self) -> bool {
        true
    }

    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        self.validate(request, object)
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        // The server could not start if its own writes were denied.
        if request.attributes.user.name == SERVER {
            return Ok(());
        }
        Err(request.forbidden(object, "admission control is denying all modifications"))
    }
}
