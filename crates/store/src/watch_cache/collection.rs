//! One collection: the current snapshot, and the window of recent events that watchers follow.

use crate::Gone;
use crate::object::{Object, Revision};
use crate::watch_cache::dispatcher::Dispatcher;
use crate::watch_cache::event::{Event, EventKind};
use crate::watch_cache::event_window::EventLog;
use crate::watch_cache::notifier::Notifier;
use crate::watch_cache::snapshot::Snapshot;
use arc_swap::ArcSwap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Historical snapshots that are kept for the next pages of paged lists.
const HISTORICAL_MAX: usize = 8;

pub(crate) struct Collection {
    pub prefix: String,
    current: ArcSwap<Snapshot>,
    log: Mutex<EventLog>,
    dispatcher: Mutex<Dispatcher>,
    historical: Mutex<VecDeque<Snapshot>>,
    /// The current objects with empty attributes: those whose stored value could not be read.
    undecodable: AtomicUsize,
}

impl Collection {
    pub fn new(prefix: &str, snapshot: Snapshot, mut log: EventLog) -> Collection {
        log.note_age(Instant::now());
        let undecodable = AtomicUsize::new(count_undecodable(&snapshot));
        Collection {
            undecodable,
            prefix: prefix.into(),
            current: ArcSwap::from_pointee(snapshot),
            log: Mutex::new(log),
            dispatcher: Mutex::default(),
            historical: Mutex::default(),
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub fn log(&self) -> MutexGuard<'_, EventLog> {
        lock(&self.log)
    }

    pub fn dispatcher(&self) -> MutexGuard<'_, Dispatcher> {
        lock(&self.dispatcher)
    }

    /// Makes a committed batch visible: the snapshot first, so that a watcher of an event finds it there. Snapshot
    /// and log agree while the log is locked.
    pub fn publish(&self, snapshot: Snapshot, events: Vec<Arc<Event>>, notifier: &Notifier) {
        let mut to_notify = Vec::new();
        let mut log = self.log();
        let unreadable = self.count_undecodable(&events).then_some(snapshot.revision);
        debug_assert!(self.current.load().revision <= snapshot.revision, "revisions do not ascend");
        self.current.store(Arc::new(snapshot));
        {
            let dispatcher = self.dispatcher();
            for (event, place) in events.iter().zip(log.end()..) {
                dispatcher.dispatch(event, place, log.start, &mut to_notify);
            }
        }
        let now = Instant::now();
        log.note_age(now);
        events.into_iter().for_each(|event| log.push(event));
        log.drop_old(now);
        if let Some(revision) = unreadable {
            // No watch can show this event: watchers lag, and their clients find out.
            log.compact(revision);
        }
        let compacted_revision = log.compacted_revision;
        drop(log);
        self.drop_historical(compacted_revision);
        notifier.notify(to_notify);
        if unreadable.is_some() {
            let dispatcher = std::mem::take(&mut *self.dispatcher());
            dispatcher.groups().for_each(|group| group.end_all());
        }
    }

    pub fn has_undecodable(&self) -> bool {
        self.undecodable.load(Ordering::Relaxed) > 0
    }

    /// Counts new undecryptable objects, and removed ones. Returns whether there are new ones.
    fn count_undecodable(&self, events: &[Arc<Event>]) -> bool {
        let mut came = false;
        for event in events {
            if event.kind != EventKind::Deleted && event.object.attrs.is_empty() {
                came = true;
                self.undecodable.fetch_add(1, Ordering::Relaxed);
            }
            if event.previous.as_ref().is_some_and(|previous| previous.attrs.is_empty()) {
                let before = self.undecodable.fetch_sub(1, Ordering::Relaxed);
                debug_assert!(before > 0, "more unreadable objects go than there were");
            }
        }
        came
    }

    /// Replaces the current objects by others of the same keys and revisions.
    pub fn replace(&self, snapshot: Snapshot) {
        let _log = self.log();
        debug_assert_eq!(self.current.load().len(), snapshot.len(), "objects came or went");
        self.undecodable.store(count_undecodable(&snapshot), Ordering::Relaxed);
        lock(&self.historical).clear();
        self.current.store(Arc::new(snapshot));
    }

    /// Replaces objects that could not be read. Events still show them as they were, so all watchers lag.
    pub fn reread(&self, snapshot: Snapshot, grown: usize, shrunk: usize) {
        let mut log = self.log();
        debug_assert_eq!(self.current.load().len(), snapshot.len(), "objects came or went");
        log.resize(grown, shrunk);
        log.compact(snapshot.revision);
        self.undecodable.store(count_undecodable(&snapshot), Ordering::Relaxed);
        lock(&self.historical).clear();
        self.current.store(Arc::new(snapshot));
        let dispatcher = std::mem::take(&mut *self.dispatcher());
        drop(log);
        dispatcher.groups().for_each(|group| group.end_all());
    }

