//! What the store promises of writes, reads and restarts.

use super::place::{Place, everywhere};
use super::*;

everywhere!(
    writes_are_compared_and_swapped,
    deletions_are_compared_too,
    everything_is_there_after_a_restart,
    past_snapshots_are_exact,
    pages_are_of_one_state,
    objects_expire,
    a_revision_is_reached_or_not_in_time,
    concurrent_writers_never_lose_an_update,
    what_a_new_resource_finds_is_read_again,
    a_closed_store_takes_no_writes,
);

async fn writes_are_compared_and_swapped(place: &Place) {
    let (store, things) = place.open().await;
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

async fn deletions_are_compared_too(place: &Place) {
    let (store, things) = place.open().await;
    let first = store.commit(put(things, "a", "1", Expected::Absent)).await.unwrap();
    let second = store.commit(put(things, "a", "2", Expected::At(first.modified))).await.unwrap();
    match store.commit(delete(things, "a", first.modified)).await {
        Err(CommitError::Stale(found)) => assert_eq!(found.modified, second.modified),
        other => panic!("{other:?}"),
    }
    let gone = store.commit(delete(things, "a", second.modified)).await.unwrap();
    assert_eq!((gone.value.as_ref(), gone.created), (b"2".as_ref(), first.modified));
    let again = store.commit(delete(things, "a", second.modified)).await;
    assert!(matches!(again, Err(CommitError::Missing)), "{again:?}");
    let anew = store.commit(put(things, "a", "3", Expected::Absent)).await.unwrap();
    assert_eq!(anew.created, anew.modified);
}

async fn everything_is_there_after_a_restart(place: &Place) {
    let (store, things) = place.open().await;
    let a = store.commit(put(things, "a", "x", Expected::Absent)).await.unwrap();
    let b = store.commit(put(things, "b", "y", Expected::Absent)).await.unwrap();
    let last = store.commit(delete(things, "a", a.modified)).await.unwrap().modified;
    store.close().await;
    let (store, things) = place.open().await;
    assert_eq!(store.revision(), last);
    assert_eq!(names(&store.snapshot(things)), ["b"]);
    let found = store.get(things, &key("b")).unwrap();
    assert_eq!((found.created, found.modified, &found.digest), (b.created, b.modified, &b.digest));
    let next = store.commit(put(things, "c", "z", Expected::Absent)).await.unwrap();
    assert_eq!(next.modified, Revision(last.0 + 1));
}

#[tokio::test]
async fn a_watch_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let a = store.commit(put(things, "a", "x", Expected::Absent)).await.unwrap();
    store.commit(put(things, "b", "y", Expected::Absent)).await.unwrap();
    store.commit(delete(things, "a", a.modified)).await.unwrap();
    store.close().await;
    let (store, things) = open(dir.path());
    let mut watcher = store.watch(things, WatchFrom::After(a.modified), Interest::default()).unwrap();
    assert_eq!(lines(&mut watcher, 2).await, ["Added b", "Deleted a"]);
}

async fn a_closed_store_takes_no_writes(place: &Place) {
    let (store, things) = place.open().await;
    store.commit(put(things, "a", "x", Expected::Absent)).await.unwrap();
    store.close().await;
    let refused = store.commit(put(things, "b", "x", Expected::Absent)).await;
    assert!(matches!(refused, Err(CommitError::ReadOnly(_))), "{refused:?}");
    assert!(store.get(things, &key("a")).is_some());
}

/// A list in pages shows the state of its first page, whatever is written meanwhile.
async fn pages_are_of_one_state(place: &Place) {
    let (store, things) = place.open().await;
    let mut at = Vec::new();
    for name in ["a", "b", "c", "d"] {
        at.push(store.commit(put(things, name, "0", Expected::Absent)).await.unwrap().modified);
    }
    store.catch_up().await.unwrap();
    let first = store.snapshot(things);
    let page: Vec<String> =
        first.range("/registry/things/", None).take(2).map(|object| object.key.to_string()).collect();
    store.commit(delete(things, "c", at[2])).await.unwrap();
    store.commit(put(things, "d", "1", Expected::At(at[3]))).await.unwrap();
    store.commit(put(things, "bb", "1", Expected::Absent)).await.unwrap();
    let later = store.past(things, first.revision).await.unwrap();
    let rest: Vec<_> = later
        .range("/registry/things/", Some(&page[1]))
        .map(|object| (object.digest.name.to_string(), object.modified))
        .collect();
    assert_eq!(rest, [(String::from("c"), at[2]), (String::from("d"), at[3])]);
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _) = open(dir.path());
    let error = Sqlite::open(&dir.path().join("store.db")).err().map(|error| error.to_string());
    assert!(error.as_deref().is_some_and(|error| error.contains("in use by another process")), "{error:?}");
}

