//! The log backend: events as lines of a file or of standard output.
//!
//! A line of a request is written by one of the threads that work on requests, not by one of its own: to wake another
//! thread and to be woken by it costs several times what the kernel takes to append a line. And as to append several lines
//! at once costs little more than one, the first that leaves a line lets all tasks that are ready go before it, and then
//! writes what they have left too.
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
use tokio::sync::{Semaphore, oneshot};
use writer::{Failures, Job, LineWriter};

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
        let writer = Arc::new(LineWriter::new(output, holds_threads));
        let own = writer.clone();
        std::thread::Builder::new()
            .name("audit-log".into())
            .spawn(move || own.run())
            .map_err(|error| format!("starting the writer of the audit log: {error}"))?;
        tokio::spawn(watch(Arc::downgrade(&writer.clock)));
        Ok(LogBackend { writer, room: Arc::new(Semaphore::new(WAITING_MAX)), counters })
    }

    /// Writes one line with those of others that come at the same time, and tells whether it was; if not, that is
    /// counted and logged.
    pub async fn process_line(&self, line: Line) -> bool {
        let (job, answered) = self.job(line.clone(), Vec::new()).await;
        if self.writer.leave(job) {
            // Dropped with the request when its client goes away meanwhile: others wait for what it writes.
            let flush = Flush(&self.writer);
            tokio::task::yield_now().await;
            drop(flush);
        }
        self.told(answered.await, &[line])
    }

    /// The same of several lines, at once.
    pub async fn process(&self, lines: Vec<Line>) -> bool {
        let Some((first, others)) = lines.split_first() else { return true };
        let (job, answered) = self.job(first.clone(), others.to_vec()).await;
        self.writer.leave(job);
        self.writer.flush();
        self.told(answered.await, &lines)
    }

    async fn job(&self, first: Line, others: Vec<Line>) -> (Job, oneshot::Receiver<Failures>) {
        let (answer, answered) = oneshot::channel();
        let room = self.room.clone().acquire_owned().await.ok();
        (Job { first, others, answer, _room: room }, answered)
    }

    fn told(&self, answer: Result<Failures, RecvError>, lines: &[Line]) -> bool {
        let Ok(failures) = answer else {
            self.counters.failed(BackendName::Log, "the writer of the audit log ended", lines);
            return false;
        };
        for (index, why) in &failures {
            self.counters.failed(BackendName::Log, why, lines.get(*index..=*index).unwrap_or_default());
        }
        failures.is_empty()
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