    /// Starts again with other objects: the events in between are not known, so all watchers lag. Returns the bytes
    /// of the objects now and before.
    pub fn reset(&self, snapshot: Snapshot) -> (usize, usize) {
        let mut log = self.log();
        lock(&self.historical).clear();
        self.undecodable.store(count_undecodable(&snapshot), Ordering::Relaxed);
        let live = snapshot.objects.values().map(|object| object.size()).sum();
        let before = log.reset(snapshot.revision, live);
        self.current.store(Arc::new(snapshot));
        let dispatcher = std::mem::take(&mut *self.dispatcher());
        drop(log);
        dispatcher.groups().for_each(|group| group.end_all());
        (live, before)
    }

    /// Drops events that are older than the window, where nothing new pushes them out.
    pub fn drop_old(&self, now: Instant) {
        let mut log = self.log();
        log.drop_old(now);
        let compacted_revision = log.compacted_revision;
        drop(log);
        self.drop_historical(compacted_revision);
    }

    fn drop_historical(&self, compacted_revision: Revision) {
        lock(&self.historical).retain(|snapshot| snapshot.revision >= compacted_revision);
    }

    /// Wakes all watchers, as the store has closed.
    pub fn wake_all(&self) {
        let now = Instant::now();
        self.dispatcher().groups().for_each(|group| group.notify(now));
    }

    /// The object that a write at a revision left, or deleted.
    pub fn written(&self, key: &str, revision: Revision) -> Option<Arc<Object>> {
        let log = self.log();
        let place = log.place_after(Revision(revision.0.saturating_sub(1)));
        let mut events = log.from(place)?.take_while(|event| event.revision == revision);
        events.find(|event| event.object.key.as_str() == key).map(|event| event.object.clone())
    }

    /// The collection as it was at an earlier revision: recent events are undone, the latest first.
    pub fn snapshot_at(&self, revision: Revision, current: Revision) -> Result<Snapshot, Gone> {
        let log = self.log();
        if revision < log.compacted_revision {
            return Err(Gone { oldest: log.compacted_revision, current });
        }
        if let Some(kept) = lock(&self.historical).iter().find(|snapshot| snapshot.revision == revision) {
            return Ok(kept.clone());
        }
        let mut snapshot = Snapshot::clone(&self.current.load());
        let later: Vec<_> = log.latest_first(revision).cloned().collect();
        // Undone without the lock: the writer does not wait for historical reads.
        drop(log);
        for event in later {
            let key = &event.object.key;
            match &event.previous {
                Some(previous) => drop(snapshot.objects.insert(key.clone(), previous.clone())),
                None => drop(snapshot.objects.remove(key.as_str())),
            }
        }
        snapshot.revision = revision;
        self.keep(&snapshot, current);
        Ok(snapshot)
    }

    fn keep(&self, snapshot: &Snapshot, current: Revision) {
        if snapshot.revision > current {
            return;
        }
        let mut historical = lock(&self.historical);
        historical.truncate(HISTORICAL_MAX - 1);
        historical.push_front(snapshot.clone());
    }
}

fn count_undecodable(snapshot: &Snapshot) -> usize {
    snapshot.objects.values().filter(|object| object.attrs.is_empty()).count()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attrs::Attrs;
    use crate::object::Key;
    use crate::watch_cache::event_window::EventWindow;
    use std::time::Duration;

    #[test]
    fn old_events_leave_though_nothing_pushes_them_out() {
        let window = EventWindow { age_max: Duration::from_secs(10), ..EventWindow::default() };
        let collection =
            Collection::new("/registry/a/", Snapshot::default(), EventLog::new(window, Revision(0)));
        let begin = Instant::now();
        let key = Key::new("/registry/a/b");
        let object = Object::new(key, Revision(2), Revision(2), "v".into(), Attrs::default());
        collection.log().push(Event::put(Arc::new(object), None));
        for (seconds, expected) in [(60, 1), (120, 0)] {
            collection.drop_old(begin + Duration::from_secs(seconds));
            let log = collection.log();
            assert_eq!(log.end() - log.start, expected);
        }
        assert!(collection.snapshot_at(Revision(1), Revision(2)).is_err());
        assert!(collection.snapshot_at(Revision(2), Revision(2)).is_ok());
    }
}
