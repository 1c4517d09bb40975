//! Figures of one level over time: demand for seats, and their use.

use crate::integrator::{Integrator, TimedRatio};
use crate::moment::Moment;
use crate::queuing::Queuing;
use crate::seat_seconds::SeatSeconds;
use std::time::Duration;

const DEMAND: [f64; 12] = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.8, 4.0, 6.0];
const SEATS: [f64; 13] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
/// Bounds of requests of all levels by what they do.
pub(crate) const READS_AND_WRITES: [f64; 15] =
    [0.0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
const REQUESTS: [f64; 10] = [0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0];

/// Requests of a level by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByKind {
    pub reads: u64,
    pub writes: u64,
}

impl ByKind {
    #[must_use]
    pub fn plus(self, other: ByKind) -> ByKind {
        ByKind { reads: self.reads + other.reads, writes: self.writes + other.writes }
    }
}

#[derive(Debug)]
pub(crate) struct Gauges {
    /// Seats that are used or waited for: what borrowing goes by.
    pub demand: Integrator,
    pub demand_ratio: TimedRatio,
    pub seats_ratio: TimedRatio,
    pub waiting_ratio: TimedRatio,
    pub executing_ratio: TimedRatio,
    pub waiting: ByKind,
    pub executing: ByKind,
    /// Virtual time at the last dispatch, and at which that request began.
    pub dispatched_r: SeatSeconds,
    pub dispatched_s: SeatSeconds,
    /// The least and greatest beginning among queues, as they are and less what is being worked on.
    pub next_s: Option<(SeatSeconds, SeatSeconds)>,
    pub next_discounted_s: Option<(SeatSeconds, SeatSeconds)>,
}

impl Gauges {
    pub fn new(now: Moment) -> Gauges {
        Gauges {
            demand: Integrator::new(now),
            demand_ratio: TimedRatio::new(&DEMAND, now),
            seats_ratio: TimedRatio::new(&SEATS, now),
            waiting_ratio: TimedRatio::new(&REQUESTS, now),
            executing_ratio: TimedRatio::new(&REQUESTS, now),
            waiting: ByKind::default(),
            executing: ByKind::default(),
            dispatched_r: SeatSeconds::ZERO,
            dispatched_s: SeatSeconds::ZERO,
            next_s: None,
            next_discounted_s: None,
        }
    }

    /// Sets what ratios are taken of: room in all queues, and seats.
    pub fn set_denominators(&mut self, now: Moment, queuing: Queuing, seats: u64) {
        let room = match queuing {
            Queuing::Queue { queues, queue_length_max, .. } => {
                f64::from(queue_length_max.max(1)) * f64::from(queues)
            }
            Queuing::Exempt | Queuing::Reject => 1.0,
        };
        self.waiting_ratio.set_denominator(now, room);
        for ratio in [&mut self.demand_ratio, &mut self.seats_ratio, &mut self.executing_ratio] {
            ratio.set_denominator(now, to_f64(seats));
        }
    }

    pub fn observe(&mut self, now: Moment, totals: &Totals) {
        let demand = to_f64(totals.seats_in_use + totals.seats_waiting);
        self.demand.set(now, demand);
        self.demand_ratio.set(now, demand);
        self.seats_ratio.set(now, to_f64(totals.seats_in_use));
        self.waiting_ratio.set(now, to_f64(totals.waiting));
        self.executing_ratio.set(now, to_f64(totals.executing));
    }

    pub fn enter(&mut self, is_write: bool, is_executing: bool) {
        *self.count(is_write, is_executing) += 1;
    }

    pub fn leave(&mut self, is_write: bool, is_executing: bool) {
        *self.count(is_write, is_executing) -= 1;
    }

    pub fn begin_bounds(&mut self) {
        (self.next_s, self.next_discounted_s) = (None, None);
    }

    pub fn bound(&mut self, next_s: SeatSeconds, seats_in_use: u64, service: Duration) {
        let widen = |range: &mut Option<(SeatSeconds, SeatSeconds)>, value: SeatSeconds| {
            *range = Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))));
        };
        widen(&mut self.next_s, next_s);
        widen(&mut self.next_discounted_s, next_s - SeatSeconds::of(to_f64(seats_in_use), service));
    }

    fn count(&mut self, is_write: bool, is_executing: bool) -> &mut u64 {
        let kinds = if is_executing { &mut self.executing } else { &mut self.waiting };
        if is_write { &mut kinds.writes } else { &mut kinds.reads }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests and seats are far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Counts of a level's requests and seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub waiting: u64,
    pub executing: u64,
    pub seats_waiting: u64,
    pub seats_in_use: u64,
    pub dispatched: u64,
    pub refused: u64,
    pub cancelled: u64,
}

/// Reads and writes as parts of what may wait and be worked on. Levels have no lock in common, so this is sampled.
#[derive(Clone, Debug)]
pub(crate) struct ReadsAndWrites {
    pub waiting_reads: TimedRatio,
    pub waiting_writes: TimedRatio,
    pub executing_reads: TimedRatio,
    pub executing_writes: TimedRatio,
}

impl ReadsAndWrites {
    pub fn new(now: Moment) -> ReadsAndWrites {
        let ratio = TimedRatio::new(&READS_AND_WRITES, now);
        ReadsAndWrites {
            waiting_reads: ratio.clone(),
            waiting_writes: ratio.clone(),
            executing_reads: ratio.clone(),
            executing_writes: ratio,
        }
    }
}
