//! The store: revisions, durable backends, and the watch cache that all reads come from.
//!
//! It sees keys, bytes and digests, and knows nothing of what they mean.

mod ages;
pub mod backend;
mod board;
mod cache;
mod collection;
mod compaction;
pub mod etcd;
mod forms;
mod herald;
mod lane;
mod object;
mod prefixes;
mod recovery;
mod request_size;
mod routes;
mod snapshot;
mod store;
pub mod transfer;
pub mod transformer;
mod watch;
mod writer;

pub use backend::{Backend, Error as OpenError};
pub use collection::{CollectionId, Window};
pub use forms::FORMS;
pub use object::{Digest, Key, Object, Revision};
pub use snapshot::Snapshot;
pub use store::{Digester, Options, Past, Store};
pub use watch::{Event, EventKind, Filter, Interest, Step, Told, WatchFrom, Watcher};
pub use writer::{Change, CommitError, Expected, History, Write};

/// A revision lies outside the window of recent events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The oldest revision that can still be asked for.
    pub oldest: Revision,
    pub current: Revision,
}

#[cfg(test)]
mod tests;