async fn past_snapshots_are_exact(place: &Place) {
    let (store, things) = place.open().await;
    let a = store.commit(put(things, "a", "1", Expected::Absent)).await.unwrap();
    let b = store.commit(put(things, "b", "1", Expected::Absent)).await.unwrap();
    store.commit(delete(things, "a", a.modified)).await.unwrap();
    store.commit(put(things, "b", "2", Expected::At(b.modified))).await.unwrap();
    let past = store.snapshot_at(things, b.modified).unwrap();
    assert_eq!(names(&past), ["a", "b"]);
    assert_eq!(past.get(&key("b")).unwrap().value, "1");
    assert_eq!(names(&store.snapshot_at(things, a.modified).unwrap()), ["a"]);
}

async fn objects_expire(place: &Place) {
    let (store, things) = place.open().await;
    let mut watcher = store.watch(things, WatchFrom::Now, Interest::default()).unwrap();
    let write = Write { ttl_seconds: Some(1), ..put(things, "a", "x", Expected::Absent) };
    store.commit(write).await.unwrap();
    assert_eq!(lines(&mut watcher, 2).await, ["Added a", "Deleted a"]);
    assert!(store.get(things, &key("a")).is_none());
}

async fn a_revision_is_reached_or_not_in_time(place: &Place) {
    let (store, things) = place.open().await;
    let at = store.commit(put(things, "a", "0", Expected::Absent)).await.unwrap().modified;
    assert!(store.reached(at, Duration::from_secs(1)).await);
    assert!(!store.reached(Revision(at.0 + 1), Duration::from_millis(1)).await);
}

#[tokio::test]
async fn superseded_rows_leave_the_disk() {
    let memory = Memory::default();
    let history = History { rows_max: 10, ..History::default() };
    let (store, things) = open_with(Box::new(memory.clone()), Options { history, ..Options::default() });
    let mut at = store.commit(put(things, "a", "0", Expected::Absent)).await.unwrap().modified;
    let first = at;
    for index in 0..50 {
        at = store.commit(put(things, "a", &index.to_string(), Expected::At(at))).await.unwrap().modified;
    }
    assert_eq!(memory.rows(), 11);
    assert!(store.watch(things, WatchFrom::After(first), Interest::default()).is_ok());
    store.close().await;

    let (store, things) = open_on(Box::new(memory));
    assert_eq!(store.get(things, &key("a")).unwrap().value, "49");
    let gone = store.watch(things, WatchFrom::After(first), Interest::default()).err().unwrap();
    assert_eq!(gone, Gone { oldest: Revision(at.0 - 10), current: at });
    let mut watcher = store.watch(things, WatchFrom::After(gone.oldest), Interest::default()).unwrap();
    assert_eq!(lines(&mut watcher, 10).await, ["Modified a"; 10]);
}

#[tokio::test]
async fn the_history_on_disk_is_bounded_in_bytes() {
    let memory = Memory::default();
    let history = History { bytes_max: 1000, ..History::default() };
    let (store, things) = open_with(Box::new(memory.clone()), Options { history, ..Options::default() });
    let large = "x".repeat(600);
    let mut at = store.commit(put(things, "a", &large, Expected::Absent)).await.unwrap().modified;
    for _ in 0..5 {
        at = store.commit(put(things, "a", &large, Expected::At(at))).await.unwrap().modified;
    }
    assert_eq!(memory.rows(), 2);
}

