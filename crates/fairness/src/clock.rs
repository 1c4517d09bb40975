//! The clock that is passed in: what time it is, and a call at a later time.

use crate::level::Level;
use std::fmt;
use std::sync::Weak;
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

/// Time as the server knows it, or as a test makes it.
pub trait Clock: fmt::Debug + Send + Sync {
    fn now(&self) -> Moment;

    /// Calls [`Level::tick`] at a moment. A level asks for a call more only if it has to be earlier than the last.
    fn call_at(&self, at: Moment, level: Weak<Level>);
}
