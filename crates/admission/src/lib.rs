//! Admission: ordered plugins that complete and judge what is written, one file each.

mod cel;
mod chain;
mod claims;
mod configuration;
mod grants;
mod notes;
mod plugin;
mod plugins;
mod policy;
mod request;
mod settings;
mod unenforced;
mod view;
mod webhook;

pub use chain::Chain;
pub use plugin::{Outcome, Plugin};
pub use plugins::{Entry, PLUGINS};
pub use request::Request;
pub use settings::Settings;
pub use unenforced::unenforced;
