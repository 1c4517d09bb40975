//! The log backend: events as lines of a file or of standard output, written by a thread of its own, so that no thread
//! of the runtime waits for a disk.

mod file;
mod old_files;

#[cfg(test)]
mod tests;

pub use file::Rotation;

use crate::counters::{Counters, Plugin};
use crate::line::Line;
use file::LogFile;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Batches of lines that wait for the thread.
const WAITING_MAX: usize = 4096;
/// Batches that are written together.
const GROUP_MAX: usize = 1024;
/// How long one write may take before the log of the server says that it hangs, and how often it says so again.
const HANGS_AFTER: Duration = Duration::from_secs(10);

/// Where lines go.
pub enum Output {
    File(LogFile),
    Stdout { is_torn: bool },
}

impl Output {
    /// Makes the file and its directory if they are not there. `-` is standard output.
    pub fn open(path: &str, rotation: Rotation) -> Result<Output, String> {
        if path == "-" {
            return Ok(Output::Stdout { is_torn: false });
        }
        LogFile::open(Path::new(path), rotation).map(Output::File)
    }

    /// Writes whole lines, and says of each what went wrong with it.
    fn write(&mut self, lines: &[&[u8]]) -> Vec<Result<(), String>> {
        match self {
            Output::File(file) => file.write(lines),
            Output::Stdout { is_torn } => lines.iter().map(|line| to_stdout(line, is_torn)).collect(),
        }
    }
}

/// Writes a line; what is left of one that was torn ends first.
fn to_stdout(line: &[u8], is_torn: &mut bool) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let written = if *is_torn { out.write_all(b"\n") } else { Ok(()) };
    let written = written.and_then(|()| out.write_all(line)).and_then(|()| out.flush());
    *is_torn = written.is_err();
    written.map_err(|error| format!("write /dev/stdout: {error}"))
}

/// Lines that are written together, and where to say what became of them.
struct Job {
    lines: Vec<Line>,
    answer: oneshot::Sender<Vec<Option<String>>>,
}

/// The writing thread, seen from outside.
pub struct LogBackend {
    jobs: mpsc::Sender<Job>,
    counters: Arc<Counters>,
}

impl LogBackend {
    /// Starts the thread, and a task that watches it.
    pub fn start(output: Output, counters: Arc<Counters>) -> Result<LogBackend, String> {
        let (jobs, received) = mpsc::channel(WAITING_MAX);
        let clock = Arc::new(Clock::default());
        let writer = Writer { output, received, clock: clock.clone() };
        std::thread::Builder::new()
            .name("audit-log".into())
            .spawn(move || writer.run())
            .map_err(|error| format!("starting the writer of the audit log: {error}"))?;
        tokio::spawn(watch(clock));
        Ok(LogBackend { jobs, counters })
    }

    /// Writes lines, and tells whether all were; what was not is counted and logged.
    pub async fn process(&self, lines: Vec<Line>) -> bool {
        let (answer, answered) = oneshot::channel();
        let kept = lines.clone();
        let failures = match self.jobs.send(Job { lines, answer }).await {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        let Some(failures) = failures else {
            self.counters.failed(Plugin::Log, "the writer of the audit log ended", &kept);
            return false;
        };
        let mut is_written = true;
        for (line, failure) in kept.iter().zip(failures) {
            if let Some(why) = failure {
                is_written = false;
                self.counters.failed(Plugin::Log, &why, std::slice::from_ref(line));
            }
        }
        is_written
    }
}

struct Writer {
    output: Output,
    received: mpsc::Receiver<Job>,
    clock: Arc<Clock>,
}

impl Writer {
    /// Writes what came while the last write went on with one write.
    fn run(mut self) {
        while let Some(first) = self.received.blocking_recv() {
            let mut jobs = vec![first];
            while jobs.len() < GROUP_MAX {
                let Ok(job) = self.received.try_recv() else { break };
                jobs.push(job);
            }
            let lines: Vec<&[u8]> = jobs.iter().flat_map(|job| &job.lines).map(|line| line.bytes()).collect();
            self.clock.begin();
            let mut results = self.output.write(&lines).into_iter();
            self.clock.end();
            for Job { lines, answer } in jobs {
                // Whoever no longer waits for the answer does not need it.
                let _ = answer.send(results.by_ref().take(lines.len()).map(Result::err).collect());
            }
        }
        self.clock.stop();
    }
}

/// Since when a write goes on.
#[derive(Debug)]
struct Clock {
    start: Instant,
    /// Milliseconds from `start`, or one of the two below.
    since: AtomicU64,
}

const IDLE: u64 = u64::MAX;
const ENDED: u64 = u64::MAX - 1;

impl Default for Clock {
    fn default() -> Clock {
        Clock { start: Instant::now(), since: AtomicU64::new(IDLE) }
    }
}

impl Clock {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(0)
    }

    fn begin(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(IDLE, Ordering::Relaxed);
    }

    fn stop(&self) {
        self.since.store(ENDED, Ordering::Relaxed);
    }
}

/// Says in the server's log when writes hang: whoever waits for them cannot.
async fn watch(clock: Arc<Clock>) {
    loop {
        tokio::time::sleep(HANGS_AFTER).await;
        match clock.since.load(Ordering::Relaxed) {
            IDLE => {}
            ENDED => return,
            since => {
                let millis = clock.now().saturating_sub(since);
                if u128::from(millis) >= HANGS_AFTER.as_millis() {
                    tracing::error!(
                        seconds = millis / 1000,
                        "a write to the audit log hangs; in blocking modes requests wait for it"
                    );
                }
            }
        }
    }
}
