//! Batches: events wait in a bounded buffer and are handed on several at a time, so that no request waits.

use crate::counters::{BackendName, Counters};
use crate::line::Line;
use crate::log::LogBackend;
use crate::throttle::Throttle;
use crate::webhook::WebhookBackend;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The bytes of all events of one buffer, those on their way included. Upstream bounds only their number, and an event
/// may hold two whole objects.
const BUFFER_BYTES_MAX: usize = 256 << 20;
/// Batches that are on their way at a time. Most of them wait for their next try where a webhook fails, for more than a
/// minute each, and must not keep back those for which it may be there again; upstream has no limit.
const POSTS_AT_ONCE_MAX: usize = 4096;
/// The wait that stands for one without an end.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Events of a log that are written together, and the pause after each write in which they gather, where the buffer has
/// room for them.
const TOGETHER_MAX: usize = 1024;
const PAUSE: Duration = Duration::from_millis(1);

/// The settings of a batching buffer: its size, and the size and rate of its batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batching {
    pub buffer_size: usize,
    pub max_size: usize,
    pub max_wait: Duration,
    /// The time between two batches, and how many may go ahead of it; none: as they come.
    pub throttle: Option<(Duration, u32)>,
    /// Whether the next batch may go before the last one has come through.
    pub is_concurrent: bool,
}

/// An event in the buffer or on its way, and its share of the room for all.
struct Queued {
    line: Line,
    pending: Arc<AtomicUsize>,
    _room: OwnedSemaphorePermit,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The buffer before another backend.
pub struct Buffer {
    sender: Mutex<Option<mpsc::Sender<Queued>>>,
    room: Arc<Semaphore>,
    pending: Arc<AtomicUsize>,
    worker: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<Counters>,
}

impl Buffer {
    /// Begins to hand on what is put in.
    pub fn start(batching: Batching, delegate: Arc<Delegate>, counters: Arc<Counters>) -> Buffer {
        let (sender, received) = mpsc::channel(batching.buffer_size.clamp(1, Semaphore::MAX_PERMITS));
        let worker = tokio::spawn(Worker { received, batching, delegate }.run());
        Buffer {
            sender: Mutex::new(Some(sender)),
            room: Arc::new(Semaphore::new(BUFFER_BYTES_MAX)),
            pending: Arc::default(),
            worker: Mutex::new(Some(worker)),
            counters,
        }
    }

    /// Takes an event, or loses it when there is no room: it is counted and logged then, and no request fails for it.
    pub fn put(&self, line: Line) {
        let Err((line, why)) = self.try_put(line) else { return };
        self.counters.failed(BackendName::Buffered, why, &[line]);
    }

    fn try_put(&self, line: Line) -> Result<(), (Line, &'static str)> {
        const BLOCKED: &str = "audit buffer queue blocked";
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = sender.as_ref() else { return Err((line, "audit backend shut down")) };
        let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().try_acquire_many_owned(len) else { return Err((line, BLOCKED)) };
        self.pending.fetch_add(1, Ordering::Relaxed);
        let held = Queued { line: line.clone(), pending: self.pending.clone(), _room: room };
        sender.try_send(held).map_err(|_| (line, BLOCKED))
    }

    /// Takes no more events, and waits until those that were taken have come through or time is up.
    pub async fn shut_down(&self, deadline: Instant) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(worker) = worker else { return };
        if tokio::time::timeout_at(deadline, worker).await.is_err() {
            let events = self.pending.load(Ordering::Relaxed);
            tracing::error!(
                events,
                "audit events were lost: they did not come through before the server ended"
            );
        }
    }
}

/// Gathers events and hands them on.
struct Worker {
    received: mpsc::Receiver<Queued>,
    batching: Batching,
    delegate: Arc<Delegate>,
}

impl Worker {
    async fn run(mut self) {
        let mut throttle = self.batching.throttle.map(|(interval, burst)| Throttle::new(interval, burst));
        let at_once = Arc::new(Semaphore::new(POSTS_AT_ONCE_MAX));
        loop {
            let (batch, is_closed) = self.gather().await;
            if !batch.is_empty() {
                if let Some(throttle) = &mut throttle {
                    tokio::time::sleep(throttle.take(Instant::now())).await;
                }
                self.hand_on(batch, &at_once).await;
                if self.is_cut_freely() && self.batching.buffer_size >= TOGETHER_MAX {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            if is_closed {
                break;
            }
        }
        // All that are on their way have come through when nothing is taken.
        let _ = at_once.acquire_many(POSTS_AT_ONCE_MAX as u32).await;
    }

    /// The next batch, which may be empty, and whether none comes after it.
    async fn gather(&mut self) -> (Vec<Queued>, bool) {
        let mut batch = Vec::new();
        if self.batching.max_size == 1 {
            let Some(held) = self.received.recv().await else { return (batch, true) };
            batch.push(held);
        }
        let deadline = Instant::now() + self.batching.max_wait.min(FOR_EVER);
        while batch.len() < self.batching.max_size {
            match tokio::time::timeout_at(deadline, self.received.recv()).await {
                Ok(Some(held)) => batch.push(held),
                Ok(None) => return (batch, true),
                Err(_) => break,
            }
        }
        while self.is_cut_freely() && batch.len() < TOGETHER_MAX {
            let Ok(held) = self.received.try_recv() else { break };
            batch.push(held);
        }
        (batch, false)
    }

    /// Whether several batches may go as one: nobody can tell them apart in a log, unless each has its time.
    fn is_cut_freely(&self) -> bool {
        !self.batching.is_concurrent && self.batching.throttle.is_none()
    }

    async fn hand_on(&self, batch: Vec<Queued>, at_once: &Arc<Semaphore>) {
        let delegate = self.delegate.clone();
        let process = async move {
            let lines = batch.iter().map(|held| held.line.clone()).collect();
            // The delegate counts and logs its own failures.
            delegate.process(lines).await;
            drop(batch);
        };
        if !self.batching.is_concurrent {
            return process.await;
        }
        let Ok(turn) = at_once.clone().acquire_owned().await else { return };
        tokio::spawn(async move {
            process.await;
            drop(turn);
        });
    }
}

/// The backend behind a buffer: the log or the webhook.
pub enum Delegate {
    Log(LogBackend),
    Webhook(Box<WebhookBackend>),
}

impl Delegate {
    /// Whether a line is where it should be; one that is not has been counted and logged.
    pub async fn process_line(&self, line: Line) -> bool {
        match self {
            Delegate::Log(log) => log.process_line(line).await,
            Delegate::Webhook(webhook) => webhook.process(vec![line]).await,
        }
    }

    /// The same of several lines.
    pub async fn process(&self, lines: Vec<Line>) -> bool {
        match self {
            Delegate::Log(log) => log.process(lines).await,
            Delegate::Webhook(webhook) => webhook.process(lines).await,
        }
    }
}
