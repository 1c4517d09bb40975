//! Lanes: what all watchers of the same interest share.
//!
//! A lane holds the places of its events in the collection's log, so that an event is looked at once per interest and
//! not once per watcher. Watchers follow their lane with cursors, all are told of new events in one go, and what one
//! of them encoded the others send as well.

use crate::watch::Interest;
use bytes::Bytes;
use pintle_object::Text;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Encoded events that a lane keeps for the watchers that have not yet sent them.
const SHARED_BYTES_MAX: usize = 512 << 10;
/// Pieces in which they are kept, so that they are found quickly.
const SHARED_MAX: usize = 256;
/// After so long without events nobody wants what was encoded before.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// Watchers are told of events no more often than this takes for each of them, so that telling many often does not
/// use up the processor; and a lane of few watchers is told at once.
const PAUSE_PER_WATCHER: Duration = Duration::from_micros(100);
/// The longest that an event waits for others to be told of with it.
const PAUSE_MAX: Duration = Duration::from_millis(8);

#[derive(Debug)]
pub(crate) struct Lane {
    pub interest: Interest,
    /// How its watchers show events, when they all do it in the same way; watchers without share no lane.
    pub rendering: Option<Text>,
    state: Mutex<State>,
    /// One more than the number of the last event.
    end: AtomicU64,
    /// One more than the number of the last event that watchers were told of.
    told: AtomicU64,
    watchers: AtomicUsize,
    is_over: AtomicBool,
    shared: Mutex<VecDeque<Segment>>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the first event whose place is kept.
    start: u64,
    /// Where in the collection's log the events stand.
    places: VecDeque<u64>,
    seats: Seats,
    told_at: Option<Instant>,
}

/// Who waits to be told. A watcher keeps its seat as long as it lives, so that waiting takes no memory.
#[derive(Debug, Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// Encoded events from one number to before another.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub start: u64,
    pub end: u64,
    pub bytes: Bytes,
}

/// The next events of a watcher were not kept for it.
#[derive(Debug)]
pub(crate) struct Missed;

impl Lane {
    pub fn new(interest: Interest, rendering: Option<Text>) -> Lane {
        Lane {
            interest,
            rendering,
            state: Mutex::default(),
            end: 0.into(),
            told: 0.into(),
            watchers: 0.into(),
            is_over: false.into(),
            shared: Mutex::default(),
        }
    }

    /// One more than the number of the last event.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// All its watchers must begin anew.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Takes a seat.
    pub fn join(&self) -> usize {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        let seats = &mut self.state().seats;
        if let Some(seat) = seats.free.pop() {
            return seat;
        }
        seats.wakers.push(None);
        seats.wakers.len() - 1
    }

