//! Disks that fail.

use super::*;
use crate::backend::{AppendError, BackendError, Found, Row};
use pintle_testkit::Random;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// A backend whose disk fails on command.
struct Failing {
    inner: Sqlite,
    fails: Arc<AtomicBool>,
}

impl DurableLog for Failing {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, BackendError> {
        self.inner.load(each)
    }

    fn append(
        &mut self,
        rows: &[Row],
        dropped: &[Revision],
        compacted_revision: Revision,
    ) -> Result<(), AppendError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(AppendError::Broken(String::from("the sync failed")));
        }
        self.inner.append(rows, dropped, compacted_revision)
    }

    fn close(&mut self) -> Result<(), BackendError> {
        self.inner.close()
    }
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_written_and_everything_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let fails = Arc::new(AtomicBool::new(false));
    let inner = Sqlite::open(&dir.path().join("store.db")).unwrap();
    let (store, things) = open_on(Box::new(Failing { inner, fails: fails.clone() }));
    store.commit(put(things, "a", "x", Precondition::NotExists)).await.unwrap();
    fails.store(true, Ordering::SeqCst);
    assert!(matches!(
        store.commit(put(things, "b", "x", Precondition::NotExists)).await,
        Err(CommitError::ReadOnly(_))
    ));
    fails.store(false, Ordering::SeqCst);
    assert!(matches!(
        store.commit(put(things, "c", "x", Precondition::NotExists)).await,
        Err(CommitError::ReadOnly(_))
    ));
    assert_eq!(names(&store.snapshot(things)), ["a"]);
    // Health checks fail: only a restart shows the content of the disk.
    assert!(store.check(Duration::from_secs(1)).await.unwrap_err().contains("takes no more writes"));
}

/// A backend whose disk is full at times, as a seed says.
struct Filling {
    inner: Sqlite,
    random: Random,
}

impl DurableLog for Filling {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, BackendError> {
        self.inner.load(each)
    }

    fn append(
        &mut self,
        rows: &[Row],
        dropped: &[Revision],
        compacted_revision: Revision,
    ) -> Result<(), AppendError> {
        if self.random.below(3) == 0 {
            return Err(AppendError::Full(String::from("database or disk is full")));
        }
        self.inner.append(rows, dropped, compacted_revision)
    }

    fn close(&mut self) -> Result<(), BackendError> {
        self.inner.close()
    }
}

/// Writes for which there is no space never happened: those after them go on from the state before, on disk too, also
/// where old rows are dropped at the same time.
#[tokio::test]
async fn a_full_disk_takes_writes_again_when_there_is_space() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let inner = Sqlite::open(&dir.path().join("store.db")).unwrap();
        let retention = Retention { rows_max: random.below(40) as usize, ..Retention::default() };
        let options = Options { retention, ..Options::default() };
        let (store, things) = open_with(Box::new(Filling { inner, random: Random::new(seed) }), options);
        let (mut state, mut refused, mut last) = (BTreeMap::new(), 0, Revision(1));
        for number in 0..150 {
            let name = random.below(6).to_string();
            let held = state.get(&name).map(|(_, at)| *at);
            let write = match held {
                Some(at) if random.below(4) == 0 => delete(things, &name, at),
                held => put(
                    things,
                    &name,
                    &number.to_string(),
                    held.map_or(Precondition::NotExists, Precondition::ModRevision),
                ),
            };
            let is_deletion = matches!(write.change, Change::Delete);
            match store.commit(write).await {
                Ok(object) => {
                    last = Revision(last.0 + 1);
                    assert_eq!(object.mod_revision, last);
                    match is_deletion {
                        true => drop(state.remove(&name)),
                        false => drop(state.insert(name, (number.to_string(), last))),
                    }
                }
                Err(CommitError::Refused(why)) => {
                    assert!(why.contains("no space left"), "{why}");
                    refused += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(refused > 10 && store.check(Duration::from_secs(1)).await.is_ok());
        assert_eq!(held(&store, things), state, "seed {seed}");
        store.close().await;
        let (store, things) = open(dir.path());
        assert_eq!((held(&store, things), store.revision()), (state, last), "seed {seed}");
        store.close().await;
    }
}

fn held(store: &Store, things: CollectionId) -> BTreeMap<String, (String, Revision)> {
    let text = |object: &Object| String::from_utf8(object.value.to_vec()).unwrap();
    let snapshot = store.snapshot(things);
    let objects = snapshot.range("", None);
    objects.map(|object| (object.attrs.name.to_string(), (text(object), object.mod_revision))).collect()
}

/// Tells the test binary that it runs with a small disk mounted.
const SMALL_DISK: &str = "STORE_SMALL_DISK";

/// The process of the test below.
#[tokio::test]
async fn fills_a_small_disk() {
    let Ok(dir) = std::env::var(SMALL_DISK) else { return };
    let dir = Path::new(&dir);
    let ballast = dir.join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let (store, things) = open(dir);
    let mut acknowledged = Vec::new();
    let value = "x".repeat(10_000);
    let mut is_full = false;
    for number in 0..400_u32 {
        let name = format!("{number:03}");
        match store.commit(put(things, &name, &value, Precondition::NotExists)).await {
            Ok(_) => acknowledged.push(name),
            Err(CommitError::Refused(why)) => {
                assert!(!is_full && why.contains("no space left"), "{why}");
                is_full = true;
                assert_eq!(names(&store.snapshot(things)), acknowledged);
                std::fs::remove_file(&ballast).unwrap();
            }
            Err(other) => panic!("{other:?}"),
        }
        if is_full && number.is_multiple_of(50) {
            break;
        }
    }
    assert!(is_full);
    store.close().await;
    let (store, things) = open(dir);
    assert_eq!(names(&store.snapshot(things)), acknowledged);
    store.close().await;
    println!("{SMALL_DISK} done");
}

/// A disk that is really full, where a process may mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_was_full_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let mount = r#"mount -t tmpfs -o size=3m none "$0" && echo mounted && exec "$@""#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", mount])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "tests::disk::fills_a_small_disk", "--nocapture"])
        .env(SMALL_DISK, dir.path())
        .output();
    let said = output.map(|output| {
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat()
    });
    match said {
        Ok(said) if said.contains("mounted") => assert!(said.contains("STORE_SMALL_DISK done"), "{said}"),
        _ => eprintln!("no disk can be mounted here: a full one is not tested"),
    }
}

