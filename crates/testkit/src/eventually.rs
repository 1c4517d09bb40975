//! Waits for a condition, instead of sleeping for a guessed time.

use std::time::{Duration, Instant};

/// The time between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);
/// The time for conditions without a bound of their own.
pub const WITHIN: Duration = Duration::from_secs(30);

/// Waits until a condition holds.
///
/// # Panics
///
/// The condition does not hold within the time.
pub fn eventually(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}
