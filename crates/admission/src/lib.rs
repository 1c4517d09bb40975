//! Admission: ordered plugins that complete and judge what is written, one file each.

mod chain;
pub mod plugins;
mod request;

pub use chain::{Chain, Plugin};
pub use plugins::{Entry, PLUGINS};
pub use request::Request;
