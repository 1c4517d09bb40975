//! The `Retry-After` of refusals: it grows with their number (upstream's
//! `util/flowcontrol/dropped_requests_tracker.go`).

use std::collections::VecDeque;

const SECONDS_MAX: u64 = 32;
/// The wait doubles when each second of it saw this many refusals.
const REFUSALS_TO_DOUBLE: u64 = 3;

/// The refusals of the last seconds, and the `Retry-After` that follows from them.
#[derive(Debug)]
pub struct RetryAfter {
    seconds: u64,
    updated_at: u64,
    /// The second that is counted, and its refusals so far.
    current: (u64, u64),
    /// Seconds before it, the oldest first.
    history: VecDeque<(u64, u64)>,
}

impl Default for RetryAfter {
    fn default() -> RetryAfter {
        RetryAfter { seconds: 1, updated_at: 0, current: (0, 0), history: VecDeque::new() }
    }
}

impl RetryAfter {
    /// Notes a refusal in a second, and returns the `Retry-After` in seconds.
    pub fn refused(&mut self, now: u64) -> u64 {
        if self.current.0 == now {
            self.current.1 += 1;
            return self.seconds;
        }
        self.history.push_back(self.current);
        let kept = (2 * self.seconds).min(SECONDS_MAX);
        while self.history.front().is_some_and(|(second, _)| now.saturating_sub(*second) > kept) {
            self.history.pop_front();
        }
        self.current = (now, 1);
        self.update(now);
        self.seconds
    }

    fn update(&mut self, now: u64) {
        let recent = self.history.iter().rev().take_while(|(second, _)| now - second <= self.seconds);
        let refusals: u64 = recent.filter(|(second, _)| *second < now).map(|(_, count)| count).sum();
        if now - self.updated_at >= self.seconds && refusals >= REFUSALS_TO_DOUBLE * self.seconds {
            self.seconds = (self.seconds * 2).min(SECONDS_MAX);
            self.updated_at = now;
        } else if refusals < self.seconds && self.seconds > 1 {
            self.seconds -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_refusals_and_shrinks_without() {
        let mut waits = RetryAfter::default();
        for second in 100..300 {
            for _ in 0..5 {
                waits.refused(second);
            }
        }
        assert_eq!(waits.seconds, SECONDS_MAX);
        let mut second = 1000;
        for _ in 0..SECONDS_MAX {
            second += 60;
            waits.refused(second);
        }
        assert_eq!(waits.seconds, 1);
    }

    #[test]
    fn a_second_of_many_refusals_counts_when_it_is_over() {
        let mut waits = RetryAfter::default();
        let refuse = |waits: &mut RetryAfter, second: u64, count: u64| {
            (0..count).map(|_| waits.refused(second)).last().unwrap_or(0)
        };
        assert_eq!(refuse(&mut waits, 10, 5), 1);
        assert_eq!(refuse(&mut waits, 11, 5), 2);
        assert_eq!(refuse(&mut waits, 12, 5), 2);
        assert_eq!(refuse(&mut waits, 13, 5), 4);
        for second in 14..17 {
            assert_eq!(refuse(&mut waits, second, 5), 4);
        }
        assert_eq!(refuse(&mut waits, 17, 5), 8);
        // Few refusals let it shrink by a second at a time.
        assert_eq!(refuse(&mut waits, 60, 1), 7);
        assert_eq!(refuse(&mut waits, 61, 1), 6);
    }
}
