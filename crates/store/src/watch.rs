//! Watchers: each follows one collection, in order, without gaps and without repetitions.
//!
//! A watcher of everything follows the collection's log with a cursor. One that is interested in a single name,
//! namespace or field value is told the places of its events, so that an event costs only those who want it. Neither
//! keeps events: those stay in the log, and who is slower than the log's window must begin anew.

use crate::collection::{Collection, Log};
use crate::object::{Object, Revision};
use crate::routes::Queue;
use crate::snapshot::Snapshot;
use pintle_object::Text;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// One write, as watchers see it. Of a deletion, `object` is the last state at the deletion's revision.
#[derive(Debug)]
pub struct Event {
    pub kind: EventKind,
    pub revision: Revision,
    pub object: Arc<Object>,
    pub previous: Option<Arc<Object>>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFrom {
    Now,
    After(Revision),
    /// Everything that is there, as `Added` events, then what follows.
    InitialState,
}

/// What a watcher wants. An event is delivered when the object or its previous state fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub namespace: Option<Text>,
    pub name: Option<Text>,
    /// A selectable field, by its place in `Digest::fields`, and the value it must have.
    pub field: Option<(usize, Text)>,
}

impl Interest {
    pub fn fits(&self, object: &Object) -> bool {
        let digest = &object.digest;
        self.namespace.as_ref().is_none_or(|namespace| *namespace == digest.namespace)
            && self.name.as_ref().is_none_or(|name| *name == digest.name)
            && self.field.as_ref().is_none_or(|(place, value)| digest.fields.get(*place) == Some(value))
    }

    pub fn wants(&self, event: &Event) -> bool {
        self.fits(&event.object) || event.previous.as_ref().is_some_and(|previous| self.fits(previous))
    }

    fn is_everything(&self) -> bool {
        *self == Interest::default()
    }
}

/// What a watcher is told next.
#[derive(Clone, Debug)]
pub enum Step {
    Event(Arc<Event>),
    /// The initial state is complete as of this revision.
    InitialDone(Revision),
    /// The watcher fell too far behind; it must begin anew.
    TooSlow,
    /// The store is closing.
    Closed,
}

/// How many events a watcher takes from the log at a time.
const CHUNK: usize = 128;

/// Follows one collection from where the watch began.
pub struct Watcher {
    collection: Arc<Collection>,
    /// The store's revision, up to which everything is published.
    published: Arc<AtomicU64>,
    closing: watch::Receiver<bool>,
    interest: Interest,
    initial: Option<Initial>,
    /// Events at or before this revision are not the watcher's, whenever they come.
    after: Revision,
    source: Source,
    /// Taken from the log and not yet delivered.
    ready: VecDeque<Arc<Event>>,
    progress: Revision,
}

struct Initial {
    revision: Revision,
    objects: std::vec::IntoIter<Arc<Object>>,
}

enum Source {
    Log {
        place: u64,
        end: watch::Receiver<u64>,
    },
    /// `backlog`: places of the log that are still to be looked through, from before the queue was there.
    Queue {
        queue: Arc<Queue>,
        backlog: Range<u64>,
    },
}

enum Taken {
    Events,
    TooSlow,
    Nothing,
}

impl Watcher {
    pub(crate) fn new(
        collection: Arc<Collection>,
        published: Arc<AtomicU64>,
        closing: watch::Receiver<bool>,
        from: WatchFrom,
        interest: Interest,
    ) -> Result<Watcher, crate::Gone> {
        let current = Revision(published.load(Ordering::Acquire));
        // The log is locked while the queue is registered, so that no event falls between backlog and queue.
        let log = collection.log();
        let snapshot = collection.snapshot();
        let after = match from {
            WatchFrom::Now | WatchFrom::InitialState => snapshot.revision.max(current),
            WatchFrom::After(revision) if revision < log.floor => {
                return Err(crate::Gone { oldest: log.floor, current });
            }
            WatchFrom::After(revision) => revision,
        };
        let initial = (from == WatchFrom::InitialState).then(|| Initial::new(&snapshot, after, &interest));
        let places = log.place_after(after)..log.end();
        let source = if interest.is_everything() {
            Source::Log { place: places.start, end: collection.end.subscribe() }
        } else {
            let queue = Arc::new(Queue::new(interest.clone()));
            collection.routes().add(&queue);
            Source::Queue { queue, backlog: places }
        };
        drop(log);
        let progress = if initial.is_some() { Revision(0) } else { after };
        let ready = VecDeque::new();
        Ok(Watcher { collection, published, closing, interest, initial, after, source, ready, progress })
    }

    /// The next step; waits for it.
    pub async fn next(&mut self) -> Step {
        if let Some(step) = self.next_initial() {
            return step;
        }
        loop {
            // Without its sender the store is gone, closed or not.
            if *self.closing.borrow() || self.closing.has_changed().is_err() {
                return Step::Closed;
            }
            if let Some(event) = self.next_ready() {
                return Step::Event(event);
            }
            let published = Revision(self.published.load(Ordering::Acquire));
            match self.take() {
                Taken::Events => continue,
                Taken::TooSlow => return Step::TooSlow,
                // Nothing more up to what was published before looking.
                Taken::Nothing => self.progress = self.progress.max(published),
            }
            self.wait().await;
        }
    }

