//! Boards: where watchers of a lane leave what they encoded, for those who show events in the same way.

use crate::lane::Missed;
use bytes::Bytes;
use pintle_object::Text;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Encoded events that are kept for the watchers that have not yet sent them.
const BYTES_MAX: usize = 512 << 10;
/// Pieces in which they are kept, so that they are found quickly.
const SEGMENTS_MAX: usize = 256;

#[derive(Debug)]
pub(crate) struct Board {
    /// How its watchers show events.
    pub rendering: Text,
    watchers: AtomicUsize,
    segments: Mutex<VecDeque<Segment>>,
}

/// Encoded events of a lane, from one number to before another.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub start: u64,
    pub end: u64,
    pub bytes: Bytes,
}

impl Board {
    pub fn new(rendering: Text) -> Board {
        Board { rendering, watchers: 0.into(), segments: Mutex::default() }
    }

    pub fn join(&self) {
        self.watchers.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells whether it was the last.
    pub fn leave(&self) -> bool {
        self.watchers.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// What another watcher made of the events from a number on, or else what `make` does.
    pub fn segment(
        &self,
        start: u64,
        make: impl FnOnce() -> Result<Segment, Missed>,
    ) -> Result<Segment, Missed> {
        if self.watchers.load(Ordering::Relaxed) < 2 {
            return make();
        }
        // Locked while encoding: who wants the same meanwhile waits for it.
        let mut segments = self.segments();
        if let Some(found) = segments.iter().rev().find(|segment| segment.start == start) {
            return Ok(found.clone());
        }
        let made = make()?;
        segments.push_back(made.clone());
        let mut bytes: usize = segments.iter().map(|segment| segment.bytes.len()).sum();
        while (bytes > BYTES_MAX || segments.len() > SEGMENTS_MAX)
            && let Some(oldest) = segments.pop_front()
        {
            bytes -= oldest.bytes.len();
        }
        Ok(made)
    }

    /// Keeps nothing any longer. Who encodes at the moment is not waited for.
    pub fn wipe(&self) {
        if let Ok(mut segments) = self.segments.try_lock() {
            segments.clear();
        }
    }

    fn segments(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.segments().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(watchers: usize) -> Board {
        let board = Board::new(Text::from("json"));
        (0..watchers).for_each(|_| board.join());
        board
    }

    fn segment(start: u64, length: usize) -> Segment {
        Segment { start, end: start + 1, bytes: Bytes::from(vec![0; length]) }
    }

    #[test]
    fn what_one_watcher_encoded_is_sent_by_all() {
        let board = board(2);
        for (start, expected) in [(0, 1), (0, 1), (1, 2), (0, 2)] {
            let _ = board.segment(start, || Ok(segment(start, 10)));
            assert_eq!(board.len(), expected);
        }
        board.wipe();
        assert_eq!(board.len(), 0);
    }

    #[test]
    fn what_is_kept_for_others_is_bounded() {
        for length in [10, 10_000, 2 * BYTES_MAX] {
            let board = board(2);
            for start in 0..1000 {
                let _ = board.segment(start, || Ok(segment(start, length)));
            }
            assert_eq!(board.len(), SEGMENTS_MAX.min(BYTES_MAX / length), "of {length} bytes");
        }
    }

    #[test]
    fn a_watcher_alone_leaves_nothing_behind() {
        let board = board(1);
        let _ = board.segment(0, || Ok(segment(0, 10)));
        assert_eq!(board.len(), 0);
    }
}
