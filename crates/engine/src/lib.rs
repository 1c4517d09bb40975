//! The engine: what happens to an object between a decoded request and the store.
//!
//! The engine never names a kind outside `kinds/`, and knows nothing of HTTP.

pub mod admission;
pub mod allocate;
mod answer;
mod apply;
mod bind;
pub mod body;
mod call;
pub mod companions;
mod convert;
mod create;
pub mod custom;
pub mod delete;
mod delete_collection;
mod deletion;
mod encoding;
mod engine;
mod evict;
mod fields;
pub mod generate;
mod get;
pub mod kinds;
mod list;
pub mod meta;
mod open;
pub mod options;
pub mod own;
pub mod paging;
mod patch;
pub mod patch_document;
mod pieces;
pub mod preconditions;
mod records;
mod scale;
mod selection;
pub mod serving;
mod table;
mod token_request;
mod track;
mod undecodable;
pub mod update;
pub mod validation;
mod watch;

pub use answer::META_VERSION;
pub use bind::created;
pub use call::{Call, Written};
pub use create::store_failed;
pub use engine::{Engine, OwnRules, Served, Target};
pub use list::Listing;
pub use patch::Patch;
pub use pieces::{ListForm, ListFormat, ListView, PIECE_BYTES, Pieces};
pub use scale::ScaleSource;
pub use selection::Selection;
pub use table::{Include, TableStyle};
pub use token_request::{TokenGrant, TokenTerms};
pub use watch::{Heard, Told, Watch};

#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod tests;

#[cfg(test)]
mod growth_tests;
