//! The cache: all collections in memory, and the publication of a batch of changes.

use crate::attrs::Attrs;
use crate::object::{CollectionId, Object, Revision};
use crate::watch_cache::collection::Collection;
use crate::watch_cache::encoding_cache::EncodingCache;
use crate::watch_cache::event::Event;
use crate::watch_cache::event_window::{EventLog, EventWindow};
use crate::watch_cache::notifier::Notifier;
use crate::watch_cache::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Reads the attributes of one collection's objects; `None` for a value that it cannot read.
pub(crate) type ReadAttrs = Arc<dyn Fn(&Object) -> Option<Attrs> + Send + Sync>;

pub(crate) type Collections = Arc<RwLock<Vec<Arc<Collection>>>>;

/// The changes of a batch by the collection's index: the snapshot that it leaves, and its events.
pub(crate) type Changes = HashMap<usize, (Snapshot, Vec<Arc<Event>>)>;

/// The side of the cache that publishes: held by the writer of the embedded store, or by etcd's watch.
pub(crate) struct WatchCache {
    pub collections: Collections,
    /// The revision up to which everything is visible.
    pub published: Arc<AtomicU64>,
    /// The same revision, for tasks that wait for it.
    pub visible: watch::Sender<u64>,
    pub encodings: Arc<EncodingCache>,
    pub notifier: Notifier,
    /// The last time at which all collections dropped their old events.
    pub old_dropped: Mutex<Option<Instant>>,
}

/// The time between looks for events that are too old.
const DROP_OLD_INTERVAL: Duration = Duration::from_secs(60);

impl WatchCache {
    pub fn collection(&self, index: usize) -> Option<Arc<Collection>> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }

    /// Makes changes visible, and then the revision `last`.
    pub fn publish(&self, changes: Changes, last: Revision) {
        debug_assert!(self.published.load(Ordering::Acquire) <= last.0, "revisions do not ascend");
        for (index, (snapshot, events)) in changes {
            if events.is_empty() {
                continue;
            }
            for (grown, shrunk) in events.iter().map(|event| event.growth()) {
                self.encodings.resize(grown, shrunk);
            }
            if let Some(collection) = self.collection(index) {
                collection.publish(snapshot, events, &self.notifier);
            }
        }
        self.advance(last);
    }

    /// Says that everything up to a revision is visible.
    pub fn advance(&self, last: Revision) {
        self.published.store(last.0, Ordering::Release);
        self.visible.send_replace(last.0);
        self.drop_old(Instant::now());
    }

    /// Drops events that are too old, also where nothing is written; most calls do nothing.
    pub fn drop_old(&self, now: Instant) {
        let mut dropped = self.old_dropped.lock().unwrap_or_else(PoisonError::into_inner);
        if dropped.is_some_and(|last| now.saturating_duration_since(last) < DROP_OLD_INTERVAL) {
            return;
        }
        *dropped = Some(now);
        drop(dropped);
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner).clone();
        collections.iter().for_each(|collection| collection.drop_old(now));
    }

    /// Reads the attributes of a collection's objects again; objects that `read` cannot read keep theirs.
    pub fn reindex(&self, collection: CollectionId, read: &ReadAttrs) {
        let Some(collection) = self.collection(collection.0 as usize) else { return };
        let mut snapshot = Snapshot::clone(&collection.snapshot());
        let readable = snapshot.objects.values().filter(|object| object.read_error().is_none());
        let read = |object: &Arc<Object>| Some(Arc::new(object.with_attrs(read(object)?)));
        let objects: Vec<_> = readable.filter_map(read).collect();
        for object in objects {
            snapshot.objects.insert(object.key.clone(), object);
        }
        collection.replace(snapshot);
    }

    /// Puts objects whose values could be read again in the place of those of the same revisions.
    pub fn reread(&self, collection: CollectionId, objects: Vec<Arc<Object>>) {
        let Some(collection) = self.collection(collection.0 as usize) else { return };
        let mut snapshot = Snapshot::clone(&collection.snapshot());
        let (mut grown, mut shrunk) = (0, 0);
        for object in objects {
            let found = snapshot.objects.get(object.key.as_str());
            if let Some(found) = found.filter(|found| found.mod_revision == object.mod_revision) {
                grown += object.size();
                shrunk += found.size();
                snapshot.objects.insert(object.key.clone(), object);
            }
        }
        self.encodings.resize(grown, shrunk);
        collection.reread(snapshot, grown, shrunk);
    }
}

/// The index of the collection of a prefix, which is made when it is new.
pub(crate) fn index_of(
    collections: &RwLock<Vec<Arc<Collection>>>,
    prefix: &str,
    window: EventWindow,
    now: Revision,
) -> usize {
    let mut collections = collections.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = collections.iter().position(|collection| collection.prefix == prefix) {
        return index;
    }
    let snapshot = Snapshot { revision: now, ..Snapshot::default() };
    collections.push(Arc::new(Collection::new(prefix, snapshot, EventLog::new(window, now))));
    collections.len() - 1
}
