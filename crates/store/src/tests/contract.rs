//! Promises of the store about writes, reads and restarts.

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
    let first = store.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    assert!(matches!(
        store.commit(put(things, "a", "2", Precondition::NotExists)).await,
        Err(CommitError::Exists(_))
    ));
    assert!(matches!(
        store.commit(put(things, "b", "2", Precondition::ModRevision(Revision(1)))).await,
        Err(CommitError::Missing)
    ));
    let second =
        store.commit(put(things, "a", "2", Precondition::ModRevision(first.mod_revision))).await.unwrap();
    assert_eq!(
        (second.create_revision, second.mod_revision),
        (first.create_revision, Revision(first.mod_revision.0 + 1))
    );
    assert!(matches!(
        store.commit(put(things, "a", "3", Precondition::ModRevision(first.mod_revision))).await,
        Err(CommitError::Stale(_))
    ));
    let gone = store.commit(delete(things, "a", second.mod_revision)).await.unwrap();
    assert_eq!(gone.mod_revision, Revision(second.mod_revision.0 + 1));
    assert!(store.get(things, &key("a")).is_none());
    assert_eq!(store.revision(), gone.mod_revision);
}

async fn deletions_are_compared_too(place: &Place) {
    let (store, things) = place.open().await;
    let first = store.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    let second =
        store.commit(put(things, "a", "2", Precondition::ModRevision(first.mod_revision))).await.unwrap();
    match store.commit(delete(things, "a", first.mod_revision)).await {
        Err(CommitError::Stale(found)) => assert_eq!(found.mod_revision, second.mod_revision),
        other => panic!("{other:?}"),
    }
    let gone = store.commit(delete(things, "a", second.mod_revision)).await.unwrap();
    assert_eq!((gone.value.as_ref(), gone.create_revision), (b"2".as_ref(), first.mod_revision));
    let again = store.commit(delete(things, "a", second.mod_revision)).await;
    assert!(matches!(again, Err(CommitError::Missing)), "{again:?}");
    let anew = store.commit(put(things, "a", "3", Precondition::NotExists)).await.unwrap();
    assert_eq!(anew.create_revision, anew.mod_revision);
}

async fn everything_is_there_after_a_restart(place: &Place) {
    let (store, things) = place.open().await;
    let a = store.commit(put(things, "a", "x", Precondition::NotExists)).await.unwrap();
    let b = store.commit(put(things, "b", "y", Precondition::NotExists)).await.unwrap();
    let last = store.commit(delete(things, "a", a.mod_revision)).await.unwrap().mod_revision;
    store.close().await;
    let (store, things) = place.open().await;
    assert_eq!(store.revision(), last);
    assert_eq!(names(&store.snapshot(things)), ["b"]);
    let found = store.get(things, &key("b")).unwrap();
    assert_eq!(
        (found.create_revision, found.mod_revision, &found.attrs),
        (b.create_revision, b.mod_revision, &b.attrs)
    );
    let next = store.commit(put(things, "c", "z", Precondition::NotExists)).await.unwrap();
    assert_eq!(next.mod_revision, Revision(last.0 + 1));
}

#[tokio::test]
async fn a_watch_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let a = store.commit(put(things, "a", "x", Precondition::NotExists)).await.unwrap();
    store.commit(put(things, "b", "y", Precondition::NotExists)).await.unwrap();
    store.commit(delete(things, "a", a.mod_revision)).await.unwrap();
    store.close().await;
    let (store, things) = open(dir.path());
    let mut watcher =
        store.watch(things, WatchFrom::After(a.mod_revision), WatchPredicate::default()).unwrap();
    assert_eq!(lines(&mut watcher, 2).await, ["Added b", "Deleted a"]);
}

async fn a_closed_store_takes_no_writes(place: &Place) {
    let (store, things) = place.open().await;
    store.commit(put(things, "a", "x", Precondition::NotExists)).await.unwrap();
    store.close().await;
    let refused = store.commit(put(things, "b", "x", Precondition::NotExists)).await;
    assert!(matches!(refused, Err(CommitError::ReadOnly(_))), "{refused:?}");
    assert!(store.get(things, &key("a")).is_some());
}

