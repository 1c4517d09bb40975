//! The event window: the recent events of a collection, bounded in number, bytes and age.

use crate::object::Revision;
use crate::watch_cache::event::Event;
use crate::watch_cache::event_age::EventAges;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The bounds of the events that stay in memory for each collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventWindow {
    /// Enough for a client that reconnects after minutes of moderate traffic.
    pub events_max: usize,
    /// The bytes of replaced and deleted objects that events may keep alive in a collection of any size.
    pub bytes_min: usize,
    /// In large collections this part of the current objects' bytes may be kept alive besides: a client that writes
    /// to many large objects needs a window in proportion, and memory per object stays bounded.
    pub bytes_divisor: usize,
    /// The age at which replaced and deleted objects leave memory, also where little is written; as long as on disk.
    pub age_max: Duration,
}

impl Default for EventWindow {
    fn default() -> EventWindow {
        let age_max = Duration::from_secs(3600);
        EventWindow { events_max: 20_000, bytes_min: 32 << 20, bytes_divisor: 8, age_max }
    }
}

/// Facts about the events of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFacts {
    /// All that there have been since the store was opened.
    pub count: u64,
    /// The most that are kept.
    pub capacity: usize,
    /// Bytes of the current objects.
    pub live_bytes: usize,
}

/// A watcher needs events that have left the window.
#[derive(Debug)]
pub(crate) struct Lagged;

/// The recent events of a collection. Places are counted from the collection's first event, so that a cursor stays
/// valid when old events leave.
#[derive(Default)]
pub(crate) struct EventLog {
    /// The place of the first event that is kept.
    pub start: u64,
    events: VecDeque<Arc<Event>>,
    /// Bytes that events keep alive.
    retained_bytes: usize,
    /// Bytes of the collection's current objects.
    live_bytes: usize,
    /// Events at or before this revision may be missing.
    pub compacted_revision: Revision,
    ages: EventAges,
    window: EventWindow,
}

impl EventLog {
    pub fn new(window: EventWindow, compacted_revision: Revision) -> EventLog {
        EventLog { window, compacted_revision, ..EventLog::default() }
    }

    pub fn push(&mut self, event: Arc<Event>) {
        // Writes of one transaction share a revision.
        debug_assert!(
            self.events.back().is_none_or(|last| last.revision <= event.revision),
            "revisions do not ascend"
        );
        self.retained_bytes += event.retained_bytes();
        let (grown, shrunk) = event.growth();
        self.resize(grown, shrunk);
        self.events.push_back(event);
        let bytes_max = self.window.bytes_min + self.live_bytes / self.window.bytes_divisor.max(1);
        while self.events.len() > self.window.events_max || self.retained_bytes > bytes_max {
            if self.pop().is_none() {
                break;
            }
        }
    }

    /// Notes by how many bytes the current objects grew and shrank.
    pub fn resize(&mut self, grown: usize, shrunk: usize) {
        debug_assert!(self.live_bytes + grown >= shrunk, "more bytes leave than there were");
        self.live_bytes = (self.live_bytes + grown).saturating_sub(shrunk);
    }

    /// Drops the events at or before a revision.
    pub fn compact(&mut self, revision: Revision) {
        while self.events.front().is_some_and(|event| event.revision <= revision) {
            self.pop();
        }
        self.compacted_revision = self.compacted_revision.max(revision);
    }

    /// Notes the age of events that are added from now on; recovered ones have that of the start.
    pub fn note_age(&mut self, now: Instant) {
        let place = if self.ages.is_empty() { self.start } else { self.end() };
        self.ages.note(now, place);
    }

    /// Drops the events that are older than the window.
    pub fn drop_old(&mut self, now: Instant) {
        let place = self.ages.old(now, self.window.age_max, self.end());
        while self.start < place && self.pop().is_some() {}
    }

    /// Drops everything, so that even a watcher that has had all of it lags. Returns the bytes of the objects before.
    pub fn reset(&mut self, revision: Revision, live_bytes: usize) -> usize {
        self.start = self.end() + 1;
        self.events.clear();
        self.ages.clear();
        self.retained_bytes = 0;
        self.compacted_revision = revision;
        std::mem::replace(&mut self.live_bytes, live_bytes)
    }

    fn pop(&mut self) -> Option<()> {
        let oldest = self.events.pop_front()?;
        debug_assert!(self.retained_bytes >= oldest.retained_bytes(), "an event retains more than all do");
        self.retained_bytes -= oldest.retained_bytes();
        self.compacted_revision = self.compacted_revision.max(oldest.revision);
        self.start += 1;
        Some(())
    }

    pub fn facts(&self) -> EventFacts {
        EventFacts { count: self.end(), capacity: self.window.events_max, live_bytes: self.live_bytes }
    }

    /// The place after the last event.
    pub fn end(&self) -> u64 {
        self.start + self.events.len() as u64
    }

    /// The place of the first event after a revision.
    pub fn place_after(&self, revision: Revision) -> u64 {
        self.start + self.events.partition_point(|event| event.revision <= revision) as u64
    }

    /// The event at a place, unless it has left.
    pub fn at(&self, place: u64) -> Option<&Arc<Event>> {
        debug_assert!(place < self.end(), "a place beyond the window");
        self.events.get(usize::try_from(place.checked_sub(self.start)?).ok()?)
    }

    /// The events from a place on; `None` when some of them have left.
    pub fn from(&self, place: u64) -> Option<impl Iterator<Item = &Arc<Event>>> {
        let skip = usize::try_from(place.checked_sub(self.start)?).ok()?;
        Some(self.events.range(skip.min(self.events.len())..))
    }

    /// The events after a revision, the latest first.
    pub fn latest_first(&self, after: Revision) -> impl Iterator<Item = &Arc<Event>> {
        self.events.iter().rev().take_while(move |event| event.revision > after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attrs::Attrs;
    use crate::object::{Key, Object};

    fn event(revision: u64, bytes: usize) -> Arc<Event> {
        let (key, revision) = (Key::new("/registry/a/b"), Revision(revision));
        Event::put(
            Arc::new(Object::new(key, revision, revision, vec![0; bytes].into(), Attrs::default())),
            None,
        )
    }

    #[test]
    fn the_window_is_bounded_in_events() {
        let mut log = EventLog::new(EventWindow { events_max: 2, ..EventWindow::default() }, Revision(0));
        (1..=5).for_each(|revision| log.push(event(revision, 1)));
        assert_eq!((log.start, log.end(), log.compacted_revision), (3, 5, Revision(3)));
        assert!(log.from(2).is_none() && log.at(2).is_none());
        assert_eq!(log.at(3).map(|event| event.revision), Some(Revision(4)));
    }

    #[test]
    #[should_panic(expected = "revisions do not ascend")]
    fn revisions_ascend() {
        let mut log = EventLog::default();
        log.push(event(2, 1));
        log.push(event(1, 1));
    }

    #[test]
    #[should_panic(expected = "a place beyond the window")]
    fn no_place_is_beyond_the_window() {
        let _ = EventLog::default().at(0);
    }
}
