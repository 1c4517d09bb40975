//! Counters, gauges and histograms. Clones are the same value.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<Float>);

/// The number of observations in each of some buckets, and their sum.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

/// Quantiles of the latest observations, and the number and sum of all.
#[derive(Clone, Debug, Default)]
pub struct Summary(Arc<Mutex<Observed>>);

/// The quantiles of a summary.
pub const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
/// Observations that quantiles are taken of, at most.
const OBSERVED_MAX: usize = 1024;
/// The age up to which an observation counts for the quantiles: upstream's `MaxAge` of its summaries.
const OBSERVED_AGE_MAX: Duration = Duration::from_secs(5 * 3600);

#[derive(Debug, Default)]
struct Float(AtomicU64);

#[derive(Debug)]
struct Buckets {
    bounds: Arc<[f64]>,
    /// One count for each bound, and one for values above all of them.
    counts: Box<[AtomicU64]>,
    sum: Float,
}

#[derive(Debug, Default)]
struct Observed {
    latest: VecDeque<(Instant, f64)>,
    count: u64,
    sum: f64,
}

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the count to one that is kept elsewhere.
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }
}

impl Gauge {
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    pub fn add(&self, more: f64) {
        self.0.add(more);
    }

    pub fn inc(&self) {
        self.add(1.0);
    }

    pub fn dec(&self) {
        self.add(-1.0);
    }

    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

impl Histogram {
    pub(crate) fn new(bounds: Arc<[f64]>) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram(Arc::new(Buckets { bounds, counts, sum: Float::default() }))
    }

    pub fn observe(&self, value: f64) {
        self.observe_many(value, 1);
    }

    /// The same value so many times: of a value that held for a time, once for each unit of it.
    pub fn observe_many(&self, value: f64, times: u64) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(times, Ordering::Relaxed);
        }
        self.0.sum.add(value * times as f64);
    }

    /// Sets the observations to those made elsewhere: the number up to each bound, the number of all, and their sum.
    pub fn replace(&self, cumulative: &[u64], count: u64, sum: f64) {
        let mut before = 0;
        let bounds = cumulative.iter().copied().take(self.0.bounds.len());
        for (own, upto) in self.0.counts.iter().zip(bounds.chain(Some(count))) {
            own.store(upto.saturating_sub(before), Ordering::Relaxed);
            before = upto;
        }
        self.0.sum.set(sum);
    }

    pub fn sum(&self) -> f64 {
        self.0.sum.get()
    }

    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The number of observations up to each bound, and of all.
    pub(crate) fn cumulative(&self) -> Vec<u64> {
        let mut sum = 0;
        let counts = self.0.counts.iter().map(|count| {
            sum += count.load(Ordering::Relaxed);
            sum
        });
        counts.collect()
    }
}

impl Summary {
    pub fn observe(&self, value: f64) {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observed.count += 1;
        observed.sum += value;
        if observed.latest.len() == OBSERVED_MAX {
            observed.latest.pop_front();
        }
        observed.latest.push_back((Instant::now(), value));
    }

    /// The quantiles, the sum and the number.
    pub(crate) fn read(&self) -> ([f64; 3], f64, u64) {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observed.latest.retain(|(at, _)| at.elapsed() < OBSERVED_AGE_MAX);
        let mut values: Vec<f64> = observed.latest.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            let rank = (quantile * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        (QUANTILES.map(at), observed.sum, observed.count)
    }
}

impl Float {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn add(&self, more: f64) {
        let added = |bits| Some((f64::from_bits(bits) + more).to_bits());
        // It never says no.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }
}
