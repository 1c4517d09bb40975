//! Options of requests: read from the query (or a DeleteOptions body) and validated with upstream's words.

mod delete;
mod list;
mod query;
mod write;

pub use delete::{DeleteOptions, Preconditions, Propagation};
pub use list::{ListOptions, VersionMatch};
pub use query::{Query, parse_uint};
pub use write::{FieldValidation, PatchKind, WriteOptions, manager_or_agent};

use pintle_object::{FieldErrors, GroupKind, Status};

/// 422 about options: `CreateOptions.meta.k8s.io "" is invalid: ...`.
pub(crate) fn refuse(kind: &str, errors: FieldErrors) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&GroupKind::new("meta.k8s.io", kind), "", errors))
}
