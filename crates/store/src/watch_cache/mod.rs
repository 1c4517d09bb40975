//! The watch cache: all objects in memory, and the dispatch of their changes to watchers.
//!
//! ```text
//! writer, etcd watch -> cache -> collection: snapshot, event window
//!                                    |
//!                                    +-> dispatcher -> watch groups -> notifier -> watchers
//! ```
//!
//! Readers take a snapshot, and no writer waits for them. Watchers with the same predicate share a group, which holds
//! the places of their events in the collection's window, so that an event is matched once per predicate; those that
//! also encode events alike share the encodings.

pub(crate) mod cache;
pub(crate) mod collection;
pub(crate) mod dispatcher;
pub(crate) mod encoded_events;
pub(crate) mod encoding_cache;
pub(crate) mod event;
pub(crate) mod event_age;
pub(crate) mod event_window;
pub(crate) mod notifier;
pub(crate) mod predicate;
pub(crate) mod snapshot;
pub(crate) mod watch_group;
pub(crate) mod watcher;
