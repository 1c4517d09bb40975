//! Encodings of objects: made for the first request, shared by all, and bounded in memory.
//!
//! Otherwise a list of everything in a second format would double the memory of the cache for good. Encodings are in a
//! queue in the order of their making; when they exceed their allowance, the oldest are dropped, but one that was used
//! since it was last looked at goes to the end of the queue instead (the clock algorithm).

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Encodings of an object that are kept.
pub const ENCODINGS_MAX: usize = 4;

/// The bytes that encodings may always take: every watcher needs those of recent objects.
const ENCODING_BYTES_MIN: usize = 64 << 20;
/// The part of the objects' bytes that encodings may take beyond it, so that both stay well within 1.5 times the
/// objects.
const ENCODING_BYTES_DIVISOR: usize = 8;
/// The bytes of all encodings, however large the objects are: frequently read objects are a small part of them.
const ENCODING_BYTES_MAX: usize = 256 << 20;
/// Encodings that are spared in a row for having been used, before one goes all the same.
const SPARED_MAX: usize = 4;
/// The queue is rid of encodings whose objects are gone when it is longer than this, and than twice the number that was left.
const SWEEP_MIN: usize = 1024;

/// All encodings of one object.
#[derive(Debug)]
pub(crate) struct Encodings {
    slots: [Mutex<Option<Bytes>>; ENCODINGS_MAX],
    is_used: AtomicBool,
    is_queued: AtomicBool,
    cache: Option<Arc<EncodingCache>>,
}

/// The memory of the encodings of one store's objects, and the order in which they go.
#[derive(Debug)]
pub(crate) struct EncodingCache {
    queue: Mutex<Queue>,
    /// Bytes of all encodings.
    bytes: AtomicUsize,
    /// Bytes of all current objects.
    live: AtomicUsize,
    bytes_min: usize,
}

#[derive(Debug, Default)]
struct Queue {
    encodings: VecDeque<Weak<Encodings>>,
    sweep_at: usize,
}

impl Encodings {
    pub fn new(cache: Option<Arc<EncodingCache>>) -> Encodings {
        Encodings { slots: Default::default(), is_used: false.into(), is_queued: false.into(), cache }
    }

    /// The encoding in a slot. A request that comes while another encodes it waits for that one.
    pub fn encoding(self: &Arc<Encodings>, slot: usize, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.is_used.store(true, Ordering::Relaxed);
        let Some(slot) = self.slots.get(slot) else { return encode() };
        let mut slot = lock(slot);
        if let Some(encoding) = &*slot {
            return encoding.clone();
        }
        let encoding = encode();
        *slot = Some(encoding.clone());
        if let Some(cache) = &self.cache {
            cache.bytes.fetch_add(encoding.len(), Ordering::Relaxed);
            drop(slot);
            cache.evict_for(self);
        }
        encoding
    }

    /// Replaces the encoding in a slot.
    pub fn replace(self: &Arc<Encodings>, slot: usize, encoding: Bytes) {
        self.is_used.store(true, Ordering::Relaxed);
        let Some(slot) = self.slots.get(slot) else { return };
        let len = encoding.len();
        let old = lock(slot).replace(encoding).map_or(0, |old| old.len());
        if let Some(cache) = &self.cache {
            cache.bytes.fetch_add(len, Ordering::Relaxed);
            cache.bytes.fetch_sub(old, Ordering::Relaxed);
            cache.evict_for(self);
        }
    }

    /// The encoding in a slot, if there is one. A look does not keep it from going.
    pub fn kept(&self, slot: usize) -> Option<Bytes> {
        lock(self.slots.get(slot)?).clone()
    }

