//! The router's own checks of a request about a built-in resource: of its content type, and of the types that it
//! accepts.

use super::patch;
use crate::negotiate;
use crate::request::Request;
use crate::resolve::{Place, Route};
use pintle_object::{Status, Verb};

/// Checks the content type and the accepted types. Proxied routes allow any.
pub fn check(request: &Request, route: &Route) -> Result<(), Status> {
    let info = &request.info;
    let produced = match (route.place, &info.verb) {
        (Place::Connect, _) if info.subresource == "log" => negotiate::LOG,
        (Place::Connect, _) => return Ok(()),
        (Place::Collection | Place::Object, Verb::List | Verb::Watch) => negotiate::EVENTS,
        (_, Verb::Patch) => {
            negotiate::check_consumed(request, patch::BUILT_IN)?;
            negotiate::OBJECTS
        }
        _ => negotiate::OBJECTS,
    };
    negotiate::check_route(request, produced)
}