/// Objects of a resource that comes to be served later, and what is written to it from then on.
async fn what_a_new_resource_finds_is_read_again(place: &Place) {
    let (store, things) = place.open().await;
    let late = Key::new("/registry/late/ns/a");
    let digest_of = |value: &str| Digest { name: Text::from(value), ..Digest::default() };
    let write = |collection, expected, value: &'static str| Write {
        collection,
        key: late.clone(),
        expected,
        change: Change::Put { value: Bytes::from(value), digest: digest_of(value) },
        ttl_seconds: None,
    };
    let collection = store.add_collection("/registry/late/ns/");
    assert_ne!(collection, things);
    let first = store.commit(write(collection, Expected::Absent, "1")).await.unwrap();
    store.close().await;

    let (store, _) = place.open().await;
    let collection = store.add_collection("/registry/late/ns/");
    assert_eq!(store.get(collection, late.as_str()).unwrap().modified, first.modified);
    let read = move |object: &Object| Some(digest_of(std::str::from_utf8(&object.value).ok()?));
    store.digest_again(collection, read).await;
    assert_eq!(store.get(collection, late.as_str()).unwrap().digest, digest_of("1"));
    store.commit(write(collection, Expected::At(first.modified), "2")).await.unwrap();
    assert_eq!(store.get(collection, late.as_str()).unwrap().digest, digest_of("2"));
}

#[tokio::test]
async fn superseded_rows_leave_the_disk_with_time() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { age_max: Duration::ZERO, ..History::default() };
    let path = dir.path().join("store.db");
    let open =
        || open_with(Box::new(Sqlite::open(&path).unwrap()), Options { history, ..Options::default() });
    let (store, things) = open();
    let a = store.commit(put(things, "a", "0", Expected::Absent)).await.unwrap().modified;
    store.commit(put(things, "b", "0", Expected::Absent)).await.unwrap();
    let last = store.commit(delete(things, "a", a)).await.unwrap().modified;
    // Nothing is written while the time passes; the writer looks once a second.
    tokio::time::sleep(Duration::from_millis(3200)).await;
    store.close().await;
    let rows: u32 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT COUNT(*) FROM log", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
    let (store, things) = open();
    assert_eq!((store.revision(), names(&store.snapshot(things))), (last, vec![String::from("b")]));
    assert!(store.watch(things, WatchFrom::After(a), Interest::default()).is_err());
}

#[tokio::test]
async fn objects_expire_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    for (name, ttl_seconds) in [("a", Some(2)), ("b", Some(3600)), ("c", None)] {
        let write = Write { ttl_seconds, ..put(things, name, "x", Expected::Absent) };
        store.commit(write).await.unwrap();
    }
    store.close().await;
    let (store, things) = open(dir.path());
    let mut watcher = store.watch(things, WatchFrom::Now, Interest::default()).unwrap();
    assert_eq!(lines(&mut watcher, 1).await, ["Deleted a"]);
    assert_eq!(names(&store.snapshot(things)), ["b", "c"]);
}

#[tokio::test]
async fn pages_go_on_after_the_last_key() {
    let (store, things) = open_on(Box::new(Memory::default()));
    for name in ["a/x", "a/y", "ab/x", "b/x"] {
        store.commit(put(things, name, "0", Expected::Absent)).await.unwrap();
    }
    let snapshot = store.snapshot(things);
    let page = |prefix: &str, after: Option<&str>| -> Vec<String> {
        snapshot
            .range(prefix, after)
            .map(|object| object.key.as_str().replace("/registry/things/", ""))
            .collect()
    };
    assert_eq!(page("/registry/things/", None), ["a/x", "a/y", "ab/x", "b/x"]);
    assert_eq!(page("/registry/things/a/", None), ["a/x", "a/y"]);
    assert_eq!(page("/registry/things/a/", Some("/registry/things/a/x")), ["a/y"]);
    assert_eq!(page("/registry/things/a/", Some("/registry/things/0")), ["a/x", "a/y"]);
    assert_eq!(page("/registry/things/a/", Some("/registry/things/b/x")), [""; 0]);
}

async fn concurrent_writers_never_lose_an_update(place: &Place) {
    let (store, things) = place.open().await;
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
