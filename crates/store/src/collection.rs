//! One collection: the current snapshot, and the log of recent events that watchers follow.

use crate::Gone;
use crate::object::{Object, Revision};
use crate::snapshot::Snapshot;
use crate::watch::{Event, EventKind, Routes};
use arc_swap::ArcSwap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A collection of the store, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CollectionId(pub u32);

/// Events kept per collection: enough for a client that reconnects after minutes of heavy traffic.
const EVENTS_MAX: usize = 20_000;
/// Bytes of superseded objects that the events of one collection may keep alive.
const EVENT_BYTES_MAX: usize = 32 << 20;

pub(crate) struct Collection {
    pub prefix: String,
    current: ArcSwap<Snapshot>,
    log: Mutex<Log>,
    /// Tells those who follow the whole log how far it reaches.
    pub end: watch::Sender<u64>,
    pub routes: Mutex<Routes>,
}

/// The recent events of a collection. Places are counted from the collection's first event, so that a follower's
/// position stays valid when old events leave.
#[derive(Default)]
pub(crate) struct Log {
    pub start: u64,
    pub events: VecDeque<Arc<Event>>,
    pub bytes: usize,
    /// Events at or before this revision may be missing.
    pub floor: Revision,
}

impl Collection {
    pub fn new(prefix: &str, snapshot: Snapshot, log: Log) -> Collection {
        let end = log.start + log.events.len() as u64;
        Collection {
            prefix: prefix.into(),
            current: ArcSwap::from_pointee(snapshot),
            log: Mutex::new(log),
            end: watch::Sender::new(end),
            routes: Mutex::default(),
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a committed batch visible: the snapshot first, so that who hears of an event finds it there. Who holds
    /// the log's lock sees snapshot and log agree.
    pub fn publish(&self, snapshot: Snapshot, events: Vec<Arc<Event>>) {
        let mut log = self.log();
        self.current.store(Arc::new(snapshot));
        {
            let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            events.iter().for_each(|event| routes.deliver(event));
        }
        events.into_iter().for_each(|event| log.push(event));
        let end = log.start + log.events.len() as u64;
        drop(log);
        self.end.send_replace(end);
    }

    /// The collection as it was at a past revision: recent events are undone, latest first.
    pub fn snapshot_at(&self, revision: Revision, current: Revision) -> Result<Snapshot, Gone> {
        let log = self.log();
        let mut snapshot = Snapshot::clone(&self.current.load());
        if revision < log.floor {
            return Err(Gone { oldest: log.floor, current });
        }
        for event in log.events.iter().rev().take_while(|event| event.revision > revision) {
            let key = &event.object.key;
            match &event.previous {
                Some(previous) => drop(snapshot.objects.insert(key.clone(), previous.clone())),
                None => drop(snapshot.objects.remove(key.as_str())),
            }
        }
        snapshot.revision = revision;
        Ok(snapshot)
    }
}

impl Log {
    pub fn push(&mut self, event: Arc<Event>) {
        self.bytes += event_size(&event);
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > EVENT_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= event_size(&oldest);
            self.floor = oldest.revision;
            self.start += 1;
        }
    }

    /// The place of the first event after a revision.
    pub fn place_after(&self, revision: Revision) -> u64 {
        self.start + self.events.partition_point(|event| event.revision <= revision) as u64
    }
}

fn event_size(event: &Event) -> usize {
    event.previous.as_ref().map_or(0, |object| object.size()) + 64
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
