//! Recovery: the state at start, built from the rows of the durable log or from etcd's.

use crate::attrs::AttrReader;
use crate::backend::Row;
use crate::clock::now_seconds;
use crate::object::{Key, Object, Revision};
use crate::prefixes::{self, Prefixes};
use crate::retention::{CompactionCandidate, CompactionQueue};
use crate::stored_value::StoredValues;
use crate::watch_cache::collection::Collection;
use crate::watch_cache::encoding_cache::EncodingCache;
use crate::watch_cache::event::Event;
use crate::watch_cache::event_window::{EventLog, EventWindow};
use crate::watch_cache::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The state at start, built row by row.
pub(crate) struct Recovery {
    prefixes: Vec<String>,
    indexes: Prefixes,
    snapshots: Vec<Snapshot>,
    logs: Vec<EventLog>,
    window: EventWindow,
    pub encodings: Arc<EncodingCache>,
    values: StoredValues,
    /// Seconds since 1970.
    now: u64,
    pub superseded: CompactionQueue,
    pub expiring: BTreeSet<(u64, usize, Key, Revision)>,
}

impl Recovery {
    pub fn new(prefixes: Vec<String>, window: EventWindow, values: StoredValues) -> Recovery {
        Recovery {
            snapshots: prefixes.iter().map(|_| Snapshot::default()).collect(),
            logs: prefixes.iter().map(|_| EventLog::new(window, Revision(0))).collect(),
            indexes: Prefixes::new(prefixes.iter().map(String::as_str)),
            prefixes,
            window,
            encodings: Arc::new(EncodingCache::new()),
            values,
            now: now_seconds(),
            superseded: CompactionQueue::default(),
            expiring: BTreeSet::new(),
        }
    }

    /// Adds a write of the log; they come in the order of revisions.
    pub fn add_write(&mut self, row: Row, attr_reader: &dyn AttrReader) {
        let index = self.index(&row.key);
        let previous = self.snapshot(index).objects.get(row.key.as_str()).cloned();
        if let Some(previous) = &previous {
            self.superseded.push(CompactionCandidate::replaced(previous, row.revision, self.now));
        }
        let event = if row.value.is_some() {
            let (expires, revision) = (row.expires, row.revision);
            let object = self.object(row, attr_reader);
            self.expiring.extend(expires.map(|at| (at, index, object.key.clone(), revision)));
            self.snapshot(index).objects.insert(object.key.clone(), object.clone());
            Event::put(object, previous)
        } else {
            let key = Key::new(&row.key);
            self.superseded.push(CompactionCandidate::deletion(&key, row.revision, self.now));
            let Some(previous) = previous else { return };
            self.snapshot(index).objects.remove(row.key.as_str());
            Event::deletion(previous, row.revision)
        };
        let (grown, shrunk) = event.growth();
        self.encodings.resize(grown, shrunk);
        if let Some(log) = self.logs.get_mut(index) {
            log.push(event);
        }
    }

    /// Adds an object as it is; each key comes once, in any order.
    pub fn add_object(&mut self, object: Object) {
        let index = self.index(object.key.as_str());
        let object = Arc::new(object.cached(&self.encodings));
        self.encodings.resize(object.size(), 0);
        if let Some(log) = self.logs.get_mut(index) {
            log.resize(object.size(), 0);
        }
        self.snapshot(index).objects.insert(object.key.clone(), object);
    }

    fn object(&self, row: Row, attr_reader: &dyn AttrReader) -> Arc<Object> {
        let read = self.values.read_blocking(&row.key, row.value.unwrap_or_default());
        let is_readable = read.is_readable();
        let mut object = Object::read(Key::new(&row.key), row.create_revision, row.revision, read);
        if is_readable {
            object = object.upgraded(attr_reader);
            object.attrs = attr_reader.attrs(&row.key, &object.value).unwrap_or_default();
        }
        Arc::new(object.cached(&self.encodings))
    }

    fn snapshot(&mut self, index: usize) -> &mut Snapshot {
        self.snapshots.get_mut(index).expect("indexes are those of the snapshots")
    }

    /// The index of the collection with the longest prefix of a key; keys of none get one of their own.
    fn index(&mut self, key: &str) -> usize {
        if let Some(index) = self.indexes.index(key) {
            return index;
        }
        let (prefix, index) = (prefixes::unserved(key), self.prefixes.len());
        self.indexes.add(&prefix, index);
        self.prefixes.push(prefix);
        self.snapshots.push(Snapshot::default());
        self.logs.push(EventLog::new(self.window, Revision(0)));
        index
    }

    /// The collections at revision `last`, whose events are complete after `compacted_revision`.
    pub fn collections(&mut self, compacted_revision: Revision, last: Revision) -> Vec<Arc<Collection>> {
        let parts = self.prefixes.iter().zip(self.snapshots.drain(..)).zip(self.logs.drain(..));
        parts
            .map(|((prefix, snapshot), mut log)| {
                log.compact(compacted_revision);
                Arc::new(Collection::new(prefix, Snapshot { revision: last, ..snapshot }, log))
            })
            .collect()
    }
}
