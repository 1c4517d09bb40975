//! Encoded forms of objects: made by the first who asks, shared by all, and bounded in memory.
//!
//! A list of everything in a second format would otherwise double the memory of the cache for good. Forms stand in a
//! queue in the order in which they were made; when they outgrow their allowance, the oldest go, but one that was
//! asked for since it was last looked at goes to the queue's end instead (the clock algorithm).

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// How many encoded forms of an object are kept.
pub const FORMS: usize = 4;

/// Forms may always take this much: recent objects are asked for by every watcher.
const FORM_BYTES_MIN: usize = 64 << 20;
/// Beyond it they may take this part of what the objects take, so that all stays well within 1.5 times the objects.
const FORM_BYTES_DIVISOR: usize = 8;
/// However large the objects are, what is asked for again and again is a small part of them.
const FORM_BYTES_MAX: usize = 256 << 20;
/// Forms that are spared in a row for having been used, before one goes all the same.
const SPARED_MAX: usize = 4;
/// The queue is rid of forms whose objects are gone when it is longer than this, and than twice what was left.
const SWEEP_MIN: usize = 1024;

/// All forms of one object.
#[derive(Debug)]
pub(crate) struct Forms {
    slots: [Mutex<Option<Bytes>>; FORMS],
    is_used: AtomicBool,
    is_queued: AtomicBool,
    cache: Option<Arc<FormCache>>,
}

/// What the forms of one store's objects take, and which of them go first.
#[derive(Debug)]
pub(crate) struct FormCache {
    queue: Mutex<Queue>,
    /// Bytes of all forms.
    bytes: AtomicUsize,
    /// Bytes of all current objects.
    live: AtomicUsize,
    bytes_min: usize,
}

#[derive(Debug, Default)]
struct Queue {
    forms: VecDeque<Weak<Forms>>,
    sweep_at: usize,
}

impl Forms {
    pub fn new(cache: Option<Arc<FormCache>>) -> Forms {
        Forms { slots: Default::default(), is_used: false.into(), is_queued: false.into(), cache }
    }

    /// The form at a place. Who asks while another encodes it waits for that one.
    pub fn form(self: &Arc<Forms>, slot: usize, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.is_used.store(true, Ordering::Relaxed);
        let Some(slot) = self.slots.get(slot) else { return encode() };
        let mut slot = lock(slot);
        if let Some(form) = &*slot {
            return form.clone();
        }
        let form = encode();
        *slot = Some(form.clone());
        if let Some(cache) = &self.cache {
            cache.bytes.fetch_add(form.len(), Ordering::Relaxed);
            drop(slot);
            cache.added(self);
        }
        form
    }

    /// The form at a place, if there is one. Who only looks does not keep it from going.
    pub fn kept(&self, slot: usize) -> Option<Bytes> {
        lock(self.slots.get(slot)?).clone()
    }

    fn clear(&self) {
        let freed: usize =
            self.slots.iter().filter_map(|slot| lock(slot).take()).map(|form| form.len()).sum();
        if let Some(cache) = &self.cache {
            cache.bytes.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

impl Drop for Forms {
    fn drop(&mut self) {
        self.clear();
    }
}

impl FormCache {
    pub fn new() -> FormCache {
        FormCache::with_allowance(FORM_BYTES_MIN)
    }

    fn with_allowance(bytes_min: usize) -> FormCache {
        FormCache { queue: Mutex::default(), bytes: 0.into(), live: 0.into(), bytes_min }
    }

    /// Tells how the current objects grew and shrank.
    pub fn resize(&self, grown: usize, shrunk: usize) {
        self.live.fetch_add(grown, Ordering::Relaxed);
        self.live.fetch_sub(shrunk, Ordering::Relaxed);
    }

    fn allowance(&self) -> usize {
        (self.bytes_min + self.live.load(Ordering::Relaxed) / FORM_BYTES_DIVISOR).min(FORM_BYTES_MAX)
    }

    fn added(&self, forms: &Arc<Forms>) {
        if !forms.is_queued.swap(true, Ordering::Relaxed) {
            lock(&self.queue).push(forms);
        }
        let mut spared = 0;
        while self.bytes.load(Ordering::Relaxed) > self.allowance() {
            // Cleared outside of the queue's lock: a form may just be encoded under its own.
            let Some(oldest) = lock(&self.queue).forms.pop_front() else { return };
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
    fn push(&mut self, forms: &Arc<Forms>) {
        if self.forms.len() > self.sweep_at.max(SWEEP_MIN) {
            self.forms.retain(|forms| forms.strong_count() > 0);
            self.sweep_at = self.forms.len() * 2;
        }
        self.forms.push_back(Arc::downgrade(forms));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(cache: &Arc<FormCache>) -> Arc<Forms> {
        Arc::new(Forms::new(Some(cache.clone())))
    }

    fn bytes(length: usize) -> Bytes {
        Bytes::from(vec![0; length])
    }

    #[test]
    fn a_form_is_encoded_once() {
        let forms = forms(&Arc::new(FormCache::new()));
        let mut encoded = 0;
        for _ in 0..3 {
            forms.form(1, || {
                encoded += 1;
                bytes(1)
            });
        }
        assert_eq!(encoded, 1);
    }

    #[test]
    fn an_object_may_have_forms_made_of_its_forms() {
        let forms = forms(&Arc::new(FormCache::new()));
        let outer = forms.form(0, || forms.form(1, || bytes(3)));
        assert_eq!(outer.len(), 3);
    }

    #[test]
    fn the_oldest_forms_go_when_there_are_too_many() {
        let cache = Arc::new(FormCache::with_allowance(1000));
        let all: Vec<_> = (0..100).map(|_| forms(&cache)).collect();
        for forms in &all {
            forms.form(0, || bytes(100));
            assert!(cache.bytes.load(Ordering::Relaxed) <= 1000);
        }
        let kept = all.iter().filter(|forms| lock(&forms.slots[0]).is_some()).count();
        assert_eq!(kept, 10);
    }

    #[test]
    fn larger_objects_allow_more_forms() {
        let cache = Arc::new(FormCache::with_allowance(0));
        cache.resize(5000, 1000);
        let all: Vec<_> = (0..20).map(|_| forms(&cache)).collect();
        all.iter().for_each(|forms| drop(forms.form(0, || bytes(100))));
        assert_eq!(cache.bytes.load(Ordering::Relaxed), 500);
    }

    #[test]
    fn forms_of_objects_that_are_gone_leave_nothing_behind() {
        let cache = Arc::new(FormCache::new());
        for _ in 0..10_000 {
            forms(&cache).form(0, || bytes(100));
        }
        assert_eq!(cache.bytes.load(Ordering::Relaxed), 0);
        assert!(lock(&cache.queue).forms.len() <= SWEEP_MIN + 1);
    }
}
