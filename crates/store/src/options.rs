//! Options of a store.

use crate::retention::Retention;
use crate::transformer::Transformer;
use crate::watch_cache::event_window::EventWindow;
use pintle_metrics::Registry;
use std::sync::Arc;

/// The bounds of a store's past, and the encryption of its values.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The events that stay in memory.
    pub window: EventWindow,
    /// The superseded rows that stay on disk.
    pub retention: Retention,
    /// None to store all values as they are.
    pub transformer: Option<Arc<dyn Transformer>>,
    /// The registry that counts calls to etcd.
    pub metrics: Registry,
}
