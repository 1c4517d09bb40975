//! The log backend: events as lines of a file or of standard output.
//!
//! A line of a request is written by one of the threads that work on requests, not by one of its own: to wake another
//! thread and to be woken by it costs several times what the kernel takes to append a line. And as to append several lines
//! at once costs little more than one:
//!
//! - A line that no request waits for is only left. It goes out when a connection is about to write answers: all that
//!   were left for them are written first, so that nobody reads an answer before its lines are there.
//! - Where one line that is waited for follows the other, the first that leaves one lets all tasks that are ready go
//!   before it, and then writes what they have left too.
//! - The first line of a request that changes nothing is left too. It is written before the request waits for anything.
//!
//! A disk that hangs must not stop the server all the same, so there is a thread of the log's own, which writes whatever
//! could keep threads of the runtime for long:
//!
//! - No thread waits for the output. Whoever finds it taken leaves the line to the one that has it, and is awaited as all
//!   that waits is. So one write that hangs holds one thread of the runtime, which is why there must be a second one; a
//!   runtime of one thread hands everything over. (Besides, tokio keeps one task beside that thread that no other thread
//!   takes from it.)
//! - After a write that took long, the thread writes for a multiple of that time: slow writes take a small part of one
//!   thread of the runtime at most.
//! - Others only append so many bytes to a regular file that is open and has room for them. Files are opened and rotated
//!   by the thread, and it alone writes to pipes, whose readers may stop to read.

mod clock;
mod file;
mod lines;
mod old_files;
mod output;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::log::old_files::Rotation;
pub use output::Output;

use crate::counters::{BackendName, Counters};
use crate::line::Line;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Semaphore, oneshot};
use writer::{LineAnswer, LineWriter};

/// Lines, or groups of them, that somebody waits for.
const WAITING_MAX: usize = 4096;

/// A write that takes longer is logged as hanging, and again each time as much time has passed.
const HANGS_AFTER: Duration = Duration::from_secs(10);

/// The log, as backends have it.
pub struct LogBackend {
    writer: Arc<LineWriter>,
    room: Arc<Semaphore>,
    counters: Arc<Counters>,
}

impl LogBackend {
    /// Starts the thread, and a task that watches writes. Must be called within a runtime.
    pub fn start(output: Output, counters: Arc<Counters>) -> Result<LogBackend, String> {
        let holds_threads = Handle::current().metrics().num_workers() > 1;
        let writer = Arc::new(LineWriter::new(output, holds_threads, counters.clone()));
        let own = writer.clone();
        std::thread::Builder::new()
            .name("audit-log".into())
            .spawn(move || own.run())
            .map_err(|error| format!("starting the writer of the audit log: {error}"))?;
        tokio::spawn(watch(Arc::downgrade(&writer)));
        Ok(LogBackend { writer, room: Arc::new(Semaphore::new(WAITING_MAX)), counters })
    }

    /// Leaves a line that is written before `poll_stored` of the given number is ready; a failure is counted and logged.
    /// None, and nothing is left, where that may take long: then it is for the request to wait, by `process_line`.
    pub fn leave(&self, line: &[u8]) -> Option<u64> {
        self.writer.leave_unpromised(line)
    }

    /// Writes what was left.
    pub fn flush(&self) {
        self.writer.flush_left();
    }

    /// The number of lines that were ever left, by either way.
    pub fn left(&self) -> u64 {
        self.writer.left()
    }

    /// Ready when so many of them are written or have failed.
    pub fn poll_stored(&self, count: u64, context: &mut Context<'_>) -> Poll<()> {
        self.writer.poll_done(count, context)
    }

    /// Writes one line, and tells whether it was; if not, that is counted and logged.
    pub async fn process_line(&self, line: Line) -> bool {
        let (answer, answered) = self.answer().await;
        if self.writer.leave(std::slice::from_ref(&line), answer) {
            // Dropped with the request when its client goes away meanwhile: others wait for what it writes.
            let flush = Flush(&self.writer);
            if self.writer.clock.is_busy() {
                tokio::task::yield_now().await;
            }
            drop(flush);
        }
        self.told(answered.await, &[line])
    }

    /// The same of several lines, at once.
    pub async fn process(&self, lines: Vec<Line>) -> bool {
        if lines.is_empty() {
            return true;
        }
        let (answer, answered) = self.answer().await;
        self.writer.leave(&lines, answer);
        self.writer.flush();
        self.told(answered.await, &lines)
    }

    /// The two ends of an answer, as soon as there is room for one more to wait for.
    async fn answer(&self) -> (LineAnswer, oneshot::Receiver<bool>) {
        let room = self.room.clone().acquire_owned().await.ok();
        let (sender, answered) = oneshot::channel();
        (LineAnswer { sender, _room: room }, answered)
    }

    fn told(&self, answer: Result<bool, RecvError>, lines: &[Line]) -> bool {
        answer.unwrap_or_else(|_| {
            self.counters.failed(BackendName::Log, "the writer of the audit log ended", lines);
            false
        })
    }
}

/// Writes what was left when it is dropped.
struct Flush<'a>(&'a LineWriter);

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl Drop for LogBackend {
    fn drop(&mut self) {
        self.writer.close();
    }
}

/// Says in the server's log when writes hang, as whoever waits for them cannot, and writes what nobody came back for.
async fn watch(writer: Weak<LineWriter>) {
    loop {
        tokio::time::sleep(HANGS_AFTER).await;
        let Some(writer) = writer.upgrade() else { return };
        writer.flush_left();
        if let Some(time) = writer.clock.going_on().filter(|time| *time >= HANGS_AFTER) {
            tracing::error!(
                seconds = time.as_secs(),
                "a write to the audit log hangs; in blocking modes requests wait for it"
            );
        }
    }
}