/// A disk that stored a batch and reported a failure, or did not store it: acknowledged writes are there after a
/// restart, and of the failed batch all or nothing.
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
                let write = put(things, &format!("{index:03}"), "x", Precondition::NotExists);
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
        // Unacknowledged writes are not visible.
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
        let mut revisions: Vec<u64> = found.range("", None).map(|object| object.mod_revision.0).collect();
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

impl DurableLog for Unsure {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, BackendError> {
        self.inner.load(each)
    }

    fn append(
        &mut self,
        rows: &[Row],
        dropped: &[Revision],
        compacted_revision: Revision,
    ) -> Result<(), AppendError> {
        let failed = || AppendError::Broken(String::from("the sync failed"));
        if self.left > 0 || self.takes {
            self.inner.append(rows, dropped, compacted_revision)?;
        }
        self.left = self.left.checked_sub(1).ok_or_else(failed)?;
        Ok(())
    }

    fn close(&mut self) -> Result<(), BackendError> {
        self.inner.close()
    }
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    for index in 0..200 {
        let value = "x".repeat(500);
        store.commit(put(things, &index.to_string(), &value, Precondition::NotExists)).await.unwrap();
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

/// A crash in the middle of a checkpoint: some pages of the log are in the database, one of them by half. The log is
/// still there, and decides.
#[tokio::test]
async fn a_torn_checkpoint_is_made_up_for_by_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let mut random = Random::new(5);
    for number in 0..400 {
        let name = random.below(40).to_string();
        let found = store.get(things, &key(&name)).map(|object| object.mod_revision);
        let value = format!("{number} {}", "x".repeat(random.below(3_000) as usize));
        store
            .commit(put(
                things,
                &name,
                &value,
                found.map_or(Precondition::NotExists, Precondition::ModRevision),
            ))
            .await
            .unwrap();
    }
    let expected = held(&store, things);
    let wal = std::fs::read(dir.path().join("store.db-wal")).unwrap();
    let database = std::fs::read(dir.path().join("store.db")).unwrap();
    let pages = pages(&wal);
    assert!(pages.len() > 50, "{} pages", pages.len());
    for round in 0..30 {
        let mut torn = database.clone();
        for (place, page) in &pages {
            if random.below(3) == 0 {
                continue;
            }
            let end = place + page.len();
            torn.resize(torn.len().max(end), 0);
            let len = if random.below(10) == 0 { page.len() / 2 } else { page.len() };
            torn[*place..place + len].copy_from_slice(&page[..len]);
        }
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("store.db"), &torn).unwrap();
        std::fs::write(copy.path().join("store.db-wal"), &wal).unwrap();
        let (store, things) = open(copy.path());
        assert_eq!(held(&store, things), expected, "round {round}");
        store.close().await;
    }
}

/// The pages of a write-ahead log with their places in the database, the last of each.
fn pages(wal: &[u8]) -> BTreeMap<usize, &[u8]> {
    let number = |place: usize| u32::from_be_bytes(wal[place..place + 4].try_into().unwrap()) as usize;
    let size = number(8);
    let frames = (32..).step_by(24 + size).take_while(|frame| frame + 24 + size <= wal.len());
    frames.map(|frame| ((number(frame) - 1) * size, &wal[frame + 24..frame + 24 + size])).collect()
}
