//! Figures of one flow schema's requests at its level, for metrics. Who reads them needs no lock.

use crate::integrator::Cumulative;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const QUEUE_LENGTHS: [f64; 8] = [0.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];
const DURATIONS: [f64; 13] = [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];
const WATCHERS: [f64; 6] = [0.0, 1.0, 10.0, 100.0, 1000.0, 10_000.0];
const WIDTHS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0];
/// Histograms of durations add up nanoseconds.
const NANOS_PER_SECOND: f64 = 1e9;

/// The reason why a request got no seat, as metrics call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The level's seats are taken, and it has no queues.
    ConcurrencyLimit,
    QueueFull,
    /// It waited too long, or was given up.
    TimeOut,
}

impl Refusal {
    pub const ALL: [Refusal; 3] = [Refusal::ConcurrencyLimit, Refusal::QueueFull, Refusal::TimeOut];

    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::ConcurrencyLimit => "concurrency-limit",
            Refusal::QueueFull => "queue-full",
            Refusal::TimeOut => "time-out",
        }
    }
}

/// Figures of one flow schema's requests.
#[derive(Debug)]
pub struct FlowStats {
    pub refused: [Counter; 3],
    pub dispatched: Counter,
    pub no_accommodation: Counter,
    pub waiting_requests: Counter,
    pub waiting_seats: Counter,
    pub executing_requests: Counter,
    pub executing_seats: Counter,
    pub queue_length: Histogram,
    /// Waits of requests that were let in, to a seat or to a queue, and of those that were not.
    pub wait_executed: Histogram,
    pub wait_refused: Histogram,
    pub execution_regular: Histogram,
    pub execution_watch: Histogram,
    pub watchers: Histogram,
    pub width: Histogram,
}

impl Default for FlowStats {
    fn default() -> FlowStats {
        let durations = || Histogram::new(&DURATIONS, NANOS_PER_SECOND);
        FlowStats {
            refused: Default::default(),
            dispatched: Counter::default(),
            no_accommodation: Counter::default(),
            waiting_requests: Counter::default(),
            waiting_seats: Counter::default(),
            executing_requests: Counter::default(),
            executing_seats: Counter::default(),
            queue_length: Histogram::new(&QUEUE_LENGTHS, 1.0),
            wait_executed: durations(),
            wait_refused: durations(),
            execution_regular: durations(),
            execution_watch: durations(),
            watchers: Histogram::new(&WATCHERS, 1.0),
            width: Histogram::new(&WIDTHS, 1.0),
        }
    }
}

impl FlowStats {
    pub(crate) fn refuse(&self, why: Refusal) {
        if let Some(counter) = self.refused.get(why as usize) {
            counter.add(1);
        }
    }

    pub fn refused(&self, why: Refusal) -> u64 {
        self.refused.get(why as usize).map_or(0, Counter::value)
    }
}

/// A number of things.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, count: u64) {
        let before = self.0.fetch_sub(count, Ordering::Relaxed);
        debug_assert!(before >= count, "a count is never negative");
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Observations by range.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// Units of values in one unit of the bounds.
    scale: f64,
    /// Observations by range; the last is that above all bounds.
    counts: Vec<Counter>,
    sum: Counter,
}

impl Histogram {
    fn new(bounds: &'static [f64], scale: f64) -> Histogram {
        let counts = std::iter::repeat_with(Counter::default).take(bounds.len() + 1).collect();
        Histogram { bounds, scale, counts, sum: Counter::default() }
    }

    pub(crate) fn observe(&self, value: u64) {
        #[expect(clippy::cast_precision_loss, reason = "for metrics")]
        let scaled = value as f64 / self.scale;
        let range = self.bounds.iter().position(|bound| scaled <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get(range) {
            count.add(1);
        }
        self.sum.add(value);
    }

    pub(crate) fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn cumulative(&self) -> Cumulative {
        let mut count = 0;
        let mut below = |own: &Counter| {
            count += own.value();
            count
        };
        let buckets = self.bounds.iter().copied().zip(self.counts.iter().map(&mut below)).collect();
        let count = self.counts.iter().map(Counter::value).sum();
        #[expect(clippy::cast_precision_loss, reason = "for metrics")]
        let sum = self.sum.value() as f64 / self.scale;
        Cumulative { buckets, count, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_seconds() {
        let stats = FlowStats::default();
        for millis in [0, 5, 6, 40_000] {
            stats.wait_executed.observe_duration(Duration::from_millis(millis));
        }
        let found = stats.wait_executed.cumulative();
        assert_eq!(found.buckets.get(..3), Some([(0.0, 1), (0.005, 2), (0.02, 3)].as_slice()));
        assert_eq!((found.count, found.sum), (4, 40.011));
        for why in Refusal::ALL {
            stats.refuse(why);
            assert_eq!(stats.refused(why), 1, "{}", why.as_str());
        }
    }
}
