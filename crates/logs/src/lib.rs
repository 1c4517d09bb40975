//! The log: lines as klog writes them, as text or as JSON, by a verbosity that may change while the server runs.
//!
//! An event of `tracing` is a line. Errors, warnings and information are always written. `debug!` is what klog has at
//! `-v=2` and `trace!` what it has at `-v=5`; an event whose target is one of `VERBOSITIES` has the verbosity that
//! stands there. What libraries say is apart: their errors and warnings at `-v=4`, everything at `-v=10`.

mod json;
mod layer;
mod line;
mod output;
mod text;
mod verbosity;

pub use layer::{LogFormat, LogSettings, begin};
pub use verbosity::{Module, Verbosity};
