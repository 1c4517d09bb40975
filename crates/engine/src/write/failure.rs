//! Refusals of the store as the answers of requests.

use pintle_object::{Reason, Status};
use pintle_store::CommitError;

/// The answer to a failure of the store itself.
pub fn store_failed(error: CommitError) -> Status {
    let unavailable =
        |message: &str, why| Status::new(503, Reason::ServiceUnavailable, message).with_internal(why);
    match error {
        // As kube-apiserver does: etcd's words, which operators know.
        CommitError::NotEncrypted(error) => Status::internal(&error.0),
        CommitError::TooLarge(why) | CommitError::Refused(why) => Status::new(500, Reason::Unknown, why),
        CommitError::ReadOnly(why) => unavailable("the store does not take writes", why),
        CommitError::Unavailable(why) => unavailable("cannot reach the store", why),
        CommitError::Exists(_) | CommitError::Missing | CommitError::Stale(_) => {
            Status::internal("a write did not find what it expected")
        }
    }
}
