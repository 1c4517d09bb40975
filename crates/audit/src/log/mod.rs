//! The log backend: events as lines of a file or of standard output, written by a thread of its own, so that no thread
//! of the runtime waits for a disk.

mod file;
mod old_files;

#[cfg(test)]
mod tests;

pub use crate::log::old_files::Rotation;

use crate::counters::{BackendName, Counters};
use crate::line::Line;
use file::LogFile;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Lines that wait for the thread.
const WAITING_MAX: usize = 4096;
/// Lines that are written together.
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

/// A line, and where to say what became of it.
struct Job {
    line: Line,
    answer: oneshot::Sender<Result<(), String>>,
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
        let writer = LogWriter { output, received, clock: clock.clone() };
        std::thread::Builder::new()
            .name("audit-log".into())
            .spawn(move || writer.run())
            .map_err(|error| format!("starting the writer of the audit log: {error}"))?;
        tokio::spawn(watch(clock));
        Ok(LogBackend { jobs, counters })
    }

    /// Writes lines, and tells whether all were; what was not is counted and logged.
    pub async fn process(&self, lines: Vec<Line>) -> bool {
        let mut is_written = true;
        for line in lines {
            is_written &= self.process_line(line).await;
        }
        is_written
    }

    /// Writes one line, together with those of others that come at the same time.
    pub async fn process_line(&self, line: Line) -> bool {
        let (answer, answered) = oneshot::channel();
        let job = Job { line: line.clone(), answer };
        let result = match self.jobs.send(job).await {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        let ended = || Err(String::from("the writer of the audit log ended"));
        match result.unwrap_or_else(ended) {
            Ok(()) => true,
            Err(why) => {
                self.counters.failed(BackendName::Log, &why, &[line]);
                false
            }
        }
    }
}

struct LogWriter {
    output: Output,
    received: mpsc::Receiver<Job>,
    clock: Arc<Clock>,
}

impl LogWriter {
    /// Writes what came while the last write went on with one write.
    fn run(mut self) {
        let mut jobs = Vec::new();
        while let Some(first) = self.received.blocking_recv() {
            jobs.push(first);
            while jobs.len() < GROUP_MAX {
                let Ok(job) = self.received.try_recv() else { break };
                jobs.push(job);
            }
            let lines: Vec<&[u8]> = jobs.iter().map(|job| job.line.bytes()).collect();
            self.clock.begin();
            let results = self.output.write(&lines);
            self.clock.end();
            for (job, result) in jobs.drain(..).zip(results) {
                // Whoever no longer waits for the answer does not need it.
                let _ = job.answer.send(result);
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