/// A list in pages shows the state of its first page, whatever is written in between.
async fn pages_are_of_one_state(place: &Place) {
    let (store, things) = place.open().await;
    let mut at = Vec::new();
    for name in ["a", "b", "c", "d"] {
        at.push(store.commit(put(things, name, "0", Precondition::NotExists)).await.unwrap().mod_revision);
    }
    store.wait_for_latest().await.unwrap();
    let first = store.snapshot(things);
    let page: Vec<String> =
        first.range("/registry/things/", None).take(2).map(|object| object.key.to_string()).collect();
    store.commit(delete(things, "c", at[2])).await.unwrap();
    store.commit(put(things, "d", "1", Precondition::ModRevision(at[3]))).await.unwrap();
    store.commit(put(things, "bb", "1", Precondition::NotExists)).await.unwrap();
    let later = store.historical_read(things, first.revision).await.unwrap();
    let rest: Vec<_> = later
        .range("/registry/things/", Some(&page[1]))
        .map(|object| (object.attrs.name.to_string(), object.mod_revision))
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
    let a = store.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    let b = store.commit(put(things, "b", "1", Precondition::NotExists)).await.unwrap();
    store.commit(delete(things, "a", a.mod_revision)).await.unwrap();
    store.commit(put(things, "b", "2", Precondition::ModRevision(b.mod_revision))).await.unwrap();
    let past = store.snapshot_at(things, b.mod_revision).unwrap();
    assert_eq!(names(&past), ["a", "b"]);
    assert_eq!(past.get(&key("b")).unwrap().value, "1");
    assert_eq!(names(&store.snapshot_at(things, a.mod_revision).unwrap()), ["a"]);
}

async fn objects_expire(place: &Place) {
    let (store, things) = place.open().await;
    let mut watcher = store.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let write = Write { ttl_seconds: Some(1), ..put(things, "a", "x", Precondition::NotExists) };
    store.commit(write).await.unwrap();
    assert_eq!(lines(&mut watcher, 2).await, ["Added a", "Deleted a"]);
    assert!(store.get(things, &key("a")).is_none());
}