    fn clear(&self) {
        let freed: usize =
            self.slots.iter().filter_map(|slot| lock(slot).take()).map(|encoding| encoding.len()).sum();
        if let Some(cache) = &self.cache {
            cache.bytes.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

impl Drop for Encodings {
    fn drop(&mut self) {
        self.clear();
    }
}

impl EncodingCache {
    pub fn new() -> EncodingCache {
        EncodingCache::with_allowance(ENCODING_BYTES_MIN)
    }

    fn with_allowance(bytes_min: usize) -> EncodingCache {
        EncodingCache { queue: Mutex::default(), bytes: 0.into(), live: 0.into(), bytes_min }
    }

    /// Notes by how much the current objects grew and shrank.
    pub fn resize(&self, grown: usize, shrunk: usize) {
        self.live.fetch_add(grown, Ordering::Relaxed);
        let live = self.live.fetch_sub(shrunk, Ordering::Relaxed);
        debug_assert!(live >= shrunk, "more bytes leave than there were");
    }

    fn allowance(&self) -> usize {
        (self.bytes_min + self.live.load(Ordering::Relaxed) / ENCODING_BYTES_DIVISOR).min(ENCODING_BYTES_MAX)
    }

    fn evict_for(&self, encodings: &Arc<Encodings>) {
        if !encodings.is_queued.swap(true, Ordering::Relaxed) {
            lock(&self.queue).push(encodings);
        }
        let mut spared = 0;
        while self.bytes.load(Ordering::Relaxed) > self.allowance() {
            // Cleared outside of the queue's lock: an encoding may just be made under its own.
            let Some(oldest) = lock(&self.queue).encodings.pop_front() else { return };
            let Some(oldest) = oldest.upgrade() else { continue };
            if oldest.is_used.swap(false, Ordering::Relaxed) && spared < SPARED_MAX {
                spared += 1;
                lock(&self.queue).push(&oldest);
                continue;
            }
            oldest.is_queued.store(false, Ordering::Relaxed);
            oldest.clear();
            spared = 0;
        }
    }
}

impl Queue {
    fn push(&mut self, encodings: &Arc<Encodings>) {
        if self.encodings.len() > self.sweep_at.max(SWEEP_MIN) {
            self.encodings.retain(|encodings| encodings.strong_count() > 0);
            self.sweep_at = self.encodings.len() * 2;
        }
        self.encodings.push_back(Arc::downgrade(encodings));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encodings(cache: &Arc<EncodingCache>) -> Arc<Encodings> {
        Arc::new(Encodings::new(Some(cache.clone())))
    }

    fn bytes(length: usize) -> Bytes {
        Bytes::from(vec![0; length])
    }

    #[test]
    fn an_encoding_is_made_once() {
        let encodings = encodings(&Arc::new(EncodingCache::new()));
        let mut encoded = 0;
        for _ in 0..3 {
            encodings.encoding(1, || {
                encoded += 1;
                bytes(1)
            });
        }
        assert_eq!(encoded, 1);
    }

    #[test]
    fn an_encoding_may_be_made_of_another() {
        let encodings = encodings(&Arc::new(EncodingCache::new()));
        let outer = encodings.encoding(0, || encodings.encoding(1, || bytes(3)));
        assert_eq!(outer.len(), 3);
    }

    #[test]
    fn the_oldest_encodings_go_when_there_are_too_many() {
        let cache = Arc::new(EncodingCache::with_allowance(1000));
        let all: Vec<_> = (0..100).map(|_| encodings(&cache)).collect();
        for encodings in &all {
            encodings.encoding(0, || bytes(100));
            assert!(cache.bytes.load(Ordering::Relaxed) <= 1000);
        }
        let kept = all.iter().filter(|encodings| lock(&encodings.slots[0]).is_some()).count();
        assert_eq!(kept, 10);
    }

    #[test]
    fn larger_objects_allow_more_encodings() {
        let cache = Arc::new(EncodingCache::with_allowance(0));
        cache.resize(5000, 1000);
        let all: Vec<_> = (0..20).map(|_| encodings(&cache)).collect();
        all.iter().for_each(|encodings| drop(encodings.encoding(0, || bytes(100))));
        assert_eq!(cache.bytes.load(Ordering::Relaxed), 500);
    }

    #[test]
    fn encodings_of_objects_that_are_gone_leave_nothing_behind() {
        let cache = Arc::new(EncodingCache::new());
        for _ in 0..10_000 {
            encodings(&cache).encoding(0, || bytes(100));
        }
        assert_eq!(cache.bytes.load(Ordering::Relaxed), 0);
        assert!(lock(&cache.queue).encodings.len() <= SWEEP_MIN + 1);
    }
}
