//! `Backoff`: pauses between tries, each longer than the last, and no two servers' the same.

use aws_lc_rs::rand;
use std::time::Duration;

/// The number of tries, and the pauses between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    pub first: Duration,
    pub factor: f64,
    /// By which part of itself a pause may be longer.
    pub jitter: f64,
    pub tries_max: u32,
}

impl Backoff {
    /// Upstream's for webhooks that authenticate and authorize.
    pub const WEBHOOK: Backoff =
        Backoff { first: Duration::from_millis(500), factor: 1.5, jitter: 0.2, tries_max: 5 };

    /// The pause after so many tries; none when no further one is due.
    pub fn pause(&self, tries: u32) -> Option<Duration> {
        if tries == 0 || tries >= self.tries_max {
            return None;
        }
        let grown = self.factor.powi(i32::try_from(tries - 1).unwrap_or(i32::MAX));
        Some(self.first.mul_f64(grown * (1.0 + self.jitter * random())))
    }
}

/// From 0 to 1; 0 when the system has no randomness to give.
fn random() -> f64 {
    let mut bytes = [0; 2];
    let _ = rand::fill(&mut bytes);
    f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX)
}

/// One of the numbers below another; 0 below 0 and 1.
pub(crate) fn random_below(count: usize) -> usize {
    let mut bytes = [0; 4];
    let _ = rand::fill(&mut bytes);
    usize::try_from(u32::from_be_bytes(bytes)).unwrap_or_default() % count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let steady = Backoff { jitter: 0.0, ..Backoff::WEBHOOK };
        let pauses: Vec<_> = (1..=5).map(|tries| steady.pause(tries)).collect();
        let expected = [Some(500_000), Some(750_000), Some(1_125_000), Some(1_687_500), None];
        assert_eq!(pauses, expected.map(|micros| micros.map(Duration::from_micros)));
        let pause = Backoff::WEBHOOK.pause(1).unwrap().as_millis();
        assert!((500..=600).contains(&pause), "{pause}");
    }
}
