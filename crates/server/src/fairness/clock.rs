//! The clock of fairness: tokio's.

use pintle_fairness::{Alarm, Clock, Moment};
use pintle_object::time::Time;
use std::sync::Weak;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Time since the server began, and where calls at later times are made.
#[derive(Debug)]
pub struct TokioClock {
    began: Instant,
    began_at: Time,
    runtime: Handle,
}

impl TokioClock {
    /// A clock that begins now, with calls on this runtime.
    pub fn new(runtime: Handle, now: Time) -> TokioClock {
        TokioClock { began: Instant::now(), began_at: now, runtime }
    }

    /// A moment as a time of the day, as Go writes it.
    pub fn wall(&self, moment: Moment) -> String {
        let nanos = u64::from(self.began_at.nanos) + moment.nanos();
        let since = Duration::from_nanos(nanos);
        let seconds = self.began_at.seconds + i64::try_from(since.as_secs()).unwrap_or(0);
        let text = Time { seconds, nanos: 0 }.to_seconds_text();
        let digits = format!("{:09}", since.subsec_nanos());
        let fraction = digits.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction}Z", text.trim_end_matches('Z'))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        let nanos = self.began.elapsed().as_nanos();
        Moment::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn call_at(&self, at: Moment, alarm: Weak<dyn Alarm>) {
        let at = self.began + Duration::from_nanos(at.nanos());
        self.runtime.spawn(async move {
            tokio::time::sleep_until(at).await;
            if let Some(alarm) = alarm.upgrade() {
                alarm.ring();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn moments_are_written_with_what_they_need_of_a_second() {
        let clock = TokioClock::new(Handle::current(), Time { seconds: 1_700_000_000, nanos: 900_000_000 });
        let check = |nanos: u64, expected: &str| assert_eq!(clock.wall(Moment::from_nanos(nanos)), expected);
        check(100_000_000, "2023-11-14T22:13:21Z");
        check(0, "2023-11-14T22:13:20.9Z");
        check(100_000_001, "2023-11-14T22:13:21.000000001Z");
    }
}
