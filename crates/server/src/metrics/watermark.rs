//! `Watermark`: the highest value of a count in the last second.

use pintle_metrics::Gauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A count, its maximum in the last second, and a gauge. Clones are the same.
#[derive(Clone)]
pub struct Watermark(Arc<WatermarkInner>);

struct WatermarkInner {
    now: AtomicI64,
    max: AtomicI64,
    shown: Gauge,
}

/// One unit of the count, until it is dropped.
pub struct Counted(Arc<WatermarkInner>);

impl Watermark {
    pub fn new(shown: Gauge) -> Watermark {
        Watermark(Arc::new(WatermarkInner { now: AtomicI64::new(0), max: AtomicI64::new(0), shown }))
    }

    /// Counts one more, until the returned value is dropped.
    pub fn begin(&self) -> Counted {
        let now = self.0.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.max.fetch_max(now, Ordering::Relaxed);
        Counted(self.0.clone())
    }

    /// Shows the most that there were since the last time: called every second.
    pub fn show(&self) {
        let now = self.0.now.load(Ordering::Relaxed);
        self.0.shown.set(self.0.max.swap(now, Ordering::Relaxed) as f64);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_of_a_time_is_shown_after_it() {
        let gauge = Gauge::default();
        let mark = Watermark::new(gauge.clone());
        let (first, second) = (mark.begin(), mark.begin());
        drop(second);
        mark.show();
        assert_eq!(gauge.get(), 2.0);
        mark.show();
        assert_eq!(gauge.get(), 1.0);
        drop(first);
        mark.show();
        mark.show();
        assert_eq!(gauge.get(), 0.0);
    }
}
