//! The contract of the store, on the embedded backend.

use crate::backend::sqlite::Sqlite;
use crate::backend::{Backend, Error, Found, Row};
use crate::*;
use bytes::Bytes;
use pintle_object::Text;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    let prefixes = vec![String::from("/registry/things/"), String::from("/registry/others/")];
    let store = Store::open(backend, prefixes, &Plain, Options::default()).unwrap();
    let things = store.add_collection("/registry/things/");
    (store, things)
}

fn key(name: &str) -> String {
    format!("/registry/things/ns/{name}")
}

fn put(collection: CollectionId, name: &str, value: &str, expected: Expected) -> Write {
    let key = Key::new(&key(name));
    let change = Change::Put { value: Bytes::from(String::from(value)), digest: digest(key.as_str(), value) };
    Write { collection, key, expected, change, ttl_seconds: None }
}

fn delete(collection: CollectionId, name: &str, at: Revision) -> Write {
    let key = Key::new(&key(name));
    Write { collection, key, expected: Expected::At(at), change: Change::Delete, ttl_seconds: None }
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.range("/registry/things/", None).map(|object| object.digest.name.to_string()).collect()
}

async fn lines(watcher: &mut Watcher, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count {
        let step =
            tokio::time::timeout(Duration::from_secs(10), watcher.next()).await.expect("a step in time");
        lines.push(match step {
            Step::Event(event) => format!("{:?} {}", event.kind, event.object.digest.name),
            Step::InitialDone(_) => String::from("InitialDone"),
            Step::TooSlow => String::from("TooSlow"),
            Step::Closed => String::from("Closed"),
        });
    }
    lines
}

#[tokio::test]
async fn writes_are_compared_and_swapped() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let first = store.commit(put(things, "a", "1", Expected::Absent)).await.unwrap();
    assert!(matches!(
        store.commit(put(things, "a", "2", Expected::Absent)).await,
        Err(CommitError::Exists(_))
    ));
    assert!(matches!(
        store.commit(put(things, "b", "2", Expected::At(Revision(1)))).await,
        Err(CommitError::Missing)
    ));
    let second = store.commit(put(things, "a", "2", Expected::At(first.modified))).await.unwrap();
    assert_eq!((second.created, second.modified), (first.created, Revision(first.modified.0 + 1)));
    assert!(matches!(
        store.commit(put(things, "a", "3", Expected::At(first.modified))).await,
        Err(CommitError::Stale(_))
    ));
    let gone = store.commit(delete(things, "a", second.modified)).await.unwrap();
    assert_eq!(gone.modified, Revision(second.modified.0 + 1));
    assert!(store.get(things, &key("a")).is_none());
    assert_eq!(store.revision(), gone.modified);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let a = store.commit(put(things, "a", "x", Expected::Absent)).await.unwrap();
    store.commit(put(things, "b", "y", Expected::Absent)).await.unwrap();
    let last = store.commit(delete(things, "a", a.modified)).await.unwrap().modified;
    store.close().await;
    let (store, things) = open(dir.path());
    assert_eq!(store.revision(), last);
    assert_eq!(names(&store.snapshot(things)), ["b"]);
    let mut watcher = store.watch(things, WatchFrom::After(a.modified), Interest::default()).unwrap();
    assert_eq!(lines(&mut watcher, 2).await, ["Added b", "Deleted a"]);
    let next = store.commit(put(things, "c", "z", Expected::Absent)).await.unwrap();
    assert_eq!(next.modified, Revision(last.0 + 1));
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _) = open(dir.path());
    let error = Sqlite::open(&dir.path().join("store.db")).err().map(|error| error.to_string());
    assert!(error.as_deref().is_some_and(|error| error.contains("in use by another process")), "{error:?}");
}

#[tokio::test]
async fn past_snapshots_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let a = store.commit(put(things, "a", "1", Expected::Absent)).await.unwrap();
    let b = store.commit(put(things, "b", "1", Expected::Absent)).await.unwrap();
    store.commit(delete(things, "a", a.modified)).await.unwrap();
    store.commit(put(things, "b", "2", Expected::At(b.modified))).await.unwrap();
    let past = store.snapshot_at(things, b.modified).unwrap();
    assert_eq!(names(&past), ["a", "b"]);
    assert_eq!(past.get(&key("b")).unwrap().value, "1");
    assert_eq!(names(&store.snapshot_at(things, a.modified).unwrap()), ["a"]);
}

