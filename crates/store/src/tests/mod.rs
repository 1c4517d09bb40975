//! The contract of the store; shared code of the tests.

mod contract;
mod crash;
mod disk;
mod encryption;
mod fan_out;
mod model;
mod on_etcd;
pub(crate) mod place;
mod watches;

use crate::backend::sqlite::Sqlite;
use crate::backend::{AppendError, BackendError, DurableLog, Found, Row};
use crate::*;
use bytes::Bytes;
use pintle_object::Text;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Values in these tests are `label field` and the attrs is read from them.
struct Plain;

impl AttrReader for Plain {
    fn attrs(&self, key: &str, value: &[u8]) -> Option<Attrs> {
        Some(attrs(key, std::str::from_utf8(value).ok()?))
    }
}

fn attrs(key: &str, value: &str) -> Attrs {
    let mut parts = key.rsplit('/');
    let (name, namespace) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let (label, field) = value.split_once(' ').unwrap_or((value, ""));
    Attrs {
        namespace: Text::from(namespace),
        name: Text::from(name),
        uid: Text::default(),
        labels: Box::new([(Text::from("l"), Text::from(label))]),
        fields: Box::new([Text::from(field)]),
    }
}

fn open(dir: &Path) -> (Store, CollectionId) {
    let backend = Sqlite::open(&dir.join("store.db")).unwrap();
    open_on(Box::new(backend))
}

fn open_on(backend: Box<dyn DurableLog>) -> (Store, CollectionId) {
    open_with(backend, Options::default())
}

fn open_with(backend: Box<dyn DurableLog>, options: Options) -> (Store, CollectionId) {
    let prefixes = vec![String::from("/registry/things/"), String::from("/registry/others/")];
    let store = Store::open(backend, prefixes, &Plain, options).unwrap();
    let things = store.add_collection("/registry/things/");
    (store, things)
}

/// The key of `name` in the namespace `ns`, or of `namespace/name`.
pub(crate) fn key(name: &str) -> String {
    let namespace = if name.contains('/') { "" } else { "ns/" };
    format!("/registry/things/{namespace}{name}")
}

pub(crate) fn put(collection: CollectionId, name: &str, value: &str, precondition: Precondition) -> Write {
    let key = Key::new(&key(name));
    let change = Change::Put { value: Bytes::from(String::from(value)), attrs: attrs(key.as_str(), value) };
    Write { collection, key, precondition, change, ttl_seconds: None }
}

pub(crate) fn delete(collection: CollectionId, name: &str, at: Revision) -> Write {
    let key = Key::new(&key(name));
    Write {
        collection,
        key,
        precondition: Precondition::ModRevision(at),
        change: Change::Delete,
        ttl_seconds: None,
    }
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.range("/registry/things/", None).map(|object| object.attrs.name.to_string()).collect()
}

fn predicate(namespace: &str, name: &str, field: &str) -> WatchPredicate {
    let given = |text: &str| (!text.is_empty()).then(|| Text::from(text));
    let field = given(field).map(|value| (0, value));
    WatchPredicate { namespace: given(namespace), name: given(name), field, selector: None }
}

async fn step(watcher: &mut Watcher) -> WatchItem {
    tokio::time::timeout(Duration::from_secs(10), watcher.next()).await.expect("a step in time")
}

async fn lines(watcher: &mut Watcher, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count {
        lines.push(match step(watcher).await {
            WatchItem::Event(event) => format!("{:?} {}", event.kind, event.object.attrs.name),
            WatchItem::InitialEventsEnd(_) => String::from("InitialEventsEnd"),
            WatchItem::Lagged => String::from("Lagged"),
            WatchItem::Closed => String::from("Closed"),
        });
    }
    lines
}

/// A backend in memory, whose rows outlive the store that is opened on it.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<(Vec<Row>, Found)>>);

impl Memory {
    fn rows(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }
}

impl DurableLog for Memory {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, BackendError> {
        let held = self.0.lock().unwrap();
        held.0.iter().cloned().for_each(each);
        Ok(held.1)
    }

    fn append(
        &mut self,
        rows: &[Row],
        dropped: &[Revision],
        compacted_revision: Revision,
    ) -> Result<(), AppendError> {
        let mut held = self.0.lock().unwrap();
        held.0.extend_from_slice(rows);
        held.0.retain(|row| !dropped.contains(&row.revision));
        let last = rows.last().map_or(held.1.last, |row| row.revision);
        held.1 = Found { last, compacted_revision };
        Ok(())
    }

    fn close(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
}
