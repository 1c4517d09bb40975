//! A priority level: its requests behind its own lock, their seats, and their waiting for seats.

use crate::clock::{Alarm, Clock};
use crate::flow_stats::Refusal;
use crate::moment::Moment;
use crate::queue_set::{Arrival, Outcome, QueueSet};
use crate::queuing::Queuing;
use pintle_object::Text;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

/// A priority level. Requests of different levels never meet at a lock.
#[derive(Debug)]
pub struct Level {
    pub name: Text,
    clock: Arc<dyn Clock>,
    requests: Mutex<QueueSet>,
    /// The widest that one request may be; zero for no bound of the level's own.
    seats_max: AtomicU32,
}

/// Seats that a request holds until it is dropped.
#[derive(Debug)]
pub struct Seat {
    level: Arc<Level>,
    key: usize,
}

/// A request in its queue. It is given its seats, or taken out of the queue when it is dropped.
#[derive(Debug)]
pub struct Waiting {
    level: Arc<Level>,
    /// None once the seats are handed over.
    key: Option<usize>,
}

/// The decision about a request at its level.
#[derive(Debug)]
pub enum Admitted {
    Seat(Seat),
    Waiting(Waiting),
    Refused(Refusal),
}

impl Level {
    pub fn new(name: Text, clock: Arc<dyn Clock>, queuing: Queuing, limit: u64) -> Level {
        let requests = Mutex::new(QueueSet::new(clock.now(), queuing, limit));
        Level { name, clock, requests, seats_max: AtomicU32::new(0) }
    }

    pub fn start(self: &Arc<Self>, arrival: Arrival) -> Admitted {
        match self.with(|requests, now| requests.start(now, arrival)) {
            Outcome::Executing(key) => Admitted::Seat(Seat { level: self.clone(), key }),
            Outcome::Waiting(key) => Admitted::Waiting(Waiting { level: self.clone(), key: Some(key) }),
            Outcome::Refused(why) => Admitted::Refused(why),
        }
    }

    pub fn configure(self: &Arc<Self>, queuing: Queuing, limit: u64, denominator: u64) {
        self.with(|requests, now| requests.configure(now, queuing, limit, denominator));
    }

    /// Advances time: called by the clock at the requested alarm.
    pub fn tick(self: &Arc<Self>) {
        self.with(QueueSet::tick);
    }

    /// Notes a refusal, and returns the `Retry-After` in seconds.
    pub fn retry_after(self: &Arc<Self>) -> u64 {
        self.with(|requests, now| requests.retry_after.refused(now.seconds()))
    }

    pub fn seats_max(&self) -> u32 {
        self.seats_max.load(Ordering::Relaxed)
    }

    pub(crate) fn set_seats_max(&self, seats: u32) {
        self.seats_max.store(seats, Ordering::Relaxed);
    }

    pub fn is_idle(self: &Arc<Self>) -> bool {
        self.with(|requests, _| requests.is_idle())
    }

    /// Works on the requests under the lock; afterwards wakes those that got seats, and sets the alarm.
    pub(crate) fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut QueueSet, Moment) -> T) -> T {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut requests, self.clock.now());
        let (woken, alarm) = (requests.take_woken(), requests.alarm());
        drop(requests);
        for waker in woken {
            waker.wake();
        }
        if let Some(at) = alarm {
            let level: Weak<Level> = Arc::downgrade(self);
            self.clock.call_at(at, level);
        }
        result
    }
}

impl Alarm for Level {
    fn ring(self: Arc<Self>) {
        self.tick();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.level.with(|requests, now| requests.finish(now, self.key));
    }
}

impl Future for Waiting {
    type Output = Seat;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Seat> {
        let Some(key) = self.key else { return Poll::Pending };
        if !self.level.with(|requests, _| requests.poll(key, context.waker())) {
            return Poll::Pending;
        }
        self.key = None;
        Poll::Ready(Seat { level: self.level.clone(), key })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.level.with(|requests, now| requests.cancel(now, key));
        }
    }
}
