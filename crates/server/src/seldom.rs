//! Log lines for frequent occurrences: one in a while, with the number that it stands for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The time after a line in which no other of the same kind is logged.
const QUIET: Duration = Duration::from_secs(10);

/// Counts occurrences, and decides when to log.
#[derive(Default)]
pub struct Seldom(Mutex<SeldomState>);

#[derive(Default)]
struct SeldomState {
    logged: Option<Instant>,
    count: u64,
}

impl Seldom {
    /// The number of occurrences since the last line, this one included, when a line is due.
    pub fn count(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        let now = Instant::now();
        if state.logged.is_some_and(|logged| now.duration_since(logged) < QUIET) {
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_a_line_at_once_and_then_one_in_a_while() {
        let seldom = Seldom::default();
        assert_eq!((seldom.count(), seldom.count(), seldom.count()), (Some(1), None, None));
        tokio::time::advance(QUIET).await;
        assert_eq!((seldom.count(), seldom.count()), (Some(3), None));
    }
}
