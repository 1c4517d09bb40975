//! Watchers: each follows one collection, in order, without gaps and without repetitions.
//!
//! A watcher shares a lane with all that are interested in the same, and has a cursor there, so that an event costs
//! only those who want it. It keeps no events: those stay in the log, and who is slower than the log's window must
//! begin anew.

use crate::board::{Board, Segment};
use crate::collection::{Collection, Log};
use crate::lane::{Lane, Missed};
use crate::object::{Object, Revision};
use crate::snapshot::Snapshot;
use bytes::Bytes;
use pintle_object::Text;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

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
    /// What else must hold.
    pub filter: Option<Filter>,
}

/// A condition on an object. Two with the same text are the same: it is judged once for all who ask for it.
#[derive(Clone)]
pub struct Filter {
    pub text: Text,
    pub fits: Arc<dyn Fn(&Object) -> bool + Send + Sync>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

impl Interest {
    pub fn fits(&self, object: &Object) -> bool {
        let digest = &object.digest;
        self.namespace.as_ref().is_none_or(|namespace| *namespace == digest.namespace)
            && self.name.as_ref().is_none_or(|name| *name == digest.name)
            && self.field.as_ref().is_none_or(|(place, value)| digest.fields.get(*place) == Some(value))
            && self.filter.as_ref().is_none_or(|filter| (filter.fits)(object))
    }

