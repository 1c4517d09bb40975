//! `LineWriter`: the output, which one thread has at a time, and the lines that are left to whoever has it.

use super::clock::WriteClock;
use super::output::Output;
use crate::counters::{BackendName, Counters};
use crate::line::Line;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// The number of rounds, and the bytes of each, in which a thread of the runtime writes waiting lines.
const ROUNDS_MAX: u32 = 4;
const BYTES_MAX: usize = 256 << 10;

/// Lines, and where to say what became of them.
pub struct Job {
    pub first: Line,
    pub others: Vec<Line>,
    /// Told whether all of them were written.
    pub answer: oneshot::Sender<bool>,
    /// Their share of the room for all that wait.
    pub _room: Option<OwnedSemaphorePermit>,
}

impl Job {
    fn lines(&self) -> impl Iterator<Item = &Line> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// Lines that wait for the thread that has the output.
#[derive(Default)]
struct LeftLines {
    jobs: Vec<Job>,
    bytes: usize,
    /// Whether somebody who left a line is about to flush.
    is_promised: bool,
    is_closed: bool,
}

/// Writes by threads of the runtime, or by the thread that runs it.
pub struct LineWriter {
    output: Mutex<Output>,
    queue: Mutex<LeftLines>,
    /// Wakes the thread.
    called: Condvar,
    pub clock: Arc<WriteClock>,
    counters: Arc<Counters>,
    /// Whether lines may be left that nobody is about to flush.
    has_deferred: AtomicBool,
    /// Whether a thread of the runtime may be held by a write.
    holds_threads: bool,
}

impl LineWriter {
    pub fn new(output: Output, holds_threads: bool, counters: Arc<Counters>) -> LineWriter {
        LineWriter {
            output: Mutex::new(output),
            queue: Mutex::default(),
            called: Condvar::new(),
            clock: Arc::default(),
            counters,
            has_deferred: AtomicBool::new(false),
            holds_threads,
        }
    }

    /// Leaves lines to whoever writes next. True when nothing else was left: then that is who left them, by `flush`.
    pub fn leave(&self, job: Job) -> bool {
        let mut queue = lock(&self.queue);
        queue.push(job);
        !std::mem::replace(&mut queue.is_promised, true)
    }

    /// Leaves lines that are written with the next ones, or at the next `flush_deferred`.
    pub fn defer(&self, job: Job) {
        lock(&self.queue).push(job);
        self.has_deferred.store(true, Ordering::Relaxed);
    }

    /// Writes what was deferred, if it was not written since.
    pub fn flush_deferred(&self) {
        if self.has_deferred.swap(false, Ordering::Relaxed) {
            self.flush();
        }
    }

    /// Writes what was left, unless somebody else does.
    pub fn flush(&self) {
        if self.is_quick() {
            self.write_left();
        } else {
            self.called.notify_one();
        }
    }

    /// Writes what was left. Whoever leaves something looks for the output after that, and whoever had the output for
    /// what was left: one of them sees the other, so that nothing stays.
    fn write_left(&self) {
        for _ in 0..ROUNDS_MAX {
            if lock(&self.queue).jobs.is_empty() {
                return;
            }
            let Some(output) = self.try_output() else { return };
            let queue = lock(&self.queue);
            let is_quick = queue.bytes <= BYTES_MAX && self.is_quick();
            if !is_quick || !output.has_room(queue.bytes) {
                break;
            }
            let jobs = self.take(queue);
            self.write(output, jobs);
        }
        self.called.notify_one();
    }

    /// The thread: writes what it is called for, until there is nothing more to come.
    pub fn run(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while queue.jobs.is_empty() {
                if queue.is_closed {
                    return;
                }
                queue = self.called.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            drop(queue);
            let output = lock(&self.output);
            let jobs = self.take(lock(&self.queue));
            self.write(output, jobs);
        }
    }

    /// Lets the thread end.
    pub fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.called.notify_one();
    }

    fn take(&self, mut queue: MutexGuard<'_, LeftLines>) -> Vec<Job> {
        self.has_deferred.store(false, Ordering::Relaxed);
        queue.take()
    }

    /// Writes lines, and tells those who wait; a line that could not be written is counted and logged.
    fn write(&self, mut output: MutexGuard<'_, Output>, jobs: Vec<Job>) {
        let lines: Vec<&[u8]> = jobs.iter().flat_map(Job::lines).map(Line::bytes).collect();
        let results = self.clock.timed(|| output.write(&lines));
        drop(output);
        let mut results = results.into_iter();
        for job in jobs {
            let mut is_written = true;
            for (line, result) in job.lines().zip(results.by_ref()) {
                if let Err(why) = result {
                    self.counters.failed(BackendName::Log, &why, std::slice::from_ref(line));
                    is_written = false;
                }
            }
            // Those who no longer wait for the answer do not need it.
            let _ = job.answer.send(is_written);
        }
    }

    /// Whether a write may hold this thread.
    fn is_quick(&self) -> bool {
        self.holds_threads && !self.clock.is_slow()
    }

    fn try_output(&self) -> Option<MutexGuard<'_, Output>> {
        match self.output.try_lock() {
            Ok(output) => Some(output),
            Err(TryLockError::Poisoned(output)) => Some(output.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl LeftLines {
    fn push(&mut self, job: Job) {
        self.bytes += job.lines().map(Line::len).sum::<usize>();
        self.jobs.push(job);
    }

    fn take(&mut self) -> Vec<Job> {
        self.bytes = 0;
        self.is_promised = false;
        std::mem::take(&mut self.jobs)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Views of the writer's state, for tests.
#[cfg(test)]
impl LineWriter {
    /// The output, as a write that hangs has it; what was left is written when it is dropped.
    pub fn hold(&self) -> Held<'_> {
        Held { output: Some(lock(&self.output)), writer: self }
    }

    /// Whether a line is left for a thread of the runtime.
    pub fn is_written_here(&self, bytes: usize) -> bool {
        self.is_quick() && lock(&self.output).has_room(bytes)
    }
}

#[cfg(test)]
pub struct Held<'a> {
    output: Option<MutexGuard<'a, Output>>,
    writer: &'a LineWriter,
}

#[cfg(test)]
impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.output = None;
        self.writer.write_left();
    }
}