    /// Gives a seat back. Tells whether it was the last.
    pub fn leave(&self, seat: usize) -> bool {
        let seats = &mut self.state().seats;
        if let Some(waker) = seats.wakers.get_mut(seat) {
            *waker = None;
        }
        seats.free.push(seat);
        self.watchers.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Adds an event by its place in the log, which begins at `log_start`. Tells whether the watchers knew of
    /// everything before, so that somebody has to tell them.
    pub fn push(&self, place: u64, log_start: u64) -> bool {
        let mut state = self.state();
        while state.places.front().is_some_and(|place| *place < log_start) {
            state.places.pop_front();
            state.start += 1;
        }
        state.places.push_back(place);
        let end = self.end.fetch_add(1, Ordering::Release);
        self.told() == end
    }

    /// Some places of events from a number on.
    pub fn places(&self, from: u64, to: u64, count_max: usize) -> Result<Vec<u64>, Missed> {
        let state = self.state();
        let skip = from.checked_sub(state.start).and_then(|skip| usize::try_from(skip).ok());
        let skip = skip.filter(|_| !self.is_over()).ok_or(Missed)?;
        let count = usize::try_from(to.saturating_sub(from)).unwrap_or(count_max).min(count_max);
        Ok(state.places.iter().skip(skip).take(count).copied().collect())
    }

    /// Whether there is more to take for who has taken everything before `cursor`; if not, `waker` is called when
    /// there is.
    pub fn wait(&self, seat: usize, cursor: u64, waker: &Waker) -> bool {
        let mut state = self.state();
        if self.told() > cursor || self.is_over() {
            return true;
        }
        match state.seats.wakers.get_mut(seat) {
            Some(Some(kept)) => kept.clone_from(waker),
            Some(place) => *place = Some(waker.clone()),
            None => {}
        }
        false
    }

    /// How long the watchers are still to be left alone.
    pub fn pause(&self, now: Instant) -> Duration {
        let watchers = u32::try_from(self.watchers()).unwrap_or(u32::MAX);
        let pause = PAUSE_PER_WATCHER.saturating_mul(watchers).min(PAUSE_MAX);
        self.state()
            .told_at
            .map_or(Duration::ZERO, |told_at| (told_at + pause).saturating_duration_since(now))
    }

    /// Tells the watchers of everything that is there.
    pub fn tell(&self, now: Instant) {
        let mut state = self.state();
        let before = state.told_at.replace(now);
        self.told.store(self.end(), Ordering::Release);
        let waiting: Vec<Waker> = state.seats.wakers.iter_mut().filter_map(Option::take).collect();
        drop(state);
        // Who encodes at the moment does not keep the writer waiting.
        if before.is_none_or(|before| now.saturating_duration_since(before) > SHARED_FOR)
            && let Ok(mut shared) = self.shared.try_lock()
        {
            shared.clear();
        }
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Tells the watchers to begin anew.
    pub fn end_all(&self) {
        self.is_over.store(true, Ordering::Release);
        self.tell(Instant::now());
    }

    /// What another watcher made of the events from a number on, or else what `make` does.
    pub fn segment(
        &self,
        start: u64,
        make: impl FnOnce() -> Result<Segment, Missed>,
    ) -> Result<Segment, Missed> {
        if self.rendering.is_none() || self.watchers() < 2 {
            return make();
        }
        // Locked while encoding: who wants the same meanwhile waits for it.
        let mut shared = self.shared();
        if let Some(found) = shared.iter().rev().find(|segment| segment.start == start) {
            return Ok(found.clone());
        }
        let made = make()?;
        shared.push_back(made.clone());
        let mut bytes: usize = shared.iter().map(|segment| segment.bytes.len()).sum();
        while (bytes > SHARED_BYTES_MAX || shared.len() > SHARED_MAX)
            && let Some(oldest) = shared.pop_front()
        {
            bytes -= oldest.bytes.len();
        }
        Ok(made)
    }

    fn shared(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(watchers: usize) -> Lane {
        let lane = Lane::new(Interest::default(), Some(Text::from("json")));
        (0..watchers).for_each(|_| {
            lane.join();
        });
        lane
    }

    fn segment(start: u64, length: usize) -> Segment {
        Segment { start, end: start + 1, bytes: Bytes::from(vec![0; length]) }
    }

    #[test]
    fn places_go_with_the_log() {
        let lane = lane(1);
        for place in 10..20 {
            lane.push(place, place.saturating_sub(4));
        }
        assert!(lane.places(0, 10, 9).is_err());
        assert_eq!(lane.places(5, 10, 9).unwrap(), [15, 16, 17, 18, 19]);
        assert_eq!(lane.places(6, 8, 9).unwrap(), [16, 17]);
        assert_eq!(lane.places(6, 10, 1).unwrap(), [16]);
        lane.end_all();
        assert!(lane.places(6, 8, 9).is_err());
    }

    #[test]
    fn only_the_first_of_several_events_calls_for_word() {
        let lane = lane(1);
        assert_eq!([lane.push(1, 0), lane.push(2, 0)], [true, false]);
        lane.tell(Instant::now());
        assert_eq!([lane.push(3, 0), lane.push(4, 0)], [true, false]);
    }

    #[test]
    fn few_watchers_are_told_at_once_and_many_seldom() {
        for (watchers, expected) in [(1, 100), (10, 1000), (1000, 8000)] {
            let lane = lane(watchers);
            let now = Instant::now();
            assert_eq!(lane.pause(now), Duration::ZERO);
            lane.tell(now);
            assert_eq!(lane.pause(now), Duration::from_micros(expected));
            assert_eq!(lane.pause(now + Duration::from_millis(8)), Duration::ZERO);
        }
    }

    #[test]
    fn what_one_watcher_encoded_is_sent_by_all() {
        let lane = lane(2);
        for (start, expected) in [(0, 1), (0, 1), (1, 2), (0, 2)] {
            let _ = lane.segment(start, || Ok(segment(start, 10)));
            assert_eq!(lane.shared().len(), expected);
        }
    }

    #[test]
    fn what_is_kept_for_others_is_bounded() {
        for length in [10, 10_000, 2 * SHARED_BYTES_MAX] {
            let lane = lane(2);
            for start in 0..1000 {
                let _ = lane.segment(start, || Ok(segment(start, length)));
            }
            let kept = lane.shared().len();
            assert_eq!(kept, SHARED_MAX.min(SHARED_BYTES_MAX / length), "of {length} bytes");
        }
    }

    #[test]
    fn nothing_is_kept_over_a_quiet_time() {
        let lane = lane(2);
        let now = Instant::now();
        for (after, expected) in [(0, 0), (10, 1), (20, 2), (5000, 0)] {
            lane.tell(now + Duration::from_millis(after));
            assert_eq!(lane.shared().len(), expected);
            let _ = lane.segment(after, || Ok(segment(after, 10)));
        }
    }

    #[test]
    fn a_watcher_alone_leaves_nothing_behind() {
        let lane = lane(1);
        let _ = lane.segment(0, || Ok(segment(0, 10)));
        assert!(lane.shared().is_empty());
    }

    #[test]
    fn seats_are_taken_again() {
        let lane = lane(2);
        assert!(!lane.leave(0));
        assert_eq!(lane.join(), 0);
        assert!(!lane.leave(1));
        assert!(lane.leave(0));
    }
}
