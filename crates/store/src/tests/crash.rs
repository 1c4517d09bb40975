//! Crashes: a process that writes is killed again and again, and its file is cut and damaged. What was acknowledged
//! is found, in order and whole.

use super::*;
use pintle_testkit::Random;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Makes the test binary the writer that is to be killed.
const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";
/// The number of the first write of each key in a life of the writer.
const FIRST: &str = "STORE_CRASH_FIRST";
/// Bytes of each value.
const SIZE: &str = "STORE_CRASH_SIZE";

const KEYS: u64 = 8;
const CYCLES: u64 = 40;
/// Beyond any number of writes of one key in one life.
const LIFE: u64 = 1_000_000;

/// The value of a key after its n-th write: every fifth deletes it.
fn state_after(number: u64) -> Option<u64> {
    (number % 5 != 4).then_some(number)
}

/// The writer's process: each key is written by a task that awaits every acknowledgement, and then reports it.
#[test]
fn writes_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (first, size) = (number(FIRST), number(SIZE) as usize);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (store, things) = open(Path::new(&directory));
        let store = Arc::new(store);
        let tasks: Vec<_> = (0..KEYS)
            .map(|key| {
                let store = store.clone();
                runtime.spawn(async move { write_key(&store, things, key, first, size).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        store.close().await;
    });
}

/// Writes until the store refuses.
async fn write_key(store: &Store, things: CollectionId, name: u64, first: u64, size: usize) {
    let name = name.to_string();
    for number in first.. {
        let found = store.get(things, &key(&name)).map(|object| object.mod_revision);
        let write = match (state_after(number), found) {
            (None, Some(at)) => delete(things, &name, at),
            (None, None) => unreachable!("a deletion follows four writes"),
            (Some(_), found) => {
                let value = format!("{number} {}", "x".repeat(size));
                put(things, &name, &value, found.map_or(Precondition::NotExists, Precondition::ModRevision))
            }
        };
        let Ok(object) = store.commit(write).await else { break };
        // One system call, so that a kill leaves whole lines; the pipe is a file that outlives the process.
        let line = format!("ack {name} {number} {}\n", object.mod_revision);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

fn writer(directory: &Path, first: u64, size: usize, shell: Option<&str>) -> Child {
    let binary = std::env::current_exe().unwrap();
    let mut command = match shell {
        None => Command::new(binary),
        Some(shell) => {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("{shell}; exec \"$@\""), "sh"]).arg(binary);
            command
        }
    };
    command
        .args(["--exact", "tests::crash::writes_until_killed", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .env(SIZE, size.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// An acknowledged write.
struct Ack {
    name: String,
    number: u64,
    revision: Revision,
}

/// The moment at which a writer is killed.
enum Kill {
    Never,
    /// After a time, in which it may not have begun to write.
    After(Duration),
    /// After so many acknowledgements.
    Acknowledged(usize),
}

fn acks(mut child: Child, kill: &Kill) -> Vec<Ack> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acks = Vec::new();
    match kill {
        Kill::Never => {
            acks.extend(lines.filter_map(|line| ack(&line)));
            assert!(child.wait().unwrap().success());
            return acks;
        }
        Kill::After(delay) => std::thread::sleep(*delay),
        Kill::Acknowledged(count) => acks.extend(lines.by_ref().filter_map(|line| ack(&line)).take(*count)),
    }
    // One that ended by itself cannot be killed.
    let _ = child.kill();
    child.wait().unwrap();
    acks.extend(lines.filter_map(|line| ack(&line)));
    acks
}

fn ack(line: &str) -> Option<Ack> {
    // The test harness may have begun the line.
    let (_, line) = line.split_once("ack ")?;
    let mut words = line.split(' ');
    let name = words.next()?.to_string();
    let mut number = || words.next()?.parse::<u64>().ok();
    Some(Ack { name, number: number()?, revision: Revision(number()?) })
}

/// Checks a store that was reopened: every key is as its last acknowledged write left it, or the one after that.
async fn check(
    directory: &Path,
    first: u64,
    resume: Revision,
    last: &mut BTreeMap<String, u64>,
    acks: &[Ack],
) -> Revision {
    let (store, things) = open(directory);
    for ack in acks {
        last.insert(ack.name.clone(), ack.number);
    }
    for name in (0..KEYS).map(|name| name.to_string()) {
        let found = store.get(things, &key(&name)).map(|object| number_of(&object));
        let last = last.get(&name).copied();
        // The write after the last acknowledged one may have happened; in a new life numbers begin at `first`.
        let next = last.filter(|last| *last >= first).map_or(first, |last| last + 1);
        let possible = [last.and_then(state_after), state_after(next)];
        assert!(possible.contains(&found), "{name}: {found:?} is none of {possible:?}");
    }
    check_events(&store, things, resume, acks).await;
    let revision = store.revision();
    // The found state is the start of the next life.
    last.clear();
    for object in store.snapshot(things).range("", None) {
        last.insert(object.attrs.name.to_string(), number_of(object));
    }
    store.close().await;
    revision
}

/// A watch from before the crash finds every write since, acknowledged ones among them, without a gap.
async fn check_events(store: &Store, things: CollectionId, resume: Revision, acks: &[Ack]) {
    let current = store.revision();
    let mut watcher = store.watch(things, WatchFrom::After(resume), WatchPredicate::default()).unwrap();
    let mut events = BTreeMap::new();
    for revision in resume.0 + 1..=current.0 {
        let WatchItem::Event(event) = step(&mut watcher).await else {
            panic!("revision {revision} is missing")
        };
        assert_eq!(event.revision, Revision(revision));
        events.insert(event.revision, event);
    }
    for ack in acks {
        let event = &events[&ack.revision];
        assert_eq!(event.object.attrs.name, ack.name);
        match state_after(ack.number) {
            Some(number) => assert_eq!(number_of(&event.object), number),
            None => assert_eq!(event.kind, EventKind::Deleted),
        }
    }
}

fn number_of(object: &Object) -> u64 {
    let text = std::str::from_utf8(&object.value).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut last, mut resume, mut acknowledged) = (BTreeMap::new(), Revision(1), 0);
    let mut random = Random::new(7);
    let deadline = Instant::now() + Duration::from_secs(20);
    for cycle in 0..CYCLES {
        let first = cycle * LIFE;
        let kill = match cycle % 3 {
            0 => Kill::After(Duration::from_millis(random.below(120))),
            _ => Kill::Acknowledged(random.below(300) as usize),
        };
        let acks = acks(writer(dir.path(), first, 100, None), &kill);
        acknowledged += acks.len();
        resume = check(dir.path(), first, resume, &mut last, &acks).await;
        if Instant::now() > deadline {
            break;
        }
    }
    assert!(acknowledged > 100, "{acknowledged}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_refuses_writes_and_keeps_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // Files may grow to about a megabyte; beyond it writes fail as on a full disk.
    let acks = acks(writer(dir.path(), 0, 5_000, Some("trap '' XFSZ; ulimit -f 2000")), &Kill::Never);
    assert!(acks.len() > 50, "{}", acks.len());
    check(dir.path(), 0, Revision(1), &mut BTreeMap::new(), &acks).await;
}

/// A disk that fails every sync, as far as system calls go: earlier acknowledged writes are there, and after the first
/// failure no write is acknowledged.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_failed_sync_is_the_end_of_writing() {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("there is no strace on this machine: failing syncs are not tested");
        return;
    }
    for first in [3, 10, 40] {
        let dir = tempfile::tempdir().unwrap();
        let fail = format!(
            "set -- strace -f -qq -o /dev/null -e trace=fsync,fdatasync \
             -e inject=fsync,fdatasync:error=EIO:when={first}+ \"$@\""
        );
        let acks = acks(writer(dir.path(), 0, 100, Some(&fail)), &Kill::Never);
        assert!(acks.len() < 64 * first, "{} writes were acknowledged without a sync", acks.len());
        check(dir.path(), 0, Revision(1), &mut BTreeMap::new(), &acks).await;
    }
}

#[tokio::test]
async fn a_damaged_end_of_the_log_costs_only_what_stands_behind_the_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let mut states = BTreeMap::from([(Revision(1), BTreeMap::new())]);
    let mut state = BTreeMap::new();
    for number in 0..30u64 {
        let name = (number % 4).to_string();
        let found = store
            .get(things, &key(&name))
            .map_or(Precondition::NotExists, |object| Precondition::ModRevision(object.mod_revision));
        let at = store.commit(put(things, &name, &number.to_string(), found)).await.unwrap().mod_revision;
        state.insert(name, number);
        states.insert(at, state.clone());
    }
    let wal = std::fs::read(dir.path().join("store.db-wal")).unwrap();
    let database = std::fs::read(dir.path().join("store.db")).unwrap();
    let mut random = Random::new(11);
    for round in 0..60 {
        let mut damaged = wal.clone();
        let place = random.below(damaged.len() as u64) as usize;
        match round % 2 {
            0 => damaged.truncate(place),
            _ => damaged[place] ^= 1 << (place % 8),
        }
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("store.db"), &database).unwrap();
        std::fs::write(copy.path().join("store.db-wal"), &damaged).unwrap();
        let (store, things) = open(copy.path());
        let snapshot = store.snapshot(things);
        let found: BTreeMap<_, _> = snapshot
            .range("", None)
            .map(|object| (object.attrs.name.to_string(), number_of(object)))
            .collect();
        assert_eq!(states.get(&store.revision()), Some(&found), "damaged at {place} of {}", wal.len());
        store.close().await;
    }
}
