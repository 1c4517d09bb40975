//! `LineWriter`: the output, which one thread has at a time, and the lines that are left to whoever has it.

use super::clock::WriteClock;
use super::lines::LineBuffer;
use super::output::Output;
use crate::counters::{BackendName, Counters};
use crate::line::Line;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// The number of rounds, and the bytes of each, in which a thread of the runtime writes waiting lines.
const ROUNDS_MAX: u32 = 4;
const BYTES_MAX: usize = 256 << 10;

/// Tells the one who left lines whether all of them were written.
pub struct LineAnswer {
    pub sender: oneshot::Sender<bool>,
    /// Their share of the room for all lines that somebody waits for.
    pub _room: Option<OwnedSemaphorePermit>,
}

/// Lines that wait for the thread that has the output.
#[derive(Default)]
struct LeftLines {
    batch: LineBatch,
    /// The number of lines that were ever left.
    count: u64,
    /// Whether somebody who left a line is about to flush.
    is_promised: bool,
    is_closed: bool,
}

/// Lines that are written together, and those who wait for some of them.
#[derive(Default)]
struct LineBatch {
    lines: LineBuffer,
    answers: Vec<(Range<usize>, LineAnswer)>,
    /// The number of lines that were ever left, these included.
    count: u64,
}

/// The output, and the room of the last batch for the one after the next.
struct Pen {
    output: Output,
    spare: LineBatch,
}

/// Writes by threads of the runtime, or by the thread that runs it.
pub struct LineWriter {
    pen: Mutex<Pen>,
    queue: Mutex<LeftLines>,
    /// Wakes the thread.
    called: Condvar,
    pub clock: WriteClock,
    counters: Arc<Counters>,
    /// Whether lines may be left that nobody is about to flush.
    has_unpromised: AtomicBool,
    /// Whether a thread of the runtime may be held by a write.
    holds_threads: bool,
    /// Whether the output was a regular file, with room for more, when something was written last.
    has_room: AtomicBool,
    /// The number of lines, of all that were ever left, that are written or have failed.
    done: AtomicU64,
    /// Those who wait until more are.
    waiting: Mutex<Vec<Waker>>,
}

