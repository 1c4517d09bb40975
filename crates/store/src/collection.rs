//! One collection: the current snapshot, and the log of recent events that watchers follow.

use crate::Gone;
use crate::ages::Ages;
use crate::herald::Herald;
use crate::object::{Object, Revision};
use crate::routes::Routes;
use crate::snapshot::Snapshot;
use crate::watch::{Event, EventKind};
use arc_swap::ArcSwap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A collection of the store, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CollectionId(pub u32);

/// How far back the events of a collection reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Enough for a client that reconnects after minutes of moderate traffic.
    pub events_max: usize,
    /// What superseded objects may take that only events keep alive, whatever the size of the collection.
    pub bytes_min: usize,
    /// In large collections they may also take this part of what the current objects take: who writes to many
    /// large objects needs a window in proportion, and memory per object stays bounded.
    pub bytes_divisor: usize,
    /// What was replaced or deleted must leave memory at some time, also where little is written; as long as on disk.
    pub age_max: Duration,
}

impl Default for Window {
    fn default() -> Window {
        let age_max = Duration::from_secs(3600);
        Window { events_max: 20_000, bytes_min: 32 << 20, bytes_divisor: 8, age_max }
    }
}

/// Past snapshots that are kept for the next pages of paged lists.
const PAST_MAX: usize = 8;

pub(crate) struct Collection {
    pub prefix: String,
    current: ArcSwap<Snapshot>,
    log: Mutex<Log>,
    routes: Mutex<Routes>,
    past: Mutex<VecDeque<Snapshot>>,
    /// How many of the current objects have an empty digest: what is stored there could not be read.
    undecodable: AtomicUsize,
}

/// The recent events of a collection. Places are counted from the collection's first event, so that a follower's
/// position stays valid when old events leave.
#[derive(Default)]
pub(crate) struct Log {
    pub start: u64,
    events: VecDeque<Arc<Event>>,
    /// Bytes that events keep alive.
    bytes: usize,
    /// Bytes of the collection's current objects.
    live: usize,
    /// Events at or before this revision may be missing.
    pub floor: Revision,
    ages: Ages,
    window: Window,
}

