//! Moments: time as it is passed in.

use std::time::Duration;

/// A moment, as the time since the server began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    nanos: u64,
}

impl Moment {
    pub fn from_nanos(nanos: u64) -> Moment {
        Moment { nanos }
    }

    pub fn nanos(self) -> u64 {
        self.nanos
    }

    pub fn seconds(self) -> u64 {
        self.nanos / 1_000_000_000
    }

    /// The time since an earlier moment; none when that is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Moment {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Moment { nanos: self.nanos.saturating_add(nanos) }
    }
}
