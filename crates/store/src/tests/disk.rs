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