impl Collection {
    pub fn new(prefix: &str, snapshot: Snapshot, mut log: Log) -> Collection {
        log.ages.note(Instant::now(), log.start);
        let undecodable = AtomicUsize::new(count_undecodable(&snapshot));
        Collection {
            undecodable,
            prefix: prefix.into(),
            current: ArcSwap::from_pointee(snapshot),
            log: Mutex::new(log),
            routes: Mutex::default(),
            past: Mutex::default(),
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    pub fn routes(&self) -> MutexGuard<'_, Routes> {
        lock(&self.routes)
    }

    /// Makes a committed batch visible: the snapshot first, so that who hears of an event finds it there. Who holds
    /// the log's lock sees snapshot and log agree.
    pub fn publish(&self, snapshot: Snapshot, events: Vec<Arc<Event>>, herald: &Herald) {
        let mut silent = Vec::new();
        let mut log = self.log();
        let lost = self.count_undecodable(&events).then_some(snapshot.revision);
        self.current.store(Arc::new(snapshot));
        {
            let routes = self.routes();
            for (event, place) in events.iter().zip(log.end()..) {
                routes.deliver(event, place, log.start, &mut silent);
            }
        }
        let now = Instant::now();
        let end = log.end();
        log.ages.note(now, end);
        events.into_iter().for_each(|event| log.push(event));
        log.forget_old(now);
        if let Some(revision) = lost {
            // No watch can tell what happened here: who follows must begin anew, and finds out.
            log.forget(revision);
        }
        let floor = log.floor;
        drop(log);
        lock(&self.past).retain(|snapshot| snapshot.revision >= floor);
        herald.announce(silent);
        if lost.is_some() {
            let routes = std::mem::take(&mut *self.routes());
            routes.lanes().for_each(|lane| lane.end_all());
        }
    }

    pub fn has_undecodable(&self) -> bool {
        self.undecodable.load(Ordering::Relaxed) > 0
    }

    /// Counts what came that cannot be read, and what went. Whether anything came.
    fn count_undecodable(&self, events: &[Arc<Event>]) -> bool {
        let mut came = false;
        for event in events {
            if event.kind != EventKind::Deleted && event.object.digest.is_empty() {
                came = true;
                self.undecodable.fetch_add(1, Ordering::Relaxed);
            }
            if event.previous.as_ref().is_some_and(|previous| previous.digest.is_empty()) {
                self.undecodable.fetch_sub(1, Ordering::Relaxed);
            }
        }
        came
    }

    /// Replaces the current objects by others of the same keys and revisions.
    pub fn replace(&self, snapshot: Snapshot) {
        let _log = self.log();
        self.undecodable.store(count_undecodable(&snapshot), Ordering::Relaxed);
        lock(&self.past).clear();
        self.current.store(Arc::new(snapshot));
    }

    /// Begins again with other objects: what happened in between is not known, so all watchers must begin anew.
    /// Tells by how much the objects grew and shrank.
    pub fn begin_anew(&self, snapshot: Snapshot) -> (usize, usize) {
        let mut log = self.log();
        lock(&self.past).clear();
        self.undecodable.store(count_undecodable(&snapshot), Ordering::Relaxed);
        let live = snapshot.objects.values().map(|object| object.size()).sum();
        let before = log.begin_anew(snapshot.revision, live);
        self.current.store(Arc::new(snapshot));
        let routes = std::mem::take(&mut *self.routes());
        drop(log);
        routes.lanes().for_each(|lane| lane.end_all());
        (live, before)
    }

    /// Lets go of events that are older than the window, where nothing new pushes them out.
    pub fn forget_old(&self, now: Instant) {
        let mut log = self.log();
        log.forget_old(now);
        let floor = log.floor;
        drop(log);
        lock(&self.past).retain(|snapshot| snapshot.revision >= floor);
    }

    /// Tells all watchers to look at what became of the store.
    pub fn wake_all(&self) {
        let now = Instant::now();
        self.routes().lanes().for_each(|lane| lane.tell(now));
    }

    /// What a write at a revision left, or took away.
    pub fn written(&self, key: &str, revision: Revision) -> Option<Arc<Object>> {
        let log = self.log();
        let place = log.place_after(Revision(revision.0.saturating_sub(1)));
        let mut events = log.from(place)?.take_while(|event| event.revision == revision);
        events.find(|event| event.object.key.as_str() == key).map(|event| event.object.clone())
    }

    /// The collection as it was at a past revision: recent events are undone, latest first.
    pub fn snapshot_at(&self, revision: Revision, current: Revision) -> Result<Snapshot, Gone> {
        let log = self.log();
        if revision < log.floor {
            return Err(Gone { oldest: log.floor, current });
        }
        if let Some(kept) = lock(&self.past).iter().find(|snapshot| snapshot.revision == revision) {
            return Ok(kept.clone());
        }
        let mut snapshot = Snapshot::clone(&self.current.load());
        let later: Vec<_> =
            log.events.iter().rev().take_while(|event| event.revision > revision).cloned().collect();
        // Undone without the lock: the writer does not wait for readers of the past.
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
        let mut past = lock(&self.past);
        past.truncate(PAST_MAX - 1);
        past.push_front(snapshot.clone());
    }
}

impl Log {
    pub fn new(window: Window, floor: Revision) -> Log {
        Log { window, floor, ..Log::default() }
    }

    pub fn push(&mut self, event: Arc<Event>) {
        self.bytes += kept_alive(&event);
        let (grown, shrunk) = growth(&event);
        self.live = (self.live + grown).saturating_sub(shrunk);
        self.events.push_back(event);
        let bytes_max = self.window.bytes_min + self.live / self.window.bytes_divisor.max(1);
        while self.events.len() > self.window.events_max || self.bytes > bytes_max {
            if self.pop().is_none() {
                break;
            }
        }
    }

