//! Admission: ordered plugins that complete and judge what is written, one file each.

mod chain;
mod claims;
mod configuration;
mod grants;
mod plugins;
mod request;

pub use chain::{Chain, Plugin, Settings};
pub use plugins::{Entry, PLUGINS, is_planned};
pub use request::Request;
