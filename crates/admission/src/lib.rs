//! Admission: ordered plugins that complete and judge what is written, one file each.

mod cel;
mod chain;
mod claims;
mod configuration;
mod grants;
mod plugins;
mod policy;
mod request;
mod unenforced;
mod webhook;

pub use chain::{Chain, Plugin, Settings};
pub use plugins::{Entry, PLUGINS};
pub use request::Request;
pub use unenforced::unenforced;