    /// Lets go of the events at or before a revision.
    pub fn forget(&mut self, floor: Revision) {
        while self.events.front().is_some_and(|event| event.revision <= floor) {
            self.pop();
        }
        self.floor = self.floor.max(floor);
    }

    /// Lets go of the events that are older than the window.
    fn forget_old(&mut self, now: Instant) {
        let place = self.ages.old(now, self.window.age_max, self.end());
        while self.start < place && self.pop().is_some() {}
    }

    /// Forgets everything, so that even who had heard all of it finds that something is missing. Tells what the
    /// objects took before.
    fn begin_anew(&mut self, floor: Revision, live: usize) -> usize {
        self.start = self.end() + 1;
        self.events.clear();
        self.ages.clear();
        self.bytes = 0;
        self.floor = floor;
        std::mem::replace(&mut self.live, live)
    }

    fn pop(&mut self) -> Option<()> {
        let oldest = self.events.pop_front()?;
        self.bytes -= kept_alive(&oldest);
        self.floor = self.floor.max(oldest.revision);
        self.start += 1;
        Some(())
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
        self.events.get(usize::try_from(place.checked_sub(self.start)?).ok()?)
    }

    /// The events from a place on; `None` when some of them have left.
    pub fn from(&self, place: u64) -> Option<impl Iterator<Item = &Arc<Event>>> {
        let skip = usize::try_from(place.checked_sub(self.start)?).ok()?;
        Some(self.events.range(skip.min(self.events.len())..))
    }
}

/// The place of the collection of a prefix, which is made when it is new.
pub(crate) fn place(
    collections: &RwLock<Vec<Arc<Collection>>>,
    prefix: &str,
    window: Window,
    now: Revision,
) -> usize {
    let mut collections = collections.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = collections.iter().position(|collection| collection.prefix == prefix) {
        return place;
    }
    let snapshot = Snapshot { revision: now, ..Snapshot::default() };
    collections.push(Arc::new(Collection::new(prefix, snapshot, Log::new(window, now))));
    collections.len() - 1
}

fn count_undecodable(snapshot: &Snapshot) -> usize {
    snapshot.objects.values().filter(|object| object.digest.is_empty()).count()
}

/// Bytes that an event alone keeps alive: its own, and those of the state before it.
fn kept_alive(event: &Event) -> usize {
    size_of::<Event>() + event.previous.as_ref().map_or(0, |object| object.size())
}

/// By how much an event made the current objects grow, and shrink.
pub(crate) fn growth(event: &Event) -> (usize, usize) {
    let grown = if event.kind == EventKind::Deleted { 0 } else { event.object.size() };
    (grown, event.previous.as_ref().map_or(0, |previous| previous.size()))
}

/// The event of a write.
pub(crate) fn event(object: Arc<Object>, previous: Option<Arc<Object>>, is_deletion: bool) -> Arc<Event> {
    let kind = match (is_deletion, &previous) {
        (true, _) => EventKind::Deleted,
        (false, None) => EventKind::Added,
        (false, Some(_)) => EventKind::Modified,
    };
    Arc::new(Event { kind, revision: object.modified, object, previous })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Digest, Key};

    #[test]
    fn old_events_leave_though_nothing_pushes_them_out() {
        let window = Window { age_max: Duration::from_secs(10), ..Window::default() };
        let collection = Collection::new("/registry/a/", Snapshot::default(), Log::new(window, Revision(0)));
        let begin = Instant::now();
        let object =
            Object::new(Key::new("/registry/a/b"), Revision(2), Revision(2), "v".into(), Digest::default());
        collection.log().push(event(Arc::new(object), None, false));
        for (seconds, expected) in [(60, 1), (120, 0)] {
            collection.forget_old(begin + Duration::from_secs(seconds));
            assert_eq!(collection.log().events.len(), expected);
        }
        assert!(collection.snapshot_at(Revision(1), Revision(2)).is_err());
        assert!(collection.snapshot_at(Revision(2), Revision(2)).is_ok());
    }
}
