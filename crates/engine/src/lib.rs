//! The engine: what happens to an object between a decoded request and the store.
//!
//! The engine never names a kind outside `kinds/`, and knows nothing of HTTP.

pub mod allocate;
pub mod kinds;

pub mod body;
pub mod generate;
pub mod meta;
pub mod options;
pub mod paging;
