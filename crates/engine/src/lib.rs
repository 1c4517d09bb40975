//! The engine: all operations on objects between the decoded request and the store.
//!
//! The engine never names a kind (`pintle_kinds` does), and knows nothing of HTTP.

mod allocate;
pub mod custom;
mod engine;
pub mod generate;
mod metrics;
pub mod own;
mod read;
pub mod request;
mod resource;
pub mod resource_table;
mod spans;
mod storage;
mod write;

pub use engine::{Admission, Engine, Verdict};
pub use pintle_patch::manager_name;
pub use read::continue_token;
pub use read::list::Listing;
pub use read::list_form::{ListForm, ListView};
pub use read::list_meta::META_VERSION;
pub use read::list_stream::{ListStream, PIECE_BYTES};
pub use read::selection::Selection;
pub use read::table::{Include, TableStyle};
pub use read::watch::{Watch, WatchItem};
pub use read::watch_event::WatchEvent;
pub use request::write_context::{Answer, WriteContext, WriteResult};
pub use request::{admission, body, options};
pub use resource::{Backing, ObjectRef, ServedResource, UNSTRUCTURED};
pub use write::bind::created;
pub use write::conversions::Conversions;
pub use write::failure::store_failed;
pub use write::hidden::HiddenObject;
pub use write::patch::Patch;
pub use write::scale::ScaleSource;
pub use write::source::UpdateSource;
pub use write::token_request::{TokenGrant, TokenTerms};
pub use write::{delete, preconditions};

#[cfg(test)]
mod tests;

#[cfg(test)]
mod growth_tests;
