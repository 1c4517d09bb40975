//! Log files: rotation, full disks, torn lines.

use super::file::LogFile;
use super::lines::LineBuffer;
use super::*;
use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MEGABYTE: usize = 1 << 20;

fn rotation(max_megabytes: u64) -> Rotation {
    Rotation { max_megabytes, ..Rotation::default() }
}

fn buffer(lines: &[&str]) -> LineBuffer {
    let mut buffer = LineBuffer::default();
    lines.iter().for_each(|line| buffer.push(line.as_bytes()));
    buffer
}

/// The error of each line; empty for those that are written.
fn written(file: &mut LogFile, lines: &[&str]) -> Vec<String> {
    let mut results = vec![String::new(); lines.len()];
    for (line, why) in file.write(&buffer(lines)) {
        results[line] = why;
    }
    results
}

fn backups(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|entry| entry != path).collect();
    found.sort();
    found
}

#[test]
fn a_file_and_its_directory_are_made_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/audit.log");
    let mut file = LogFile::open(&path, rotation(0)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(written(&mut file, &["one\n", "two\n"]), ["", ""]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    let in_a_file = path.join("audit.log");
    let why = LogFile::open(&in_a_file, rotation(1)).err().unwrap();
    assert!(why.starts_with("ensureLogFile: "), "{why}");
}

#[test]
fn a_file_is_rotated_before_the_line_that_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    std::fs::write(&path, "old\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let mut file = LogFile::open(&path, rotation(1)).unwrap();
    let third = format!("{}\n", "x".repeat(MEGABYTE / 3));
    let huge = format!("{}\n", "x".repeat(MEGABYTE));
    let lines = [third.as_str(), &third, &third, &huge, "end\n"];
    let why = format!("write length {} exceeds maximum file size {MEGABYTE}", MEGABYTE + 1);
    assert_eq!(written(&mut file, &lines), ["", "", "", &why, ""]);
    let [old] = backups(&path).try_into().unwrap();
    assert_eq!(std::fs::read_to_string(&old).unwrap(), format!("old\n{third}{third}"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{third}end\n"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let name = old.file_name().unwrap().to_str().unwrap().to_string();
    assert!(name.starts_with("audit-2") && name.ends_with(".log"), "{name}");
}

#[test]
fn without_a_size_a_file_is_never_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let mut file = LogFile::open(&path, rotation(0)).unwrap();
    let line = format!("{}\n", "x".repeat(MEGABYTE));
    assert_eq!(written(&mut file, &[&line, &line]), ["", ""]);
    assert!(backups(&path).is_empty());
}

#[test]
fn a_full_file_that_was_there_is_rotated_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    std::fs::write(&path, vec![b'\n'; MEGABYTE]).unwrap();
    let mut file = LogFile::open(&path, rotation(1)).unwrap();
    assert_eq!(written(&mut file, &["line\n"]), [""]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "line\n");
    assert_eq!(backups(&path).len(), 1);
}

#[test]
fn old_files_beyond_their_number_go_and_others_are_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let rotation = Rotation { max_megabytes: 1, max_backups: 2, is_compressed: true, ..Rotation::default() };
    let mut file = LogFile::open(&path, rotation).unwrap();
    let line = format!("{}\n", "x".repeat(MEGABYTE - 1));
    for _ in 0..5 {
        assert_eq!(written(&mut file, &[&line]), [""]);
    }
    let is_done = || {
        let found = backups(&path);
        found.len() == 2 && found.iter().all(|path| path.extension().is_some_and(|end| end == "gz"))
    };
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", backups(&path));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_line_that_a_killed_process_tore_ends_before_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    std::fs::write(&path, "whole\n{\"kind\":\"Ev").unwrap();
    let mut file = LogFile::open(&path, rotation(100)).unwrap();
    assert_eq!(written(&mut file, &["next\n"]), [""]);
    assert_eq!(written(&mut file, &["last\n"]), [""]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\n{\"kind\":\"Ev\nnext\nlast\n");
}

#[test]
fn on_a_full_disk_every_line_fails() {
    let mut file = LogFile::open(Path::new("/dev/full"), rotation(0)).unwrap();
    for why in written(&mut file, &["one\n", "two\n"]) {
        assert!(why.starts_with("write /dev/full: No space left on device"), "{why}");
    }
}

/// A file system of a few pages, in a namespace of its own; none where that is not allowed.
fn small_disk(script: &str) -> Option<String> {
    let run = std::process::Command::new("unshare").args(["-rm", "sh", "-c", script]).output().ok()?;
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    (run.status.success()).then_some(text)
}

/// Run again by the test below, in the namespace: writes lines of 1000 bytes until the disk is full.
#[test]
fn fill_the_disk_of_the_namespace() {
    let Some(path) = std::env::var_os("AUDIT_TEST_LOG").map(PathBuf::from) else { return };
    let mut file = LogFile::open(&path, rotation(100)).unwrap();
    let lines: Vec<String> = (0..40).map(|n| format!("{n:0>999}\n")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let stored = lines.len() - file.write(&buffer(&lines)).len();
    assert!(stored > 0 && stored < 40, "{stored} of 40 lines were stored on a disk for half of them");
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept.lines().count(), stored, "a line that failed is not there, not even in part");
    assert!(kept.ends_with('\n') && kept.lines().all(|line| line.len() == 999));
    std::fs::remove_file(path.with_file_name("ballast")).unwrap();
    assert_eq!(written(&mut file, &["after\n"]), [""]);
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("\nafter\n"));
}

