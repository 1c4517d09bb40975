//! Work, in seats times seconds, with a fixed point as upstream's `SeatSeconds` has it. It is wide enough to never
//! come near its end, so that there are no epochs to advance.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// Parts of a seat-second.
const SCALE: i128 = 100_000_000;
/// Nanoseconds in such a part.
const NANOS_PER_PART: f64 = 10.0;

/// An amount of work, or a moment in virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatSeconds(i128);

impl SeatSeconds {
    pub const ZERO: SeatSeconds = SeatSeconds(0);

    /// The work of some seats through a time.
    pub fn of(seats: f64, duration: Duration) -> SeatSeconds {
        #[expect(clippy::cast_precision_loss, reason = "times of requests are far below 2^53 nanoseconds")]
        let nanos = duration.as_nanos() as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a rounded float; casts saturate")]
        let parts = (seats * nanos / NANOS_PER_PART).round() as i64;
        SeatSeconds(i128::from(parts))
    }

    /// The time that this work takes on some seats.
    pub fn per_seat(self, seats: f64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "one request's work is far below 2^53")]
        let nanos = self.0 as f64 / seats * NANOS_PER_PART;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
        Duration::from_nanos(nanos as u64)
    }

    #[expect(clippy::cast_precision_loss, reason = "for metrics")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / SCALE as f64
    }
}

impl Add for SeatSeconds {
    type Output = SeatSeconds;

    fn add(self, other: SeatSeconds) -> SeatSeconds {
        SeatSeconds(self.0 + other.0)
    }
}

impl Sub for SeatSeconds {
    type Output = SeatSeconds;

    fn sub(self, other: SeatSeconds) -> SeatSeconds {
        SeatSeconds(self.0 - other.0)
    }
}

impl AddAssign for SeatSeconds {
    fn add_assign(&mut self, other: SeatSeconds) {
        self.0 += other.0;
    }
}

impl SubAssign for SeatSeconds {
    fn sub_assign(&mut self, other: SeatSeconds) {
        self.0 -= other.0;
    }
}

impl fmt::Display for SeatSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, parts) = (self.0.abs() / SCALE, self.0.abs() % SCALE);
        write!(f, "{sign}{whole}.{parts:08}ss")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shown_with_eight_digits() {
        let check = |seats: f64, millis: u64, expected: &str| {
            assert_eq!(SeatSeconds::of(seats, Duration::from_millis(millis)).to_string(), expected);
        };
        check(0.0, 3, "0.00000000ss");
        check(1.0, 3, "0.00300000ss");
        check(2.5, 1000, "2.50000000ss");
        let one = SeatSeconds::of(1.0, Duration::from_secs(1));
        assert_eq!((SeatSeconds::ZERO - one).to_string(), "-1.00000000ss");
        assert_eq!(one.per_seat(10.0), Duration::from_millis(100));
    }
}