    /// The next step, when there is one already.
    pub fn try_next(&mut self) -> Option<Step> {
        if let Some(step) = self.next_initial() {
            return Some(step);
        }
        loop {
            if let Some(event) = self.next_ready() {
                return Some(Step::Event(event));
            }
            match self.take() {
                Taken::Events => {}
                Taken::TooSlow => return Some(Step::TooSlow),
                Taken::Nothing => return None,
            }
        }
    }

    /// Whether there may be a next step already; cheap. Only who follows a whole collection learns it this way.
    pub fn is_behind(&self) -> bool {
        let has_more = match &self.source {
            Source::Log { place, end } => *end.borrow() > *place,
            Source::Queue { .. } => true,
        };
        self.initial.is_some() || !self.ready.is_empty() || has_more
    }

    /// The revision up to which the watcher has been told everything; none before the initial state is complete.
    pub fn progress(&mut self) -> Revision {
        let published = Revision(self.published.load(Ordering::Acquire));
        if self.initial.is_none() && self.ready.is_empty() && matches!(self.take(), Taken::Nothing) {
            self.progress = self.progress.max(published);
        }
        if let Some(next) = self.ready.front() {
            // Several events may share a revision, so that one that was delivered says little.
            self.progress = self.progress.max(Revision(next.revision.0.saturating_sub(1)));
        }
        self.progress
    }

    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// How many steps of the initial state are left, its end not counted.
    pub fn initial_len(&self) -> usize {
        self.initial.as_ref().map_or(0, |initial| initial.objects.len())
    }

    fn next_initial(&mut self) -> Option<Step> {
        let initial = self.initial.as_mut()?;
        if let Some(object) = initial.objects.next() {
            let event = Event { kind: EventKind::Added, revision: object.modified, object, previous: None };
            return Some(Step::Event(Arc::new(event)));
        }
        let revision = initial.revision;
        self.progress = revision;
        self.initial = None;
        Some(Step::InitialDone(revision))
    }

    fn next_ready(&mut self) -> Option<Arc<Event>> {
        while let Some(event) = self.ready.pop_front() {
            if event.revision > self.after {
                self.progress = self.progress.max(Revision(event.revision.0.saturating_sub(1)));
                return Some(event);
            }
        }
        None
    }

    /// Takes some events from the log, if there are any.
    fn take(&mut self) -> Taken {
        match &mut self.source {
            Source::Log { place, .. } => {
                let log = self.collection.log();
                let Some(events) = log.from(*place) else { return Taken::TooSlow };
                self.ready.extend(events.take(CHUNK).cloned());
                *place += self.ready.len() as u64;
            }
            Source::Queue { queue, backlog } => {
                while self.ready.is_empty() && !backlog.is_empty() {
                    let log = self.collection.log();
                    if !look_through(&log, backlog, &self.interest, &mut self.ready) {
                        return Taken::TooSlow;
                    }
                }
                if self.ready.is_empty() && !take_waiting(&self.collection, queue, &mut self.ready) {
                    return Taken::TooSlow;
                }
            }
        }
        if self.ready.is_empty() { Taken::Nothing } else { Taken::Events }
    }

    async fn wait(&mut self) {
        let closing = self.closing.changed();
        match &mut self.source {
            Source::Log { place, end } => {
                let place = *place;
                let more = end.wait_for(|end| *end > place);
                either(more, closing).await;
            }
            Source::Queue { queue, .. } => either(queue.notify.notified(), closing).await,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Source::Queue { queue, .. } = &self.source {
            self.collection.routes().remove(queue);
        }
    }
}

impl Initial {
    fn new(snapshot: &Snapshot, revision: Revision, interest: &Interest) -> Initial {
        let objects: Vec<Arc<Object>> =
            snapshot.objects.values().filter(|object| interest.fits(object)).cloned().collect();
        Initial { revision, objects: objects.into_iter() }
    }
}

/// Takes the wanted among the next events of a backlog; false when they have left the log.
fn look_through(
    log: &Log,
    backlog: &mut Range<u64>,
    interest: &Interest,
    ready: &mut VecDeque<Arc<Event>>,
) -> bool {
    let Some(events) = log.from(backlog.start) else { return false };
    let count = (backlog.end - backlog.start).min(CHUNK as u64);
    ready.extend(events.take(CHUNK.min(count as usize)).filter(|event| interest.wants(event)).cloned());
    backlog.start += count;
    true
}

/// Takes some events whose places wait; false when they have left the log, or too many waited.
fn take_waiting(collection: &Collection, queue: &Queue, ready: &mut VecDeque<Arc<Event>>) -> bool {
    let mut waiting = queue.waiting();
    let count = waiting.places.len().min(CHUNK);
    let places: Vec<u64> = waiting.places.drain(..count).collect();
    let is_too_slow = waiting.is_too_slow;
    drop(waiting);
    if places.is_empty() {
        return !is_too_slow;
    }
    let log = collection.log();
    for place in places {
        let Some(event) = log.from(place).and_then(|mut events| events.next()) else {
            queue.waiting().fail();
            ready.clear();
            return false;
        };
        ready.push_back(event.clone());
    }
    true
}

/// Waits for whichever comes first.
async fn either<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    std::future::poll_fn(|context| {
        if a.as_mut().poll(context).is_ready() || b.as_mut().poll(context).is_ready() {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
}
