//! Watch groups: the watchers of the same predicate.
//!
//! A group holds the places of its events in the collection's log, so that an event is matched once per predicate and
//! not once per watcher. Watchers follow their group with cursors, and all are notified of new events in one go.

use crate::watch_cache::encoded_events::EncodedEvents;
use crate::watch_cache::event_window::Lagged;
use crate::watch_cache::predicate::WatchPredicate;
use pintle_object::Text;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// After so long without events no watcher needs the events that were encoded before.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// The pause between two notifications is this for each watcher, so that waking many often does not use up the
/// processor; and a group of few watchers is notified at once.
const PAUSE_PER_WATCHER: Duration = Duration::from_micros(100);
/// The longest that an event waits for others to be notified with it.
const PAUSE_MAX: Duration = Duration::from_millis(8);

#[derive(Debug)]
pub(crate) struct WatchGroup {
    pub predicate: WatchPredicate,
    state: Mutex<WatchGroupState>,
    /// One more than the number of the last event.
    end: AtomicU64,
    /// One more than the number of the last event that watchers were notified of.
    notified: AtomicU64,
    watchers: AtomicUsize,
    is_over: AtomicBool,
    /// One for each rendering of some of its watchers.
    encoded: Mutex<Vec<Arc<EncodedEvents>>>,
}

#[derive(Debug, Default)]
struct WatchGroupState {
    /// The number of the first event whose place is kept.
    start: u64,
    /// The places of the events in the collection's log.
    places: VecDeque<u64>,
    slots: Slots,
    notified_at: Option<Instant>,
}

