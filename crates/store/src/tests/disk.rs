//! Disks that fail.

use super::*;
use crate::backend::{Error, Found, Row};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// A disk that took a batch and then said that it did not, or took it not: what was acknowledged is there after a
/// restart, and of the batch that failed all or nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_batch_is_there_whole_or_not_at_all() {
    for (after, takes) in [(0, true), (0, false), (3, true), (3, false), (10, true), (10, false)] {
        let dir = tempfile::tempdir().unwrap();
        let inner = Sqlite::open(&dir.path().join("store.db")).unwrap();
        let (store, things) = open_on(Box::new(Unsure { inner, left: after, takes }));
        let store = Arc::new(store);
        let writes: Vec<_> = (0..200)
            .map(|index| {
                let store = store.clone();
                let write = put(things, &format!("{index:03}"), "x", Expected::Absent);
                tokio::spawn(async move { store.commit(write).await })
            })
            .collect();
        let mut acknowledged = Vec::new();
        for write in writes {
            match write.await.unwrap() {
                Ok(object) => acknowledged.push(object.key.to_string()),
                Err(error) => assert!(matches!(error, CommitError::ReadOnly(_)), "{error:?}"),
            }
        }
        // Nobody reads what was not acknowledged.
        assert_eq!(store.snapshot(things).len(), acknowledged.len());
        assert_eq!(store.revision().0, 1 + acknowledged.len() as u64);
        store.close().await;
        let (store, things) = open(dir.path());
        let found = store.snapshot(things);
        assert!(acknowledged.iter().all(|key| found.get(key).is_some()));
        if !takes {
            assert_eq!(found.len(), acknowledged.len());
        }
        // Every revision is there once, in order.
        let mut revisions: Vec<u64> = found.range("", None).map(|object| object.modified.0).collect();
        revisions.sort_unstable();
        assert_eq!(revisions, (2..2 + found.len() as u64).collect::<Vec<_>>());
    }
}

/// A backend whose disk fails after some batches, having taken the last one or not.
struct Unsure {
    inner: Sqlite,
    left: u32,
    takes: bool,
}

impl Backend for Unsure {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, Error> {
        self.inner.load(each)
    }

    fn append(&mut self, rows: &[Row], dropped: &[Revision], floor: Revision) -> Result<(), Error> {
        let failed = || Error(String::from("the sync failed"));
        if self.left > 0 || self.takes {
            self.inner.append(rows, dropped, floor)?;
        }
        self.left = self.left.checked_sub(1).ok_or_else(failed)?;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.inner.close()
    }
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    for index in 0..200 {
        let value = "x".repeat(500);
        store.commit(put(things, &index.to_string(), &value, Expected::Absent)).await.unwrap();
    }
    store.close().await;
    drop(store);
    let path = dir.path().join("store.db");
    let whole = std::fs::read(&path).unwrap();
    for part in 1..20 {
        std::fs::write(&path, &whole[..whole.len() * part / 20]).unwrap();
        let opened = Sqlite::open(&path).and_then(|mut sqlite| sqlite.load(&mut |_| {}));
        assert!(opened.is_err(), "{part} of 20 parts");
    }
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_alone() {
    fn check(sql: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = Sqlite::open(&path).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    check("CREATE TABLE mine (x)", "a database of another program");
    check("CREATE TABLE mine (x); PRAGMA user_version = 1", "a database of another program");
    let ours = "CREATE TABLE log (x); PRAGMA application_id = 0x70696e74; PRAGMA user_version = 9";
    check(ours, "another version (layout 9)");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    std::fs::write(
        &path,
        "this is no database, and it is long enough to show that it has no header".repeat(20),
    )
    .unwrap();
    let error = Sqlite::open(&path).err().unwrap().to_string();
    assert!(error.contains("not a database"), "{error}");
}

#[test]
fn files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    std::fs::write(&path, "").unwrap();
    let _open = Sqlite::open(&path).unwrap();
    for file in ["store.db", "store.db-wal"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}
