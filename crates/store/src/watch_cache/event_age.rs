//! The ages of a log's events, to the minute: enough to drop the old ones.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Events that follow a mark within this time are as old as the mark.
const PRECISION: Duration = Duration::from_secs(60);

/// Marks in the log: the events from a place on are no older than the mark.
#[derive(Debug, Default)]
pub(crate) struct EventAges {
    marks: VecDeque<(Instant, u64)>,
}

impl EventAges {
    /// Notes the age of events from `place` on.
    pub fn note(&mut self, now: Instant, place: u64) {
        if self.marks.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= PRECISION) {
            self.marks.push_back((now, place));
        }
    }

    /// The place before which all events are older than `age_max`; `end` is that after the last event.
    pub fn old(&mut self, now: Instant, age_max: Duration, end: u64) -> u64 {
        let is_old = |at: Instant| now.saturating_duration_since(at) > age_max;
        while self.marks.get(1).is_some_and(|(at, _)| is_old(*at)) {
            self.marks.pop_front();
        }
        match (self.marks.front(), self.marks.len()) {
            (None, _) => 0,
            // Nothing came later than so long after the last mark.
            (Some((at, _)), 1) if at.checked_add(PRECISION).is_some_and(is_old) => end,
            (Some((_, place)), _) => *place,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub fn clear(&mut self) {
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_old_when_those_of_their_minute_are() {
        let (mut ages, begin) = (EventAges::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        for (seconds, place) in [(0, 0), (10, 5), (61, 7), (130, 9)] {
            ages.note(at(seconds), place);
        }
        let age_max = Duration::from_secs(100);
        for (seconds, expected) in [(90, 0), (161, 0), (162, 7), (230, 7), (231, 9), (290, 9), (291, 12)] {
            assert_eq!(ages.old(at(seconds), age_max, 12), expected, "{seconds}");
        }
    }
}
