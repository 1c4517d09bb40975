//! From a resolved path to the verb that answers it.

use crate::app::App;
use crate::pipeline;
use crate::request::Request;
use crate::respond::Response;
use pintle_object::Status;

/// Answers a request about a resource.
pub async fn dispatch(app: &App, request: &Request) -> Result<Response, Status> {
    if !app.discovery.serves(&request.info.group, &request.info.version) {
        return Ok(Response::not_found_page());
    }
    Err(pipeline::no_such_resource())
}
