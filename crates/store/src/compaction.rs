//! Up to which revision past states can be read: pages of a list go on for one to two intervals, as on etcd.
//!
//! ```text
//! turn        |-------- interval --------|-------- interval --------|
//! seen        10                         25                         40
//! compacted   0                          10                         25
//! ```

use crate::object::Revision;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The compacted revision, below which no history is read; shared by its mover and its readers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compacted(Arc<AtomicU64>);

impl Compacted {
    pub fn revision(&self) -> Revision {
        Revision(self.0.load(Ordering::Acquire))
    }

    pub fn raise(&self, revision: Revision) {
        self.0.fetch_max(revision.0, Ordering::AcqRel);
    }
}

/// The periodic compaction of an embedded store: each turn compacts up to the revision of the turn before.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Zero for never.
    interval: Duration,
    last: Instant,
    seen: Revision,
    compacted: Compacted,
}

impl Turns {
    pub fn new(interval: Duration, now: Instant, seen: Revision, compacted: Compacted) -> Turns {
        Turns { interval, last: now, seen, compacted }
    }

    /// Takes a turn when it is time for one.
    pub fn take(&mut self, now: Instant, latest: Revision) {
        if self.interval.is_zero() || now.saturating_duration_since(self.last) < self.interval {
            return;
        }
        self.compacted.raise(self.seen);
        self.seen = latest;
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_past_state_is_read_for_one_to_two_intervals() {
        let begin = Instant::now();
        let compacted = Compacted::default();
        let mut turns = Turns::new(Duration::from_secs(300), begin, Revision(10), compacted.clone());
        for (seconds, latest, expected) in
            [(1, 12, 0), (299, 24, 0), (300, 25, 10), (599, 39, 10), (600, 40, 25)]
        {
            turns.take(begin + Duration::from_secs(seconds), Revision(latest));
            assert_eq!(compacted.revision(), Revision(expected), "after {seconds} s");
        }
        let mut never = Turns::new(Duration::ZERO, begin, Revision(10), Compacted::default());
        never.take(begin + Duration::from_secs(86_400), Revision(99));
        assert_eq!(never.compacted.revision(), Revision(0));
    }
}
