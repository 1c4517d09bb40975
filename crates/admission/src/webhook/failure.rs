//! Failures of calls that are not the client's fault.

use pintle_object::status::Cause;
use pintle_object::{Reason, Status};

/// The 500 of an error of the server's own, in the form of `NewInternalError`.
pub fn internal(why: String) -> Status {
    let mut status = Status::internal(why.clone());
    status.reason = Reason::InternalError;
    if let Some(details) = &mut status.details
        && details.causes.is_empty()
    {
        details.causes.push(Cause { message: why, ..Cause::default() });
    }
    status
}