#[test]
fn a_full_disk_tears_no_line_and_writing_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (mount, program) = (dir.path().display(), std::env::current_exe().unwrap());
    let script = format!(
        "mount -t tmpfs -o size=32k none {mount} && head -c 8192 /dev/zero > {mount}/ballast && \
         AUDIT_TEST_LOG={mount}/audit.log {} --exact log::tests::fill_the_disk_of_the_namespace",
        program.display()
    );
    if small_disk("mount -t tmpfs none /mnt").is_none() {
        eprintln!("no namespaces here: a full disk was not tested");
        return;
    }
    let run = std::process::Command::new("unshare").args(["-rm", "sh", "-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

fn line(id: &str) -> Line {
    let (info, received) = (Arc::default(), crate::record::now());
    let request = crate::RequestFields { audit_id: id, ..crate::RequestFields::of(&info, received) };
    let event = crate::AuditEvent::new(crate::Level::Metadata, &request);
    Line::json(&event, crate::AuditStage::Panic, crate::record::now())
}

fn start(path: &Path) -> Arc<LogBackend> {
    let output = Output::open(path.to_str().unwrap(), rotation(1)).unwrap();
    Arc::new(LogBackend::start(output, Arc::default()).unwrap())
}

/// The identities in a log, as numbers, in their order.
fn ids(text: &str) -> Vec<usize> {
    let id = |line: &str| {
        pintle_object::json::parse(line.as_bytes()).unwrap().str_at(&["auditID"]).parse().unwrap()
    };
    let mut ids: Vec<usize> = text.lines().map(id).collect();
    ids.sort_unstable();
    ids
}

async fn many_at_once() {
    const LINES: usize = 2000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let log = start(&path);
    let tasks: Vec<_> = (0..LINES)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { log.process_line(line(&n.to_string())).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(ids(&std::fs::read_to_string(&path).unwrap()), (0..LINES).collect::<Vec<_>>());
}

#[tokio::test]
async fn lines_of_many_at_once_are_all_there() {
    many_at_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lines_of_many_at_once_are_all_there_when_many_threads_write() {
    many_at_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_thread_writes_what_may_take_long() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let log = start(&path);
    let is_here = |bytes| log.writer.is_written_here(bytes);
    assert!(!is_here(1), "the thread opens the file");
    assert!(log.process_line(line("1")).await);
    assert!(is_here(1) && !is_here(MEGABYTE), "and rotates it");
    assert!(log.process_line(line("2")).await);
    log.writer.clock.ended(0, 10_000_000);
    assert!(!is_here(1), "and writes while that is slow");
    assert!(log.process_line(line("3")).await);
    assert_eq!(ids(&std::fs::read_to_string(&path).unwrap()), [1, 2, 3]);
}

#[tokio::test]
async fn the_only_thread_of_a_runtime_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = start(&dir.path().join("audit.log"));
    assert!(log.process_line(line("1")).await);
    assert!(!log.writer.is_written_here(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_hangs_keeps_lines_waiting_and_no_thread() {
    const LINES: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let log = start(&path);
    assert!(log.process_line(line("0")).await);
    // As long as a write that hangs has it.
    let (taken, is_taken) = oneshot::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let writer = log.writer.clone();
    let hanging = std::thread::spawn(move || {
        let output = writer.hold();
        taken.send(()).unwrap();
        ended.recv().unwrap();
        drop(output);
    });
    is_taken.await.unwrap();
    let tasks: Vec<_> = (1..LINES)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { log.process_line(line(&n.to_string())).await })
        })
        .collect();
    let others: Vec<_> = (0..LINES).map(|_| tokio::spawn(tokio::task::yield_now())).collect();
    for other in others {
        other.await.unwrap();
    }
    assert!(tasks.iter().all(|task| !task.is_finished()), "nothing was written");
    end.send(()).unwrap();
    hanging.join().unwrap();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(ids(&std::fs::read_to_string(&path).unwrap()), (0..LINES).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_that_nobody_reads_holds_no_thread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let output = Output::open(path.to_str().unwrap(), rotation(0)).unwrap();
    let log = Arc::new(LogBackend::start(output, Arc::default()).unwrap());
    assert!(log.process_line(line("1")).await);
    assert!(!log.writer.is_written_here(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_ends_before_it_has_written_what_others_left_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let log = start(&path);
    assert!(log.process_line(line("0")).await);
    // As if lines followed each other.
    log.writer.clock.ended(u64::MAX / 2, u64::MAX / 2);
    let mut first = Box::pin(log.process_line(line("1")));
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "it lets others go before it");
    let mut second = Box::pin(log.process_line(line("2")));
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(second.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "it waits for the first");
    drop(first);
    assert!(second.await);
    assert_eq!(ids(&std::fs::read_to_string(&path).unwrap()), [0, 1, 2]);
}

/// Whether all that was left is written, at the first time of asking.
async fn is_stored(log: &LogBackend) -> bool {
    let count = log.left();
    poll_fn(|context| Poll::Ready(log.poll_stored(count, context).is_ready())).await
}

async fn all_stored(log: &LogBackend) {
    let count = log.left();
    poll_fn(|context| log.poll_stored(count, context)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_left_go_with_the_next_or_when_they_are_called_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let log = start(&path);
    let there = || {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines().map(|line| ids(line).remove(0)).collect::<Vec<usize>>()
    };
    let leave = |id| log.leave(line(id).bytes()).is_some();
    assert!(!leave("0"), "the thread opens the file");
    assert!(log.process_line(line("0")).await);
    assert!(leave("1"));
    assert_eq!(there(), [0]);
    assert!(log.process_line(line("2")).await);
    assert_eq!(there(), [0, 1, 2], "in the order in which they were left");
    assert!(is_stored(&log).await);
    assert!(leave("3") && leave("4"));
    log.flush();
    assert_eq!(there(), [0, 1, 2, 3, 4]);
    assert!(leave("5") && is_stored(&log).await);
    assert_eq!(there(), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_to_a_write_that_hangs_and_what_was_left_before_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let log = start(&path);
    assert!(log.process_line(line("0")).await);
    let held = log.writer.hold();
    assert!(log.leave(line("1").bytes()).is_some());
    assert!(!is_stored(&log).await, "another one has the output");
    drop(held);
    all_stored(&log).await;
    log.writer.clock.timed(|| {
        std::thread::sleep(Duration::from_millis(600));
        assert!(log.leave(line("2").bytes()).is_none(), "its request is to wait");
    });
    log.writer.clock.ended(0, 10_000_000);
    assert!(log.leave(line("2").bytes()).is_none(), "also a while after it");
    assert!(log.process_line(line("2")).await);
    assert_eq!(ids(&std::fs::read_to_string(&path).unwrap()), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_left_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let output = Output::open(path.to_str().unwrap(), rotation(100)).unwrap();
    let log = LogBackend::start(output, Arc::default()).unwrap();
    assert!(log.process_line(line("0")).await);
    let line = line("1");
    let left = (0..10_000).take_while(|_| log.leave(line.bytes()).is_some()).count();
    assert!((left + 1) * line.len() > 256 << 10 && left * line.len() <= 256 << 10, "{left}");
    all_stored(&log).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), left + 1);
    assert!(log.leave(line.bytes()).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_write_at_once_find_their_lines_stored() {
    const EACH: usize = 500;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let log = start(&path);
    assert!(log.process_line(line("0")).await);
    let connections: Vec<_> = (0..8)
        .map(|connection| {
            let (log, path) = (log.clone(), path.clone());
            tokio::spawn(async move {
                for n in 0..EACH {
                    let own = line(&(1 + connection * EACH + n).to_string());
                    if let Some(number) = log.leave(own.bytes()) {
                        poll_fn(|context| log.poll_stored(number, context)).await;
                    } else {
                        assert!(log.process_line(own.clone()).await);
                    }
                    if n % 50 == 0 {
                        let text = std::fs::read(&path).unwrap();
                        let rotated = backups(&path)
                            .iter()
                            .any(|old| contains(&std::fs::read(old).unwrap(), own.bytes()));
                        assert!(rotated || contains(&text, own.bytes()));
                    }
                }
            })
        })
        .collect();
    for connection in connections {
        connection.await.unwrap();
    }
    let mut text = std::fs::read_to_string(&path).unwrap();
    backups(&path).iter().for_each(|old| text += &std::fs::read_to_string(old).unwrap());
    assert_eq!(ids(&text), (0..=8 * EACH).collect::<Vec<_>>());
}

fn contains(text: &[u8], line: &[u8]) -> bool {
    text.windows(line.len()).any(|part| part == line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_fail_are_counted_though_nobody_waits() {
    let counters: Arc<Counters> = Arc::default();
    let output = Output::open("/dev/full", rotation(0)).unwrap();
    let log = Arc::new(LogBackend::start(output, counters.clone()).unwrap());
    let answer = LineAnswer { sender: oneshot::channel().0, _room: None };
    assert!(log.writer.leave(&[line("0")], answer));
    log.writer.flush();
    assert!(!log.process_line(line("1")).await);
    assert_eq!(counters.errors(BackendName::Log), 2);
}
