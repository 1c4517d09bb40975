//! Watchers: each follows one collection, in order, without gaps and without repetitions.
//!
//! A watcher of everything follows the collection's log with a cursor. One that is interested in a single name,
//! namespace or field value has a queue of its own, so that an event costs only those who want it.

use crate::collection::Collection;
use crate::object::{Object, Revision};
use crate::snapshot::Snapshot;
use pintle_object::Text;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Notify, watch};

/// Events that may wait for one selective watcher; one that is further behind is told to begin anew.
const QUEUE_MAX: usize = 4096;

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

    /// The most selective route: a name, then a field, then a namespace.
    fn route(&self) -> Route {
        match (&self.name, &self.field, &self.namespace) {
            (Some(name), _, _) => Route::Name(name.clone()),
            (None, Some((place, value)), _) => Route::Field(*place, value.clone()),
            (None, None, Some(namespace)) => Route::Namespace(namespace.clone()),
            (None, None, None) => Route::Namespace(Text::const_new("")),
        }
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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Route {
    Name(Text),
    Field(usize, Text),
    Namespace(Text),
}

/// Which selective watchers want what.
#[derive(Default)]
pub(crate) struct Routes {
    watchers: HashMap<Route, Vec<Weak<Queue>>>,
    /// How many watchers select by each field.
    fields: HashMap<usize, usize>,
}

pub(crate) struct Queue {
    interest: Interest,
    waiting: Mutex<Waiting>,
    notify: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arc<Event>>,
    is_too_slow: bool,
}

impl Routes {
    fn add(&mut self, queue: &Arc<Queue>) {
        let route = queue.interest.route();
        if let Route::Field(place, _) = route {
            *self.fields.entry(place).or_default() += 1;
        }
        self.watchers.entry(route).or_default().push(Arc::downgrade(queue));
    }

    pub fn deliver(&mut self, event: &Arc<Event>) {
        if self.watchers.is_empty() {
            return;
        }
        let mut routes = Vec::with_capacity(4);
        for object in [Some(&event.object), event.previous.as_ref()].into_iter().flatten() {
            let digest = &object.digest;
            routes.push(Route::Name(digest.name.clone()));
            routes.push(Route::Namespace(digest.namespace.clone()));
            for place in self.fields.keys() {
                routes.extend(digest.fields.get(*place).map(|value| Route::Field(*place, value.clone())));
            }
        }
        for index in 0..routes.len() {
            let (before, rest) = routes.split_at(index);
            if let Some(route) = rest.first().filter(|route| !before.contains(route)) {
                self.deliver_to(route, event);
            }
        }
    }

    fn deliver_to(&mut self, route: &Route, event: &Arc<Event>) {
        let Some(watchers) = self.watchers.get_mut(route) else { return };
        watchers.retain(|watcher| match watcher.upgrade() {
            Some(queue) => {
                queue.push(event);
                true
            }
            None => false,
        });
        if watchers.is_empty() {
            self.watchers.remove(route);
            if let Route::Field(place, _) = route
                && let Some(count) = self.fields.get_mut(place)
            {
                *count = count.saturating_sub(1);
            }
        }
    }
}

impl Queue {
    fn push(&self, event: &Arc<Event>) {
        if !self.interest.wants(event) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.events.len() >= QUEUE_MAX {
            waiting.is_too_slow = true;
            waiting.events.clear();
        }
        if !waiting.is_too_slow {
            waiting.events.push_back(event.clone());
        }
        drop(waiting);
        self.notify.notify_one();
    }
}

/// Follows one collection from where the watch began.
pub struct Watcher {
    collection: Arc<Collection>,
    /// The store's revision, up to which everything is published.
    published: Arc<AtomicU64>,
    closing: watch::Receiver<bool>,
    interest: Interest,
    initial: Option<Initial>,
    source: Source,
    progress: Revision,
}

struct Initial {
    snapshot: Snapshot,
    objects: std::vec::IntoIter<Arc<Object>>,
}

enum Source {
    Log { place: u64, end: watch::Receiver<u64>, ready: VecDeque<Arc<Event>> },
    Queue { queue: Arc<Queue>, backlog: VecDeque<Arc<Event>> },
}

/// How many events of the log a watcher takes at a time.
const CHUNK: usize = 128;

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
            WatchFrom::Now => {
                log.events.back().map_or(snapshot.revision, |event| event.revision).max(current)
            }
            WatchFrom::InitialState => snapshot.revision.max(current),
            WatchFrom::After(revision) if revision < log.floor => {
                return Err(crate::Gone { oldest: log.floor, current });
            }
            WatchFrom::After(revision) => revision,
        };
        let initial = (from == WatchFrom::InitialState).then(|| Initial::new(&snapshot, after, &interest));
        // The initial state holds everything that the log held when it was taken.
        let place = match from {
            WatchFrom::After(revision) => log.place_after(revision),
            WatchFrom::Now | WatchFrom::InitialState => log.start + log.events.len() as u64,
        };
        let source = if interest.is_everything() {
            Source::Log { place, end: collection.end.subscribe(), ready: VecDeque::new() }
        } else {
            let queue = Arc::new(Queue {
                interest: interest.clone(),
                waiting: Mutex::default(),
                notify: Notify::new(),
            });
            collection.routes.lock().unwrap_or_else(PoisonError::into_inner).add(&queue);
            let skip = usize::try_from(place - log.start).unwrap_or(usize::MAX);
            let backlog =
                log.events.iter().skip(skip).filter(|event| interest.wants(event)).cloned().collect();
            Source::Queue { queue, backlog }
        };
        drop(log);
        Ok(Watcher { collection, published, closing, interest, initial, source, progress: after })
    }

    /// The next step; waits for it.
    pub async fn next(&mut self) -> Step {
        if let Some(step) = self.next_initial() {
            return step;
        }
        loop {
            if *self.closing.borrow() {
                return Step::Closed;
            }
            let published = Revision(self.published.load(Ordering::Acquire));
            match self.take() {
                Taken::Event(event) => {
                    self.progress = self.progress.max(event.revision);
                    return Step::Event(event);
                }
                Taken::TooSlow => return Step::TooSlow,
                // Nothing more up to what was published before looking.
                Taken::Nothing => self.progress = self.progress.max(published),
            }
            self.wait().await;
        }
    }

    /// The revision up to which the watcher has been told everything.
    pub fn progress(&mut self) -> Revision {
        if self.initial.is_none() {
            let published = Revision(self.published.load(Ordering::Acquire));
            if self.is_idle() {
                self.progress = self.progress.max(published);
            }
        }
        self.progress
    }

    fn next_initial(&mut self) -> Option<Step> {
        let initial = self.initial.as_mut()?;
        if let Some(object) = initial.objects.next() {
            let event = Event { kind: EventKind::Added, revision: object.modified, object, previous: None };
            return Some(Step::Event(Arc::new(event)));
        }
        let revision = initial.snapshot.revision;
        self.initial = None;
        Some(Step::InitialDone(revision))
    }

    fn is_idle(&self) -> bool {
        match &self.source {
            Source::Log { place, ready, .. } => {
                let log = self.collection.log();
                ready.is_empty() && *place == log.start + log.events.len() as u64
            }
            Source::Queue { queue, backlog } => {
                let waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                backlog.is_empty() && waiting.events.is_empty() && !waiting.is_too_slow
            }
        }
    }

    fn take(&mut self) -> Taken {
        match &mut self.source {
            Source::Log { place, ready, .. } => {
                if ready.is_empty() {
                    let log = self.collection.log();
                    let Some(skip) = place.checked_sub(log.start) else { return Taken::TooSlow };
                    ready.extend(
                        log.events
                            .iter()
                            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
                            .take(CHUNK)
                            .cloned(),
                    );
                    *place += ready.len() as u64;
                }
                ready.pop_front().map_or(Taken::Nothing, Taken::Event)
            }
            Source::Queue { queue, backlog } => {
                if let Some(event) = backlog.pop_front() {
                    return Taken::Event(event);
                }
                let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                match waiting.events.pop_front() {
                    Some(event) => Taken::Event(event),
                    None if waiting.is_too_slow => Taken::TooSlow,
                    None => Taken::Nothing,
                }
            }
        }
    }

    async fn wait(&mut self) {
        let closing = self.closing.changed();
        match &mut self.source {
            Source::Log { place, end, .. } => {
                let place = *place;
                let more = end.wait_for(|end| *end > place);
                either(more, closing).await;
            }
            Source::Queue { queue, .. } => either(queue.notify.notified(), closing).await,
        }
    }

    pub fn interest(&self) -> &Interest {
        &self.interest
    }
}

impl Initial {
    fn new(snapshot: &Snapshot, revision: Revision, interest: &Interest) -> Initial {
        let objects: Vec<Arc<Object>> =
            snapshot.objects.values().filter(|object| interest.fits(object)).cloned().collect();
        let snapshot = Snapshot { revision, ..snapshot.clone() };
        Initial { snapshot, objects: objects.into_iter() }
    }
}

enum Taken {
    Event(Arc<Event>),
    TooSlow,
    Nothing,
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