/// The watchers that wait to be woken. A watcher keeps its slot as long as it lives, so that waiting takes no memory.
#[derive(Debug, Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl WatchGroup {
    pub fn new(predicate: WatchPredicate) -> WatchGroup {
        WatchGroup {
            predicate,
            state: Mutex::default(),
            end: 0.into(),
            notified: 0.into(),
            watchers: 0.into(),
            is_over: false.into(),
            encoded: Mutex::default(),
        }
    }

    /// One more than the number of the last event.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// One more than the number of the last event that watchers were notified of.
    pub fn notified(&self) -> u64 {
        self.notified.load(Ordering::Acquire)
    }

    /// Whether all its watchers lag, because the collection was read again.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Takes a slot.
    pub fn join(&self) -> usize {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        let slots = &mut self.state().slots;
        if let Some(slot) = slots.free.pop() {
            return slot;
        }
        debug_assert_eq!(slots.wakers.len() + 1, self.watchers(), "a slot without a watcher");
        slots.wakers.push(None);
        slots.wakers.len() - 1
    }

    /// Gives a slot back. Returns whether it was the last.
    pub fn leave(&self, slot: usize) -> bool {
        let slots = &mut self.state().slots;
        if let Some(waker) = slots.wakers.get_mut(slot) {
            *waker = None;
        }
        debug_assert!(slot < slots.wakers.len() && !slots.free.contains(&slot), "not the watcher's slot");
        slots.free.push(slot);
        self.watchers.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Adds an event by its place in the log, which begins at `log_start`. Returns whether the watchers were notified
    /// of everything before, so that they have to be woken.
    pub fn push(&self, place: u64, log_start: u64) -> bool {
        let mut state = self.state();
        while state.places.front().is_some_and(|place| *place < log_start) {
            state.places.pop_front();
            state.start += 1;
        }
        debug_assert!(state.places.back().is_none_or(|last| *last < place), "places do not ascend");
        state.places.push_back(place);
        let end = self.end.fetch_add(1, Ordering::Release);
        self.notified() == end
    }

    /// The places of some events, from one number to before another.
    pub fn places(&self, from: u64, to: u64, count_max: usize) -> Result<Vec<u64>, Lagged> {
        let state = self.state();
        let skip = from.checked_sub(state.start).and_then(|skip| usize::try_from(skip).ok());
        let skip = skip.filter(|_| !self.is_over()).ok_or(Lagged)?;
        let count = usize::try_from(to.saturating_sub(from)).unwrap_or(count_max).min(count_max);
        Ok(state.places.iter().skip(skip).take(count).copied().collect())
    }

    /// Whether there is more for a watcher that has taken everything before `cursor`; if not, `waker` is called when
    /// there is.
    pub fn wait(&self, slot: usize, cursor: u64, waker: &Waker) -> bool {
        let mut state = self.state();
        debug_assert!(!state.slots.free.contains(&slot), "not the watcher's slot");
        if self.notified() > cursor || self.is_over() {
            return true;
        }
        match state.slots.wakers.get_mut(slot) {
            Some(Some(kept)) => kept.clone_from(waker),
            Some(empty) => *empty = Some(waker.clone()),
            None => {}
        }
        false
    }

    /// The time until the watchers may be notified again.
    pub fn pause(&self, now: Instant) -> Duration {
        let watchers = u32::try_from(self.watchers()).unwrap_or(u32::MAX);
        let pause = PAUSE_PER_WATCHER.saturating_mul(watchers).min(PAUSE_MAX);
        self.state()
            .notified_at
            .map_or(Duration::ZERO, |notified_at| (notified_at + pause).saturating_duration_since(now))
    }

    /// Wakes the watchers for all new events.
    pub fn notify(&self, now: Instant) {
        let mut state = self.state();
        let before = state.notified_at.replace(now);
        self.notified.store(self.end(), Ordering::Release);
        let waiting: Vec<Waker> = state.slots.wakers.iter_mut().filter_map(Option::take).collect();
        drop(state);
        if before.is_none_or(|before| now.saturating_duration_since(before) > KEPT_FOR) {
            self.encoded().iter().for_each(|encoded| encoded.clear());
        }
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ends the group: all its watchers lag.
    pub fn end_all(&self) {
        self.is_over.store(true, Ordering::Release);
        self.notify(Instant::now());
    }

    /// The encoded events of a rendering, shared by one watcher more.
    pub fn join_encoded(&self, rendering: Text) -> Arc<EncodedEvents> {
        let mut all = self.encoded();
        let found = all.iter().find(|encoded| encoded.rendering == rendering).cloned();
        let encoded = found.unwrap_or_else(|| {
            let encoded = Arc::new(EncodedEvents::new(rendering));
            all.push(encoded.clone());
            encoded
        });
        encoded.join();
        encoded
    }

    pub fn leave_encoded(&self, encoded: &Arc<EncodedEvents>) {
        let mut all = self.encoded();
        if encoded.leave() {
            all.retain(|other| !Arc::ptr_eq(other, encoded));
        }
    }

    fn encoded(&self) -> MutexGuard<'_, Vec<Arc<EncodedEvents>>> {
        self.encoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, WatchGroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch_cache::encoded_events::EncodedRange;
    use bytes::Bytes;

    fn group(watchers: usize) -> WatchGroup {
        let group = WatchGroup::new(WatchPredicate::default());
        (0..watchers).for_each(|_| {
            group.join();
        });
        group
    }

    #[test]
    fn places_go_with_the_log() {
        let group = group(1);
        for place in 10..20 {
            group.push(place, place.saturating_sub(4));
        }
        assert!(group.places(0, 10, 9).is_err());
        assert_eq!(group.places(5, 10, 9).unwrap(), [15, 16, 17, 18, 19]);
        assert_eq!(group.places(6, 8, 9).unwrap(), [16, 17]);
        assert_eq!(group.places(6, 10, 1).unwrap(), [16]);
        group.end_all();
        assert!(group.places(6, 8, 9).is_err());
    }

    #[test]
    fn only_the_first_of_several_events_calls_for_a_notification() {
        let group = group(1);
        assert_eq!([group.push(1, 0), group.push(2, 0)], [true, false]);
        group.notify(Instant::now());
        assert_eq!([group.push(3, 0), group.push(4, 0)], [true, false]);
    }

    #[test]
    fn few_watchers_are_notified_at_once_and_many_seldom() {
        for (watchers, expected) in [(1, 100), (10, 1000), (1000, 8000)] {
            let group = group(watchers);
            let now = Instant::now();
            assert_eq!(group.pause(now), Duration::ZERO);
            group.notify(now);
            assert_eq!(group.pause(now), Duration::from_micros(expected));
            assert_eq!(group.pause(now + Duration::from_millis(8)), Duration::ZERO);
        }
    }

    #[test]
    fn nothing_is_kept_over_a_quiet_time() {
        let group = group(2);
        let encoded = ["json", "json", "protobuf"].map(|rendering| group.join_encoded(Text::from(rendering)));
        assert_eq!(group.encoded().len(), 2);
        let now = Instant::now();
        for (after, expected) in [(0, 0), (10, 1), (20, 2), (5000, 0)] {
            group.notify(now + Duration::from_millis(after));
            assert_eq!(encoded[0].len(), expected);
            let range = EncodedRange { start: after, end: after + 1, bytes: Bytes::from_static(b"x") };
            let _ = encoded[1].range(after, || Ok(range));
        }
        encoded.iter().for_each(|encoded| group.leave_encoded(encoded));
        assert!(group.encoded().is_empty());
    }

    #[test]
    fn slots_are_taken_again() {
        let group = group(2);
        assert!(!group.leave(0));
        assert_eq!(group.join(), 0);
        assert!(!group.leave(1));
        assert!(group.leave(0));
    }
}
