//! Admission: ordered plugins that mutate and validate objects before they are written, one file each.

mod cel;
mod chain;
mod claims;
mod configuration;
mod counted;
mod grants;
mod metrics;
mod notes;
mod outward;
mod plugin;
mod plugins;
mod policy;
mod request;
mod settings;
mod view;
mod webhook;

pub use chain::Chain;
pub use outward::Outward;
pub use plugin::{Outcome, Plugin};
pub use plugins::{PLUGINS, PluginRow};
pub use request::Request;
pub use settings::AdmissionSettings;
