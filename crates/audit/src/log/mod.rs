//! The log backend: events as lines of a file or of standard output.
//!
//! A line of a request is written by one of the threads that work on requests, not by one of its own: to wake another
//! thread and to be woken by it costs several times what the kernel takes to append a line. And as to append several lines
//! at once costs little more than one:
//!
//! - Where one line follows the other, the first that leaves one lets all tasks that are ready go before it, and then
//!   writes what they have left too.
//! - The first line of a request that changes nothing may be deferred. It is written before the request waits for anything,
//!   or with its last line, which is before it is answered.
//!
//! A disk that hangs must not stop the server all the same, so there is a thread of the log's own, which writes whatever
//! could keep threads of the runtime for long:
//!
//! - Nobody waits for the output. Whoever finds it taken leaves the line to the one that has it, and is awaited as all
//!   that waits is. So one write that hangs holds one thread of the runtime, which is why there must be a second one; a
//!   runtime of one thread hands everything over. (Besides, tokio keeps one task beside that thread that no other thread
//!   takes from it.)
//! - After a write that took long, the thread writes for a multiple of that time: slow writes take a small part of one
//!   thread of the runtime at most.
//! - Others only append so many bytes to a regular file that is open and has room for them. Files are opened and rotated
//!   by the thread, and it alone writes to pipes, whose readers may stop to read.

mod clock;
mod file;
mod old_files;
mod output;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::log::old_files::Rotation;
pub use output::Output;

use crate::counters::{BackendName, Counters};
use crate::line::Line;
use clock::watch;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use writer::{Job, LineWriter};

/// Lines, or groups of them, that wait for whoever writes them.
const WAITING_MAX: usize = 4096;

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
        tokio::spawn(watch(Arc::downgrade(&writer.clock)));
        Ok(LogBackend { writer, room: Arc::new(Semaphore::new(WAITING_MAX)), counters })
    }

    /// Writes one line, and tells whether it was; if not, that is counted and logged.
    pub async fn process_line(&self, line: Line) -> bool {
        let room = self.room.clone().acquire_owned().await.ok();
        let (job, answered) = job(line.clone(), Vec::new(), room);
        if self.writer.leave(job) {
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
        let Some((first, others)) = lines.split_first() else { return true };
        let room = self.room.clone().acquire_owned().await.ok();
        let (job, answered) = job(first.clone(), others.to_vec(), room);
        self.writer.leave(job);
        self.writer.flush();
        self.told(answered.await, &lines)
    }

    /// Leaves a line to be written with the next one, or when `flush_deferred` is called; the line itself when there is
    /// no room for one that nobody waits for.
    pub fn defer(&self, line: Line) -> Result<DeferredLine, Line> {
        let Ok(room) = self.room.clone().try_acquire_owned() else { return Err(line) };
        let (job, answered) = job(line.clone(), Vec::new(), Some(room));
        self.writer.defer(job);
        Ok(DeferredLine { line, answered })
    }

    /// Writes what was deferred.
    pub fn flush_deferred(&self) {
        self.writer.flush_deferred();
    }

    /// Waits until a deferred line is written, and tells whether it was.
    pub async fn settle(&self, DeferredLine { line, mut answered }: DeferredLine) -> bool {
        // Most went with a line that was waited for: what others have left since is theirs to write.
        if let Ok(is_written) = answered.try_recv() {
            return is_written;
        }
        self.flush_deferred();
        self.told(answered.await, &[line])
    }

    fn told(&self, answer: Result<bool, RecvError>, lines: &[Line]) -> bool {
        answer.unwrap_or_else(|_| {
            self.counters.failed(BackendName::Log, "the writer of the audit log ended", lines);
            false
        })
    }
}

fn job(first: Line, others: Vec<Line>, room: Option<OwnedSemaphorePermit>) -> (Job, oneshot::Receiver<bool>) {
    let (answer, answered) = oneshot::channel();
    (Job { first, others, answer, _room: room }, answered)
}

/// A line that was left for later.
pub struct DeferredLine {
    line: Line,
    answered: oneshot::Receiver<bool>,
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
