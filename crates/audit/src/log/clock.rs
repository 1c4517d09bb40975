//! `WriteClock`: since when a write goes on, and whether writes were slow of late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// From here on a write is slow: what small requests take of a thread, several times over.
/// Tests are kept from the processor by others, so they have more.
const SLOW_MICROS: u64 = if cfg!(test) { 500_000 } else { 10_000 };
/// Of the time that a slow write took, the time for which writes count as slow after it.
const SLOW_FOR: u64 = 10;
/// Writes that follow each other so soon are worth gathering.
const BUSY_MICROS: u64 = 200;
const IDLE: u64 = u64::MAX;

/// Times are microseconds from `start`.
#[derive(Debug)]
pub struct WriteClock {
    start: Instant,
    /// The start of the write in progress; `IDLE` when there is none.
    since: AtomicU64,
    slow_until: AtomicU64,
    last_end: AtomicU64,
}

impl Default for WriteClock {
    fn default() -> WriteClock {
        WriteClock {
            start: Instant::now(),
            since: AtomicU64::new(IDLE),
            slow_until: AtomicU64::new(0),
            last_end: AtomicU64::new(0),
        }
    }
}

impl WriteClock {
    /// Does a write. There is one at a time.
    pub fn timed<R>(&self, write: impl FnOnce() -> R) -> R {
        let began = self.now();
        self.since.store(began, Ordering::Relaxed);
        let result = write();
        self.since.store(IDLE, Ordering::Relaxed);
        self.ended(began, self.now());
        result
    }

    /// Notes a write that is over.
    pub fn ended(&self, began: u64, now: u64) {
        self.last_end.store(now, Ordering::Relaxed);
        let took = now.saturating_sub(began);
        if took >= SLOW_MICROS {
            self.slow_until.store(now.saturating_add(took.saturating_mul(SLOW_FOR)), Ordering::Relaxed);
        }
    }

    /// Whether a slow write goes on, or ended a short time ago.
    pub fn is_slow(&self) -> bool {
        if self.going_on().is_some_and(|time| time >= Duration::from_micros(SLOW_MICROS)) {
            return true;
        }
        let until = self.slow_until.load(Ordering::Relaxed);
        until > 0 && self.now() < until
    }

    /// Whether the last write ended a moment ago, or there is one.
    pub fn is_busy(&self) -> bool {
        self.now() < self.last_end.load(Ordering::Relaxed) + BUSY_MICROS
            || self.since.load(Ordering::Relaxed) != IDLE
    }

    /// The time for which a write has gone on.
    pub fn going_on(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Relaxed);
        (since != IDLE).then(|| Duration::from_micros(self.now().saturating_sub(since)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_writes_count_for_ten_times_as_long() {
        let clock = WriteClock::default();
        let now = clock.now();
        clock.ended(now, now + SLOW_MICROS - 1);
        assert!(!clock.is_slow());
        clock.ended(0, now);
        clock.ended(now, now + 1_000_000_000);
        assert!(clock.is_slow());
        let going_on = WriteClock::default();
        going_on.timed(|| {
            assert!(!going_on.is_slow());
            std::thread::sleep(Duration::from_micros(SLOW_MICROS));
            assert!(going_on.is_slow());
        });
        assert_eq!(clock.slow_until.load(Ordering::Relaxed), now + 11_000_000_000);
    }

    #[test]
    fn writes_that_follow_each_other_are_worth_gathering() {
        let clock = WriteClock::default();
        let now = clock.now();
        clock.ended(now, now + 1_000_000);
        assert!(clock.is_busy());
        clock.last_end.store(0, Ordering::Relaxed);
        while clock.now() < BUSY_MICROS {
            std::hint::spin_loop();
        }
        assert!(!clock.is_busy());
        assert!(clock.timed(|| clock.is_busy()), "one that goes on");
    }

    #[test]
    fn a_write_that_goes_on_is_seen() {
        let clock = WriteClock::default();
        assert_eq!(clock.going_on(), None);
        clock.timed(|| assert!(clock.going_on().is_some()));
        assert_eq!(clock.going_on(), None);
    }
}
