//! One queue of a level: its waiting requests, and the seats of those that left it.

use crate::seat_seconds::SeatSeconds;
use std::collections::BTreeMap;

/// A queue with waiting or dispatched requests. Unused queues have no state.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Requests by their order of arrival.
    waiting: BTreeMap<u64, usize>,
    pub sums: Sums,
    pub requests_executing: u32,
    /// Seats of executing requests, and lingering seats.
    pub seats_in_use: u64,
    /// The moment in virtual time at which the next request begins.
    pub next_dispatch_r: SeatSeconds,
}

/// Sums over the requests that wait in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub initial_seats: u64,
    pub max_seats: u64,
    pub work: SeatSeconds,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether virtual time counts this queue: seats that linger do not make it active.
    pub fn is_active(&self) -> bool {
        !self.waiting.is_empty() || self.requests_executing > 0
    }

    /// Whether nothing is left to remember.
    pub fn is_idle(&self) -> bool {
        !self.is_active() && self.seats_in_use == 0
    }

    pub fn push(&mut self, sequence: u64, key: usize, sums: Sums) {
        self.waiting.insert(sequence, key);
        self.sums.initial_seats += sums.initial_seats;
        self.sums.max_seats += sums.max_seats;
        self.sums.work += sums.work;
    }

    pub fn oldest(&self) -> Option<usize> {
        self.waiting.values().next().copied()
    }

    pub fn remove(&mut self, sequence: u64, sums: Sums) {
        let removed = self.waiting.remove(&sequence);
        debug_assert!(removed.is_some(), "a request that leaves a queue waited in it");
        self.sums.initial_seats -= sums.initial_seats;
        self.sums.max_seats -= sums.max_seats;
        self.sums.work -= sums.work;
    }

    /// Requests in their order of arrival.
    pub fn keys(&self) -> impl Iterator<Item = usize> {
        self.waiting.values().copied()
    }
}
