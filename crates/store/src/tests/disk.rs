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
