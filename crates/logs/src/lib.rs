//! The log: lines as klog writes them, as text or as JSON, by a verbosity that may change while the server runs.
//!
//! An event of `tracing` is a line. Errors, warnings and information are always written. `debug!` is klog's `-v=2` and
//! `trace!` its `-v=5`; an event with one of the targets in `VERBOSITIES` has the verbosity there. Lines of libraries
//! have others: errors and warnings `-v=4`, all others `-v=10`.

mod json;
mod layer;
mod line;
mod output;
mod text;
mod verbosity;

pub use layer::{LogFormat, LogSettings, begin};
pub use verbosity::{Module, Verbosity};