    pub fn wants(&self, event: &Event) -> bool {
        self.fits(&event.object) || event.previous.as_ref().is_some_and(|previous| self.fits(previous))
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

/// What a watcher is told next, with its events encoded.
#[derive(Clone, Debug)]
pub enum Told {
    /// What was made of some events.
    Events(Bytes),
    InitialDone(Revision),
    TooSlow,
    Closed,
}

/// How many events a watcher takes from the log at a time.
const CHUNK: usize = 128;
/// Stored bytes of events that are encoded together, beyond which no further event is added.
const CHUNK_BYTES: usize = 64 << 10;

/// Follows one collection from where the watch began.
pub struct Watcher {
    collection: Arc<Collection>,
    /// The store's revision, up to which everything is published.
    published: Arc<AtomicU64>,
    is_closed: Arc<AtomicBool>,
    lane: Arc<Lane>,
    seat: usize,
    /// Shared with those who show events in the same way.
    board: Option<Arc<Board>>,
    initial: Option<Initial>,
    /// Events at or before this revision are not the watcher's, whenever they come.
    after: Revision,
    /// Places of the log that are still to be looked through, from before the watcher was on its lane.
    backlog: Range<u64>,
    /// The number on the lane of the event to take next.
    cursor: u64,
    /// Taken from the log and not yet delivered.
    ready: VecDeque<Arc<Event>>,
    progress: Revision,
}

struct Initial {
    revision: Revision,
    objects: std::vec::IntoIter<Arc<Object>>,
}

/// Where a watcher belongs.
pub(crate) struct Home {
    pub collection: Arc<Collection>,
    pub published: Arc<AtomicU64>,
    pub is_closed: Arc<AtomicBool>,
}

impl Watcher {
    pub(crate) fn new(
        home: Home,
        from: WatchFrom,
        interest: Interest,
        rendering: Option<Text>,
    ) -> Result<Watcher, crate::Gone> {
        let Home { collection, published, is_closed } = home;
        let current = Revision(published.load(Ordering::Acquire));
        // The log is locked until the watcher is on its lane, so that no event falls between backlog and lane.
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
        let backlog = log.place_after(after)..log.end();
        // Who watches from the future passes over events that others are told of.
        let rendering = rendering.filter(|_| after <= snapshot.revision.max(current));
        let mut routes = collection.routes();
        let lane = routes.lane(&interest);
        let (seat, cursor) = (lane.join(), lane.end());
        let board = rendering.map(|rendering| lane.join_board(rendering));
        drop(routes);
        drop(log);
        let progress = if initial.is_some() { Revision(0) } else { after };
        let ready = VecDeque::new();
        Ok(Watcher {
            collection,
            published,
            is_closed,
            lane,
            seat,
            board,
            initial,
            after,
            backlog,
            cursor,
            ready,
            progress,
        })
    }

    /// The next step; waits for it.
    pub async fn next(&mut self) -> Step {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        loop {
            if self.is_closed() && self.initial.is_none() {
                return Poll::Ready(Step::Closed);
            }
            if let Some(step) = self.try_next() {
                return Poll::Ready(step);
            }
            std::task::ready!(self.poll_more(context));
        }
    }

    /// The next step, when there is one already.
    pub fn try_next(&mut self) -> Option<Step> {
        if let Some(initial) = &mut self.initial {
            let Some(event) = initial.next() else { return Some(Step::InitialDone(self.end_initial())) };
            return Some(Step::Event(event));
        }
        match self.take(self.lane.end()) {
            Ok(()) => self.ready.pop_front().map(|event| Step::Event(self.told_of(event))),
            Err(Missed) => Some(Step::TooSlow),
        }
    }

    /// Some of what comes next, with `encode` made of events; watchers of the same interest and rendering share it.
    /// While events keep coming, they come several at a time.
    pub fn poll_told(
        &mut self,
        context: &mut Context<'_>,
        encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes,
    ) -> Poll<Told> {
        loop {
            if self.initial.is_some() {
                return Poll::Ready(self.initial_told(encode));
            }
            if self.is_closed() {
                return Poll::Ready(Told::Closed);
            }
            match self.next_bytes(encode) {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => return Poll::Ready(Told::Events(bytes)),
                Ok(None) => std::task::ready!(self.poll_more(context)),
                Err(Missed) => return Poll::Ready(Told::TooSlow),
            }
        }
    }

    /// Whether there may be a next step already; cheap.
    pub fn is_behind(&self) -> bool {
        self.lane.end() > self.cursor
            || self.lane.is_over()
            || !self.ready.is_empty()
            || !self.backlog.is_empty()
            || self.initial.is_some()
    }

    /// The revision up to which the watcher has been told everything; none before the initial state is complete.
    pub fn progress(&mut self) -> Revision {
        let published = Revision(self.published.load(Ordering::Acquire));
        if self.initial.is_none() && self.take(self.lane.end()).is_ok() {
            self.progress = match self.ready.front() {
                // Several events may share a revision, so that one that was delivered says little.
                Some(next) => self.progress.max(before(next.revision)),
                None => self.progress.max(published),
            }
        }
        self.progress
    }

    pub fn interest(&self) -> &Interest {
        &self.lane.interest
    }

    /// How many steps of the initial state are left, its end not counted.
    pub fn initial_len(&self) -> usize {
        self.initial.as_ref().map_or(0, |initial| initial.objects.len())
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Ready when there may be more to take.
    fn poll_more(&mut self, context: &Context<'_>) -> Poll<()> {
        // Who closes the store says so first and then wakes those who wait.
        let has_more = self.lane.wait(self.seat, self.cursor, context.waker()) || self.is_closed();
        if has_more { Poll::Ready(()) } else { Poll::Pending }
    }

    fn end_initial(&mut self) -> Revision {
        let revision = self.initial.take().map_or(self.progress, |initial| initial.revision);
        self.progress = revision;
        revision
    }

    fn initial_told(&mut self, encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes) -> Told {
        let events = self.initial.as_mut().map(|initial| bounded(std::iter::from_fn(|| initial.next())));
        match events.filter(|events| !events.is_empty()) {
            Some(events) => Told::Events(encode(&events)),
            None => Told::InitialDone(self.end_initial()),
        }
    }

    /// The next events that the watcher has been told of, encoded; none when it has taken them all.
    fn next_bytes(
        &mut self,
        encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes,
    ) -> Result<Option<Bytes>, Missed> {
        let told = self.lane.told();
        if self.ready.is_empty()
            && self.backlog.is_empty()
            && let Some(board) = &self.board
        {
            if told <= self.cursor && !self.lane.is_over() {
                return Ok(None);
            }
            let segment = board.segment(self.cursor, || self.make_segment(told, encode))?;
            self.cursor = segment.end;
            return Ok(Some(segment.bytes));
        }
        self.take(told)?;
        let events = bounded(std::iter::from_fn(|| self.ready.pop_front()));
        let Some(last) = events.last() else { return Ok(None) };
        self.progress = self.progress.max(before(last.revision));
        Ok(Some(encode(&events)))
    }

    fn make_segment(
        &self,
        end: u64,
        encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes,
    ) -> Result<Segment, Missed> {
        let events = bounded(self.on_lane(end)?.into_iter());
        let end = self.cursor + events.len() as u64;
        Ok(Segment { start: self.cursor, end, bytes: encode(&events) })
    }

    fn told_of(&mut self, event: Arc<Event>) -> Arc<Event> {
        self.progress = self.progress.max(before(event.revision));
        event
    }

    /// Sees to it that some events are ready, when there are any up to a number on the lane.
    fn take(&mut self, end: u64) -> Result<(), Missed> {
        while self.ready.is_empty() && !self.backlog.is_empty() {
            let log = self.collection.log();
            look_through(&log, &mut self.backlog, &self.lane.interest, &mut self.ready)?;
        }
        while self.ready.is_empty() && (end > self.cursor || self.lane.is_over()) {
            let events = self.on_lane(end)?;
            self.cursor += events.len() as u64;
            self.ready.extend(events.into_iter().filter(|event| event.revision > self.after));
        }
        Ok(())
    }

    /// The next events on the lane, before a number.
    fn on_lane(&self, end: u64) -> Result<Vec<Arc<Event>>, Missed> {
        let places = self.lane.places(self.cursor, end, CHUNK)?;
        let log = self.collection.log();
        places.into_iter().map(|place| log.at(place).cloned().ok_or(Missed)).collect()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut routes = self.collection.routes();
        if let Some(board) = &self.board {
            self.lane.leave_board(board);
        }
        if self.lane.leave(self.seat) {
            routes.remove(&self.lane);
        }
    }
}

impl Initial {
    fn new(snapshot: &Snapshot, revision: Revision, interest: &Interest) -> Initial {
        let objects: Vec<Arc<Object>> =
            snapshot.objects.values().filter(|object| interest.fits(object)).cloned().collect();
        Initial { revision, objects: objects.into_iter() }
    }

    fn next(&mut self) -> Option<Arc<Event>> {
        let object = self.objects.next()?;
        Some(Arc::new(Event { kind: EventKind::Added, revision: object.modified, object, previous: None }))
    }
}

/// As many events as are encoded together.
fn bounded(events: impl Iterator<Item = Arc<Event>>) -> Vec<Arc<Event>> {
    let mut bytes = 0;
    let mut taken = Vec::new();
    for event in events {
        bytes += event.object.value.len();
        taken.push(event);
        if bytes >= CHUNK_BYTES || taken.len() == CHUNK {
            break;
        }
    }
    taken
}

fn before(revision: Revision) -> Revision {
    Revision(revision.0.saturating_sub(1))
}

/// Takes the wanted among the next events of a backlog.
fn look_through(
    log: &Log,
    backlog: &mut Range<u64>,
    interest: &Interest,
    ready: &mut VecDeque<Arc<Event>>,
) -> Result<(), Missed> {
    let events = log.from(backlog.start).ok_or(Missed)?;
    let count = (backlog.end - backlog.start).min(CHUNK as u64);
    ready.extend(events.take(CHUNK.min(count as usize)).filter(|event| interest.wants(event)).cloned());
    backlog.start += count;
    Ok(())
}
