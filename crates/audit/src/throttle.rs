//! `Throttle`: so many batches a second, with some ahead of time after a pause (a token bucket).

use std::time::Duration;
use tokio::time::Instant;

/// Tokens come one each `interval`, and up to `burst` of them are kept.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    burst: u32,
    /// The time at which the bucket is empty, counting every token taken so far; in the past while tokens are left.
    paid_until: Option<Instant>,
}

impl Throttle {
    pub fn new(interval: Duration, burst: u32) -> Throttle {
        Throttle { interval, burst, paid_until: None }
    }

    /// Takes a token, and tells how long to wait until it is there.
    pub fn take(&mut self, now: Instant) -> Duration {
        let full = self.interval.saturating_mul(self.burst);
        // A full bucket is one that was paid for `full` ago.
        let oldest = now.checked_sub(full).unwrap_or(now);
        let from = self.paid_until.map_or(oldest, |until| until.max(oldest));
        let until = from + self.interval;
        self.paid_until = Some(until);
        until.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let tenth = Duration::from_millis(100);
        let mut throttle = Throttle::new(tenth, 3);
        // The clock of tests begins at its start; there is time before it for the bucket to have filled.
        tokio::time::advance(Duration::from_secs(10)).await;
        let now = Instant::now();
        let waits: Vec<Duration> = (0..5).map(|_| throttle.take(now)).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, Duration::ZERO, tenth, 2 * tenth]);
        let later = now + 5 * tenth;
        assert_eq!(
            [throttle.take(later), throttle.take(later)],
            [Duration::ZERO; 2],
            "three came, two were owed"
        );
        let much_later = now + 1000 * tenth;
        let at_once = (0..9).filter(|_| throttle.take(much_later).is_zero()).count();
        assert_eq!(at_once, 3, "no more than the burst is kept");
    }
}
