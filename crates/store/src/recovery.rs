//! The state at start, built from the rows of the durable log.

use crate::backend::Row;
use crate::collection::{self, Collection, Log, Window};
use crate::forms::FormCache;
use crate::object::{Key, Object, Revision};
use crate::prefixes::{self, Prefixes};
use crate::snapshot::Snapshot;
use crate::store::Digester;
use crate::writer::{Superseded, now_seconds};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The state at start, built row by row.
pub(crate) struct Recovery {
    prefixes: Vec<String>,
    places: Prefixes,
    snapshots: Vec<Snapshot>,
    logs: Vec<Log>,
    window: Window,
    forms: Arc<FormCache>,
    /// Seconds since 1970.
    now: u64,
    pub superseded: VecDeque<Superseded>,
    pub expiring: BTreeSet<(u64, usize, Key, Revision)>,
}

impl Recovery {
    pub fn new(prefixes: Vec<String>, window: Window, forms: Arc<FormCache>) -> Recovery {
        Recovery {
            snapshots: prefixes.iter().map(|_| Snapshot::default()).collect(),
            logs: prefixes.iter().map(|_| Log::new(window, Revision(0))).collect(),
            places: Prefixes::new(prefixes.iter().map(String::as_str)),
            prefixes,
            window,
            forms,
            now: now_seconds(),
            superseded: VecDeque::new(),
            expiring: BTreeSet::new(),
        }
    }

    pub fn add(&mut self, row: Row, digester: &dyn Digester) {
        let place = self.place(&row.key);
        let (Some(snapshot), Some(log)) = (self.snapshots.get_mut(place), self.logs.get_mut(place)) else {
            return;
        };
        let previous = snapshot.objects.get(row.key.as_str()).cloned();
        if let Some(previous) = &previous {
            self.superseded.push_back(Superseded::by(previous, row.revision, self.now));
        }
        let key = Key::new(&row.key);
        let event = match row.value {
            Some(value) => {
                let digest = digester.digest(&row.key, &value).map(|(_, digest)| digest).unwrap_or_default();
                let object = Object::new(key.clone(), row.created, row.revision, value, digest);
                let object = Arc::new(object.cached(&self.forms));
                self.expiring.extend(row.expires.map(|at| (at, place, key.clone(), row.revision)));
                snapshot.objects.insert(key, object.clone());
                collection::event(object, previous, false)
            }
            None => {
                self.superseded.push_back(Superseded::deletion(&key, row.revision, self.now));
                let Some(previous) = previous else { return };
                snapshot.objects.remove(row.key.as_str());
                collection::event(Arc::new(previous.at(row.revision)), Some(previous), true)
            }
        };
        let (grown, shrunk) = collection::growth(&event);
        self.forms.resize(grown, shrunk);
        log.push(event);
    }

    /// The collection with the longest prefix of a key; keys of none get one of their own.
    fn place(&mut self, key: &str) -> usize {
        if let Some(place) = self.places.place(key) {
            return place;
        }
        let (prefix, place) = (prefixes::unserved(key), self.prefixes.len());
        self.places.add(&prefix, place);
        self.prefixes.push(prefix);
        self.snapshots.push(Snapshot::default());
        self.logs.push(Log::new(self.window, Revision(0)));
        place
    }

    pub fn collections(&mut self, floor: Revision, last: Revision) -> Vec<Arc<Collection>> {
        let parts = self.prefixes.iter().zip(self.snapshots.drain(..)).zip(self.logs.drain(..));
        parts
            .map(|((prefix, snapshot), mut log)| {
                log.forget(floor);
                Arc::new(Collection::new(prefix, Snapshot { revision: last, ..snapshot }, log))
            })
            .collect()
    }
}
