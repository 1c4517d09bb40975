//! The contract of the store; what the tests share.

mod contract;
mod crash;
mod disk;
mod fan_out;
mod model;
mod on_etcd;
pub(crate) mod place;
mod watches;

use crate::backend::sqlite::Sqlite;
use crate::backend::{AppendError, Backend, Error, Found, Row};
use crate::*;
use bytes::Bytes;
use pintle_object::Text;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Values in these tests are `label field` and the digest is read from them.
struct Plain;

impl Digester for Plain {
    fn digest(&self, key: &str, value: &[u8]) -> Option<(CollectionId, Digest)> {
        Some((CollectionId(0), digest(key, std::str::from_utf8(value).ok()?)))
    }
}

fn digest(key: &str, value: &str) -> Digest {
    let mut parts = key.rsplit('/');
    let (name, namespace) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let (label, field) = value.split_once(' ').unwrap_or((value, ""));
    Digest {
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

fn open_on(backend: Box<dyn Backend>) -> (Store, CollectionId) {
    open_with(backend, Options::default())
}

fn open_with(backend: Box<dyn Backend>, options: Options) -> (Store, CollectionId) {
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

pub(crate) fn put(collection: CollectionId, name: &str, value: &str, expected: Expected) -> Write {
    let key = Key::new(&key(name));
    let change = Change::Put { value: Bytes::from(String::from(value)), digest: digest(key.as_str(), value) };
    Write { collection, key, expected, change, ttl_seconds: None }
}

pub(crate) fn delete(collection: CollectionId, name: &str, at: Revision) -> Write {
    let key = Key::new(&key(name));
    Write { collection, key, expected: Expected::At(at), change: Change::Delete, ttl_seconds: None }
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.range("/registry/things/", None).map(|object| object.digest.name.to_string()).collect()
}

fn interest(namespace: &str, name: &str, field: &str) -> Interest {
    let given = |text: &str| (!text.is_empty()).then(|| Text::from(text));
    let field = given(field).map(|value| (0, value));
    Interest { namespace: given(namespace), name: given(name), field, filter: None }
}

async fn step(watcher: &mut Watcher) -> Step {
    tokio::time::timeout(Duration::from_secs(10), watcher.next()).await.expect("a step in time")
}

async fn lines(watcher: &mut Watcher, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count {
        lines.push(match step(watcher).await {
            Step::Event(event) => format!("{:?} {}", event.kind, event.object.digest.name),
            Step::InitialDone(_) => String::from("InitialDone"),
            Step::TooSlow => String::from("TooSlow"),
            Step::Closed => String::from("Closed"),
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

impl Backend for Memory {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, Error> {
        let held = self.0.lock().unwrap();
        held.0.iter().cloned().for_each(each);
        Ok(held.1)
    }

    fn append(&mut self, rows: &[Row], dropped: &[Revision], floor: Revision) -> Result<(), AppendError> {
        let mut held = self.0.lock().unwrap();
        held.0.extend_from_slice(rows);
        held.0.retain(|row| !dropped.contains(&row.revision));
        let last = rows.last().map_or(held.1.last, |row| row.revision);
        held.1 = Found { last, floor };
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