async fn a_revision_is_reached_or_not_in_time(place: &Place) {
    let (store, things) = place.open().await;
    let at = store.commit(put(things, "a", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    assert!(store.wait_for_revision(at, Duration::from_secs(1)).await);
    assert!(!store.wait_for_revision(Revision(at.0 + 1), Duration::from_millis(1)).await);
}

#[tokio::test]
async fn superseded_rows_leave_the_disk() {
    let memory = Memory::default();
    let retention = Retention { rows_max: 10, ..Retention::default() };
    let (store, things) = open_with(Box::new(memory.clone()), Options { retention, ..Options::default() });
    let mut at = store.commit(put(things, "a", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    let first = at;
    for index in 0..50 {
        at = store
            .commit(put(things, "a", &index.to_string(), Precondition::ModRevision(at)))
            .await
            .unwrap()
            .mod_revision;
    }
    assert_eq!(memory.rows(), 11);
    assert!(store.watch(things, WatchFrom::After(first), WatchPredicate::default()).is_ok());
    store.close().await;

    let (store, things) = open_on(Box::new(memory));
    assert_eq!(store.get(things, &key("a")).unwrap().value, "49");
    let gone = store.watch(things, WatchFrom::After(first), WatchPredicate::default()).err().unwrap();
    assert_eq!(gone, Gone { oldest: Revision(at.0 - 10), current: at });
    let mut watcher = store.watch(things, WatchFrom::After(gone.oldest), WatchPredicate::default()).unwrap();
    assert_eq!(lines(&mut watcher, 10).await, ["Modified a"; 10]);
}

#[tokio::test]
async fn the_history_on_disk_is_bounded_in_bytes() {
    let memory = Memory::default();
    let retention = Retention { bytes_max: 1000, ..Retention::default() };
    let (store, things) = open_with(Box::new(memory.clone()), Options { retention, ..Options::default() });
    let large = "x".repeat(600);
    let mut at = store.commit(put(things, "a", &large, Precondition::NotExists)).await.unwrap().mod_revision;
    for _ in 0..5 {
        at =
            store.commit(put(things, "a", &large, Precondition::ModRevision(at))).await.unwrap().mod_revision;
    }
    assert_eq!(memory.rows(), 2);
}

/// Objects of a resource that begins to be served later, and writes from then on.
async fn what_a_new_resource_finds_is_read_again(place: &Place) {
    let (store, things) = place.open().await;
    let late = Key::new("/registry/late/ns/a");
    let attrs_of = |value: &str| Attrs { name: Text::from(value), ..Attrs::default() };
    let write = |collection, precondition, value: &'static str| Write {
        collection,
        key: late.clone(),
        precondition,
        change: Change::Put { value: Bytes::from(value), attrs: attrs_of(value) },
        ttl_seconds: None,
    };
    let collection = store.add_collection("/registry/late/ns/");
    assert_ne!(collection, things);
    let first = store.commit(write(collection, Precondition::NotExists, "1")).await.unwrap();
    store.close().await;

    let (store, _) = place.open().await;
    let collection = store.add_collection("/registry/late/ns/");
    assert_eq!(store.get(collection, late.as_str()).unwrap().mod_revision, first.mod_revision);
    let read = move |object: &Object| Some(attrs_of(std::str::from_utf8(&object.value).ok()?));
    store.reindex(collection, read).await;
    assert_eq!(store.get(collection, late.as_str()).unwrap().attrs, attrs_of("1"));
    store.commit(write(collection, Precondition::ModRevision(first.mod_revision), "2")).await.unwrap();
    assert_eq!(store.get(collection, late.as_str()).unwrap().attrs, attrs_of("2"));
}

#[tokio::test]
async fn superseded_rows_leave_the_disk_with_time() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { age_max: Duration::ZERO, ..Retention::default() };
    let path = dir.path().join("store.db");
    let open =
        || open_with(Box::new(Sqlite::open(&path).unwrap()), Options { retention, ..Options::default() });
    let (store, things) = open();
    let a = store.commit(put(things, "a", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    store.commit(put(things, "b", "0", Precondition::NotExists)).await.unwrap();
    let last = store.commit(delete(things, "a", a)).await.unwrap().mod_revision;
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
    assert!(store.watch(things, WatchFrom::After(a), WatchPredicate::default()).is_err());
}

#[tokio::test]
async fn objects_expire_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    for (name, ttl_seconds) in [("a", Some(2)), ("b", Some(3600)), ("c", None)] {
        let write = Write { ttl_seconds, ..put(things, name, "x", Precondition::NotExists) };
        store.commit(write).await.unwrap();
    }
    store.close().await;
    let (store, things) = open(dir.path());
    let mut watcher = store.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    assert_eq!(lines(&mut watcher, 1).await, ["Deleted a"]);
    assert_eq!(names(&store.snapshot(things)), ["b", "c"]);
}

#[tokio::test]
async fn pages_go_on_after_the_last_key() {
    let (store, things) = open_on(Box::new(Memory::default()));
    for name in ["a/x", "a/y", "ab/x", "b/x"] {
        store.commit(put(things, name, "0", Precondition::NotExists)).await.unwrap();
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
    store.commit(put(things, "counter", "0", Precondition::NotExists)).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            while done < 25 {
                let found = store.get(things, &key("counter")).unwrap();
                let number: u32 = std::str::from_utf8(&found.value).unwrap().parse().unwrap();
                let write = put(
                    things,
                    "counter",
                    &(number + 1).to_string(),
                    Precondition::ModRevision(found.mod_revision),
                );
                done += u32::from(store.commit(write).await.is_ok());
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.get(things, &key("counter")).unwrap().value, "200");
}
