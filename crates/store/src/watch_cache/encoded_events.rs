//! Encoded events: shared by the watchers of a group that encode events in the same way.

use crate::watch_cache::event_window::Lagged;
use bytes::Bytes;
use pintle_object::Text;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are kept for the watchers that have not yet sent them.
const BYTES_MAX: usize = 512 << 10;
/// Ranges that are kept, so that one is found quickly.
const RANGES_MAX: usize = 256;

#[derive(Debug)]
pub(crate) struct EncodedEvents {
    /// The name of the way in which its watchers encode events.
    pub rendering: Text,
    watchers: AtomicUsize,
    ranges: Mutex<VecDeque<EncodedRange>>,
}

/// Encoded events of a group, from one number to before another.
#[derive(Clone, Debug)]
pub(crate) struct EncodedRange {
    pub start: u64,
    pub end: u64,
    pub bytes: Bytes,
}

impl EncodedEvents {
    pub fn new(rendering: Text) -> EncodedEvents {
        EncodedEvents { rendering, watchers: 0.into(), ranges: Mutex::default() }
    }

    pub fn join(&self) {
        self.watchers.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether it was the last.
    pub fn leave(&self) -> bool {
        self.watchers.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// The range from a number on, as another watcher encoded it or else as `encode` does.
    pub fn range(
        &self,
        start: u64,
        encode: impl FnOnce() -> Result<EncodedRange, Lagged>,
    ) -> Result<EncodedRange, Lagged> {
        if self.watchers.load(Ordering::Relaxed) < 2 {
            return encode();
        }
        // Locked while encoding: a watcher that needs the same range meanwhile waits for it.
        let mut ranges = self.ranges();
        if let Some(found) = ranges.iter().rev().find(|range| range.start == start) {
            return Ok(found.clone());
        }
        let encoded = encode()?;
        ranges.push_back(encoded.clone());
        let mut bytes: usize = ranges.iter().map(|range| range.bytes.len()).sum();
        while (bytes > BYTES_MAX || ranges.len() > RANGES_MAX)
            && let Some(oldest) = ranges.pop_front()
        {
            bytes -= oldest.bytes.len();
        }
        Ok(encoded)
    }

    /// Drops everything. A watcher that encodes at the moment is not waited for.
    pub fn clear(&self) {
        if let Ok(mut ranges) = self.ranges.try_lock() {
            ranges.clear();
        }
    }

    fn ranges(&self) -> MutexGuard<'_, VecDeque<EncodedRange>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.ranges().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(watchers: usize) -> EncodedEvents {
        let encoded = EncodedEvents::new(Text::from("json"));
        (0..watchers).for_each(|_| encoded.join());
        encoded
    }

    fn range(start: u64, length: usize) -> EncodedRange {
        EncodedRange { start, end: start + 1, bytes: Bytes::from(vec![0; length]) }
    }

    #[test]
    fn what_one_watcher_encoded_is_sent_by_all() {
        let encoded = encoded(2);
        for (start, expected) in [(0, 1), (0, 1), (1, 2), (0, 2)] {
            let _ = encoded.range(start, || Ok(range(start, 10)));
            assert_eq!(encoded.len(), expected);
        }
        encoded.clear();
        assert_eq!(encoded.len(), 0);
    }

    #[test]
    fn what_is_kept_for_others_is_bounded() {
        for length in [10, 10_000, 2 * BYTES_MAX] {
            let encoded = encoded(2);
            for start in 0..1000 {
                let _ = encoded.range(start, || Ok(range(start, length)));
            }
            assert_eq!(encoded.len(), RANGES_MAX.min(BYTES_MAX / length), "of {length} bytes");
        }
    }

    #[test]
    fn a_watcher_alone_leaves_nothing_behind() {
        let encoded = encoded(1);
        let _ = encoded.range(0, || Ok(range(0, 10)));
        assert_eq!(encoded.len(), 0);
    }
}
