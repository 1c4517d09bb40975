//! Lanes: what all watchers of the same interest share.
//!
//! A lane holds the places of its events in the collection's log, so that an event is looked at once per interest and
//! not once per watcher. Watchers follow their lane with cursors, and all are told of new events in one go.

use crate::board::Board;
use crate::watch::Interest;
use pintle_object::Text;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// After so long without events nobody wants what was encoded before.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Watchers are told of events no more often than this takes for each of them, so that telling many often does not
/// use up the processor; and a lane of few watchers is told at once.
const PAUSE_PER_WATCHER: Duration = Duration::from_micros(100);
/// The longest that an event waits for others to be told of with it.
const PAUSE_MAX: Duration = Duration::from_millis(8);

#[derive(Debug)]
pub(crate) struct Lane {
    pub interest: Interest,
    state: Mutex<State>,
    /// One more than the number of the last event.
    end: AtomicU64,
    /// One more than the number of the last event that watchers were told of.
    told: AtomicU64,
    watchers: AtomicUsize,
    is_over: AtomicBool,
    /// One for each way in which some of its watchers show events.
    boards: Mutex<Vec<Arc<Board>>>,
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

/// The next events of a watcher were not kept for it.
#[derive(Debug)]
pub(crate) struct Missed;

impl Lane {
    pub fn new(interest: Interest) -> Lane {
        Lane {
            interest,
            state: Mutex::default(),
            end: 0.into(),
            told: 0.into(),
            watchers: 0.into(),
            is_over: false.into(),
            boards: Mutex::default(),
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
        if before.is_none_or(|before| now.saturating_duration_since(before) > KEPT_FOR) {
            self.boards().iter().for_each(|board| board.wipe());
        }
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Tells the watchers to begin anew.
    pub fn end_all(&self) {
        self.is_over.store(true, Ordering::Release);
        self.tell(Instant::now());
    }

    /// Joins those who show events in some way.
    pub fn join_board(&self, rendering: Text) -> Arc<Board> {
        let mut boards = self.boards();
        let found = boards.iter().find(|board| board.rendering == rendering).cloned();
        let board = found.unwrap_or_else(|| {
            let board = Arc::new(Board::new(rendering));
            boards.push(board.clone());
            board
        });
        board.join();
        board
    }

    pub fn leave_board(&self, board: &Arc<Board>) {
        let mut boards = self.boards();
        if board.leave() {
            boards.retain(|other| !Arc::ptr_eq(other, board));
        }
    }

    fn boards(&self) -> MutexGuard<'_, Vec<Arc<Board>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Segment;
    use bytes::Bytes;

    fn lane(watchers: usize) -> Lane {
        let lane = Lane::new(Interest::default());
        (0..watchers).for_each(|_| {
            lane.join();
        });
        lane
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
    fn nothing_is_kept_over_a_quiet_time() {
        let lane = lane(2);
        let boards = ["json", "json", "protobuf"].map(|rendering| lane.join_board(Text::from(rendering)));
        assert_eq!(lane.boards().len(), 2);
        let now = Instant::now();
        for (after, expected) in [(0, 0), (10, 1), (20, 2), (5000, 0)] {
            lane.tell(now + Duration::from_millis(after));
            assert_eq!(boards[0].len(), expected);
            let segment = Segment { start: after, end: after + 1, bytes: Bytes::from_static(b"x") };
            let _ = boards[1].segment(after, || Ok(segment));
        }
        boards.iter().for_each(|board| lane.leave_board(board));
        assert!(lane.boards().is_empty());
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
