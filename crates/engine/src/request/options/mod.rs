//! Options of requests: read from the query (or a DeleteOptions body) and validated with upstream's words.

mod delete;
mod list;
mod refusal;
mod write;

pub use delete::{DeleteOptions, Preconditions, Propagation};
pub use list::{ListOptions, VersionMatch};
pub use write::{FieldValidation, PatchKind, WriteOptions};
