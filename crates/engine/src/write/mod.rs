//! Writes: creates, updates, patches and deletions, and the subresources that write.

pub(crate) mod apply;
pub mod bind;
pub mod conversions;
pub mod create;
pub mod delete;
pub(crate) mod delete_collection;
pub(crate) mod deletion;
pub(crate) mod evict;
pub(crate) mod failure;
pub mod guaranteed_update;
pub mod hidden;
pub mod patch;
pub(crate) mod posted;
pub mod preconditions;
mod prepare;
mod replace;
pub mod scale;
pub(crate) mod source;
pub mod token_request;
pub(crate) mod track;
pub(crate) mod update;