impl LineWriter {
    pub fn new(output: Output, holds_threads: bool, counters: Arc<Counters>) -> LineWriter {
        LineWriter {
            pen: Mutex::new(Pen { output, spare: LineBatch::default() }),
            queue: Mutex::default(),
            called: Condvar::new(),
            clock: WriteClock::default(),
            counters,
            has_unpromised: AtomicBool::new(false),
            holds_threads,
            has_room: AtomicBool::new(false),
            done: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    /// Leaves lines to whoever writes next. True when nothing else was left: then that is who left them, by `flush`.
    pub fn leave(&self, lines: &[Line], answer: LineAnswer) -> bool {
        let mut queue = lock(&self.queue);
        let first = queue.batch.lines.len();
        for line in lines {
            queue.batch.lines.push(line.bytes());
        }
        let range = first..queue.batch.lines.len();
        queue.batch.answers.push((range, answer));
        queue.count += lines.len() as u64;
        !std::mem::replace(&mut queue.is_promised, true)
    }

    /// Leaves a line that is written with the next ones, at the next `flush_left`, or by `poll_done`: gives the number of
    /// lines that were ever left, this one included. None, and nothing is left, where that may take long or too much
    /// waits already.
    pub fn leave_unpromised(&self, line: &[u8]) -> Option<u64> {
        if !self.is_quick() || !self.has_room.load(Ordering::Relaxed) {
            return None;
        }
        let mut queue = lock(&self.queue);
        if queue.batch.lines.bytes().len() + line.len() > BYTES_MAX {
            return None;
        }
        queue.batch.lines.push(line);
        queue.count += 1;
        self.has_unpromised.store(true, Ordering::Relaxed);
        Some(queue.count)
    }

    /// Writes what was left without a promise, if it was not written since.
    pub fn flush_left(&self) {
        if self.has_unpromised.swap(false, Ordering::Relaxed) {
            self.flush();
        }
    }

    /// The number of lines that were ever left.
    pub fn left(&self) -> u64 {
        lock(&self.queue).count
    }

    /// Ready when so many of all lines that were ever left are written or have failed; writes them if it can.
    pub fn poll_done(&self, count: u64, context: &mut Context<'_>) -> Poll<()> {
        let is_done = || self.done.load(Ordering::Acquire) >= count;
        if is_done() {
            return Poll::Ready(());
        }
        self.flush();
        let mut waiting = lock(&self.waiting);
        // `done` is counted before the waiting are woken.
        if is_done() {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
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
            if lock(&self.queue).batch.lines.is_empty() {
                return;
            }
            let Some(pen) = self.try_pen() else { return };
            let queue = lock(&self.queue);
            let bytes = queue.batch.lines.bytes().len();
            let is_quick = bytes <= BYTES_MAX && self.is_quick();
            if !is_quick || !pen.output.has_room(bytes) {
                break;
            }
            self.write(pen, queue);
        }
        self.called.notify_one();
    }

    /// The thread: writes what it is called for, until there is nothing more to come.
    pub fn run(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while queue.batch.lines.is_empty() {
                if queue.is_closed {
                    return;
                }
                queue = self.called.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            drop(queue);
            let pen = lock(&self.pen);
            self.write(pen, lock(&self.queue));
        }
    }

    /// Lets the thread end.
    pub fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.called.notify_one();
    }

    /// Writes the lines that are left, and tells those who wait; a line that could not be written is counted and logged.
    fn write(&self, mut pen: MutexGuard<'_, Pen>, mut queue: MutexGuard<'_, LeftLines>) {
        self.has_unpromised.store(false, Ordering::Relaxed);
        let spare = std::mem::take(&mut pen.spare);
        let mut batch = queue.take(spare);
        drop(queue);
        let failures = self.clock.timed(|| pen.output.write(&batch.lines));
        for (line, why) in &failures {
            let line = Line::copied(batch.lines.get(*line));
            self.counters.failed(BackendName::Log, why, &[line]);
        }
        for (lines, answer) in batch.answers.drain(..) {
            let is_written = !failures.iter().any(|(failed, _)| lines.contains(failed));
            // Those who no longer wait for the answer do not need it.
            let _ = answer.sender.send(is_written);
        }
        self.has_room.store(pen.output.has_room(BYTES_MAX), Ordering::Relaxed);
        self.done.store(batch.count, Ordering::Release);
        batch.clear();
        pen.spare = batch;
        drop(pen);
        lock(&self.waiting).drain(..).for_each(Waker::wake);
    }

    /// Whether a write may hold this thread.
    fn is_quick(&self) -> bool {
        self.holds_threads && !self.clock.is_slow()
    }

    fn try_pen(&self) -> Option<MutexGuard<'_, Pen>> {
        match self.pen.try_lock() {
            Ok(pen) => Some(pen),
            Err(TryLockError::Poisoned(pen)) => Some(pen.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl LeftLines {
    fn take(&mut self, spare: LineBatch) -> LineBatch {
        self.is_promised = false;
        let batch = std::mem::replace(&mut self.batch, spare);
        LineBatch { count: self.count, ..batch }
    }
}

impl LineBatch {
    /// Empties it, and keeps its room, if that is no more than the usual.
    fn clear(&mut self) {
        self.lines.clear(BYTES_MAX);
        self.answers.clear();
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
        Held { pen: Some(lock(&self.pen)), writer: self }
    }

    /// Whether a line is left for a thread of the runtime.
    pub fn is_written_here(&self, bytes: usize) -> bool {
        self.is_quick() && lock(&self.pen).output.has_room(bytes)
    }
}

#[cfg(test)]
pub struct Held<'a> {
    pen: Option<MutexGuard<'a, Pen>>,
    writer: &'a LineWriter,
}

#[cfg(test)]
impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.pen = None;
        self.writer.write_left();
    }
}
