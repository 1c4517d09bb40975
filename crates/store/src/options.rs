//! Options of a store.

use crate::retention::Retention;
use crate::watch_cache::event_window::EventWindow;

/// The bounds of a store's past.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The events that stay in memory.
    pub window: EventWindow,
    /// The superseded rows that stay on disk.
    pub retention: Retention,
}
