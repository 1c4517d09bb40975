//! The engine: what happens to an object between a decoded request and the store.
//!
//! The engine never names a kind outside `kinds/`, and knows nothing of HTTP.

pub mod admission;
pub mod allocate;
pub mod body;
mod call;
mod convert;
mod create;
mod encoding;
mod engine;
mod fields;
pub mod generate;
mod get;
pub mod kinds;
pub mod meta;
mod open;
pub mod options;
pub mod paging;
mod track;

pub use call::{Call, Written};
pub use engine::{Engine, Served, Target};
