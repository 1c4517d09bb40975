//! The store: revisions, durable backends, and the watch cache that all reads come from.
//!
//! The store sees keys, bytes and attributes, and knows nothing of their meaning.

mod attrs;
pub mod backend;
mod clock;
mod compaction;
pub mod etcd;
mod object;
mod options;
mod prefixes;
mod recovery;
mod request_size;
mod retention;
mod store;
mod stored_value;
pub mod transfer;
pub mod transformer;
mod watch_cache;
mod write;
mod writer;

pub use attrs::{AttrReader, Attrs};
pub use backend::{BackendError as OpenError, DurableLog};
pub use object::{CollectionId, Key, Object, Revision};
pub use options::Options;
pub use request_size::TOO_LARGE;
pub use retention::Retention;
pub use store::{HistoricalReadError, Store, WriteKind};
pub use watch_cache::encoding_cache::ENCODINGS_MAX;
pub use watch_cache::event::{Event, EventKind};
pub use watch_cache::event_window::{EventFacts, EventWindow};
pub use watch_cache::predicate::{Selector, WatchPredicate};
pub use watch_cache::snapshot::Snapshot;
pub use watch_cache::watcher::{WatchFrom, WatchItem, Watcher};
pub use write::{Change, CommitError, Precondition, Write};

/// A revision lies outside the window of recent events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The oldest revision that can still be read.
    pub oldest: Revision,
    pub current: Revision,
}

#[cfg(test)]
mod tests;