#[tokio::test]
async fn watches_deliver_in_order_to_the_interested() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let a = store.commit(put(things, "a", "l n1", Expected::Absent)).await.unwrap();
    let mut all = store.watch(things, WatchFrom::InitialState, Interest::default()).unwrap();
    let on_n2 = Interest { field: Some((0, Text::from("n2"))), ..Interest::default() };
    let mut n2 = store.watch(things, WatchFrom::Now, on_n2).unwrap();
    let named = Interest { name: Some(Text::from("b")), ..Interest::default() };
    let mut only_b = store.watch(things, WatchFrom::After(Revision(1)), named).unwrap();
    let moved = store.commit(put(things, "a", "l n2", Expected::At(a.modified))).await.unwrap();
    store.commit(put(things, "b", "l n1", Expected::Absent)).await.unwrap();
    store.commit(put(things, "a", "l n3", Expected::At(moved.modified))).await.unwrap();
    assert_eq!(lines(&mut all, 5).await, ["Added a", "InitialDone", "Modified a", "Added b", "Modified a"]);
    assert_eq!(lines(&mut n2, 2).await, ["Modified a", "Modified a"]);
    assert_eq!(lines(&mut only_b, 1).await, ["Added b"]);
    assert_eq!(n2.progress(), store.revision());
    store.close().await;
    assert_eq!(lines(&mut all, 1).await, ["Closed"]);
}

#[tokio::test]
async fn objects_expire() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let mut watcher = store.watch(things, WatchFrom::Now, Interest::default()).unwrap();
    let write = Write { ttl_seconds: Some(0), ..put(things, "a", "x", Expected::Absent) };
    store.commit(write).await.unwrap();
    assert_eq!(lines(&mut watcher, 2).await, ["Added a", "Deleted a"]);
    assert!(store.get(things, &key("a")).is_none());
}

/// A backend whose disk fails when told to.
struct Failing {
    inner: Sqlite,
    fails: Arc<AtomicBool>,
}

impl Backend for Failing {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, Error> {
        self.inner.load(each)
    }

    fn append(&mut self, rows: &[Row], dropped: &[Revision], floor: Revision) -> Result<(), Error> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error(String::from("no space left on device")));
        }
        self.inner.append(rows, dropped, floor)
    }

    fn close(&mut self) -> Result<(), Error> {
        self.inner.close()
    }
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_written_and_everything_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let fails = Arc::new(AtomicBool::new(false));
    let inner = Sqlite::open(&dir.path().join("store.db")).unwrap();
    let (store, things) = open_on(Box::new(Failing { inner, fails: fails.clone() }));
    store.commit(put(things, "a", "x", Expected::Absent)).await.unwrap();
    fails.store(true, Ordering::SeqCst);
    assert!(matches!(
        store.commit(put(things, "b", "x", Expected::Absent)).await,
        Err(CommitError::ReadOnly(_))
    ));
    fails.store(false, Ordering::SeqCst);
    assert!(matches!(
        store.commit(put(things, "c", "x", Expected::Absent)).await,
        Err(CommitError::ReadOnly(_))
    ));
    assert_eq!(names(&store.snapshot(things)), ["a"]);
}

#[tokio::test]
async fn superseded_rows_leave_and_old_watches_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let mut at = store.commit(put(things, "a", "0", Expected::Absent)).await.unwrap().modified;
    let first = at;
    for index in 0..50 {
        at = store.commit(put(things, "a", &index.to_string(), Expected::At(at))).await.unwrap().modified;
    }
    store.close().await;
    let (store, things) = open(dir.path());
    assert_eq!(store.get(things, &key("a")).unwrap().value, "49");
    assert!(store.watch(things, WatchFrom::After(first), Interest::default()).is_ok());
    assert!(store.reached(at, Duration::from_secs(1)).await);
    assert!(!store.reached(Revision(at.0 + 1), Duration::from_millis(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_never_lose_an_update() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let store = Arc::new(store);
    store.commit(put(things, "counter", "0", Expected::Absent)).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            while done < 25 {
                let found = store.get(things, &key("counter")).unwrap();
                let number: u32 = std::str::from_utf8(&found.value).unwrap().parse().unwrap();
                let write = put(things, "counter", &(number + 1).to_string(), Expected::At(found.modified));
                done += u32::from(store.commit(write).await.is_ok());
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.get(things, &key("counter")).unwrap().value, "200");
}
