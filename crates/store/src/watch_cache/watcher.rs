//! Watchers: each follows one collection, in order, without gaps and without repetitions.
//!
//! A watcher shares a group with all watchers of the same predicate, and has a cursor there, so that an event costs
//! nothing for others. It keeps no events: those stay in the collection's window, and a watcher that falls behind the
//! window has lagged, and its client starts again.

use crate::object::{Object, Revision};
use crate::watch_cache::collection::Collection;
use crate::watch_cache::encoded_events::{EncodedEvents, EncodedRange};
use crate::watch_cache::event::Event;
use crate::watch_cache::event_window::{EventLog, Lagged};
use crate::watch_cache::predicate::WatchPredicate;
use crate::watch_cache::snapshot::Snapshot;
use crate::watch_cache::watch_group::WatchGroup;
use bytes::Bytes;
use pintle_object::Text;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

/// The start of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFrom {
    Now,
    After(Revision),
    /// All current objects, as `Added` events, then later events.
    InitialState,
}

/// The next item of a watch: of single events, or of the encoding of several.
#[derive(Clone, Debug)]
pub enum WatchItem<T = Arc<Event>> {
    Event(T),
    /// The initial state is complete as of this revision.
    InitialEventsEnd(Revision),
    /// The watcher fell behind the event window, or the collection was read again.
    Lagged,
    /// The store is closing.
    Closed,
}

/// The events that a watcher takes from the log at a time.
const CHUNK: usize = 128;
/// Stored bytes of events that are encoded together, beyond which no further event is added.
const CHUNK_BYTES: usize = 64 << 10;

/// Follows one collection from where the watch began.
pub struct Watcher {
    collection: Arc<Collection>,
    /// The store's revision, up to which everything is published.
    published: Arc<AtomicU64>,
    is_closed: Arc<AtomicBool>,
    group: Arc<WatchGroup>,
    slot: usize,
    /// Shared with the watchers that encode events in the same way.
    encoded: Option<Arc<EncodedEvents>>,
    initial: Option<Initial>,
    /// Events at or before this revision are not the watcher's, whenever they come.
    after: Revision,
    /// Places in the log that are still to be searched, from before the watcher joined its group.
    backlog: Range<u64>,
    /// The number in the group of the event to take next.
    cursor: u64,
    /// Taken from the log and not yet delivered.
    ready: VecDeque<Arc<Event>>,
    progress: Revision,
}

struct Initial {
    revision: Revision,
    objects: std::vec::IntoIter<Arc<Object>>,
}

/// The parts of the store that a watcher follows.
pub(crate) struct Followed {
    pub collection: Arc<Collection>,
    pub published: Arc<AtomicU64>,
    pub is_closed: Arc<AtomicBool>,
}

impl Watcher {
    pub(crate) fn new(
        followed: Followed,
        from: WatchFrom,
        predicate: WatchPredicate,
        rendering: Option<Text>,
    ) -> Result<Watcher, crate::Gone> {
        let Followed { collection, published, is_closed } = followed;
        let current = Revision(published.load(Ordering::Acquire));
        // The log is locked until the watcher has joined its group, so that no event falls between backlog and group.
        let log = collection.log();
        let snapshot = collection.snapshot();
        let after = match from {
            WatchFrom::Now | WatchFrom::InitialState => snapshot.revision.max(current),
            WatchFrom::After(revision) if revision < log.compacted_revision => {
                return Err(crate::Gone { oldest: log.compacted_revision, current });
            }
            WatchFrom::After(revision) => revision,
        };
        let initial = (from == WatchFrom::InitialState).then(|| Initial::new(&snapshot, after, &predicate));
        let backlog = log.place_after(after)..log.end();
        // A watch from the future leaves out events that others of its group get.
        let rendering = rendering.filter(|_| after <= snapshot.revision.max(current));
        let mut dispatcher = collection.dispatcher();
        let group = dispatcher.group(&predicate);
        let (slot, cursor) = (group.join(), group.end());
        let encoded = rendering.map(|rendering| group.join_encoded(rendering));
        drop(dispatcher);
        drop(log);
        let progress = if initial.is_some() { Revision(0) } else { after };
        let ready = VecDeque::new();
        Ok(Watcher {
            collection,
            published,
            is_closed,
            group,
            slot,
            encoded,
            initial,
            after,
            backlog,
            cursor,
            ready,
            progress,
        })
    }

    /// The next item; waits for it.
    pub async fn next(&mut self) -> WatchItem {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The next item, without being encoded for others to share.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<WatchItem> {
        loop {
            if self.is_closed() && self.initial.is_none() {
                return Poll::Ready(WatchItem::Closed);
            }
            if let Some(item) = self.try_next() {
                return Poll::Ready(item);
            }
            std::task::ready!(self.poll_more(context));
        }
    }

    /// The next item, when there is one already.
    pub fn try_next(&mut self) -> Option<WatchItem> {
        if let Some(initial) = &mut self.initial {
            let event = initial.next().map(WatchItem::Event);
            return Some(event.unwrap_or_else(|| WatchItem::InitialEventsEnd(self.end_initial())));
        }
        match self.take(self.group.end()) {
            Ok(()) => self.ready.pop_front().map(|event| WatchItem::Event(self.delivered(event))),
            Err(Lagged) => Some(WatchItem::Lagged),
        }
    }

    /// The next item, with events as `encode` encodes them; watchers of the same predicate and rendering share the
    /// encoding. While events keep coming, they come several at a time.
    pub fn poll_encoded(
        &mut self,
        context: &mut Context<'_>,
        encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes,
    ) -> Poll<WatchItem<Bytes>> {
        loop {
            if self.initial.is_some() {
                return Poll::Ready(self.encode_initial(encode));
            }
            if self.is_closed() {
                return Poll::Ready(WatchItem::Closed);
            }
            match self.next_bytes(encode) {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => return Poll::Ready(WatchItem::Event(bytes)),
                Ok(None) => std::task::ready!(self.poll_more(context)),
                Err(Lagged) => return Poll::Ready(WatchItem::Lagged),
            }
        }
    }

    /// Whether there may be a next item already; cheap.
    pub fn is_behind(&self) -> bool {
        self.group.end() > self.cursor
            || self.group.is_over()
            || !self.ready.is_empty()
            || !self.backlog.is_empty()
            || self.initial.is_some()
    }

    /// The revision up to which everything was delivered; zero before the initial state is complete.
    pub fn progress(&mut self) -> Revision {
        let published = Revision(self.published.load(Ordering::Acquire));
        if self.initial.is_none() && self.take(self.group.end()).is_ok() {
            self.progress = match self.ready.front() {
                // Several events may share a revision, so that one that was delivered says little.
                Some(next) => self.progress.max(before(next.revision)),
                None => self.progress.max(published),
            }
        }
        self.progress
    }

    pub fn predicate(&self) -> &WatchPredicate {
        &self.group.predicate
    }

    /// The events of the initial state that are left, its end not counted.
    pub fn initial_len(&self) -> usize {
        self.initial.as_ref().map_or(0, |initial| initial.objects.len())
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Ready when there may be more to take.
    fn poll_more(&mut self, context: &Context<'_>) -> Poll<()> {
        // A store that closes sets the flag first and wakes the watchers then.
        let has_more = self.group.wait(self.slot, self.cursor, context.waker()) || self.is_closed();
        if has_more { Poll::Ready(()) } else { Poll::Pending }
    }

    fn end_initial(&mut self) -> Revision {
        let revision = self.initial.take().map_or(self.progress, |initial| initial.revision);
        self.progress = revision;
        revision
    }

    fn encode_initial(&mut self, encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes) -> WatchItem<Bytes> {
        let events = self.initial.as_mut().map(|initial| bounded(std::iter::from_fn(|| initial.next())));
        match events.filter(|events| !events.is_empty()) {
            Some(events) => WatchItem::Event(encode(&events)),
            None => WatchItem::InitialEventsEnd(self.end_initial()),
        }
    }

    /// The next events that the group was notified of, encoded; none when the watcher has taken them all.
    fn next_bytes(
        &mut self,
        encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes,
    ) -> Result<Option<Bytes>, Lagged> {
        let notified = self.group.notified();
        if self.ready.is_empty()
            && self.backlog.is_empty()
            && let Some(encoded) = &self.encoded
        {
            if notified <= self.cursor && !self.group.is_over() {
                return Ok(None);
            }
            let range = encoded.range(self.cursor, || self.encode_range(notified, encode))?;
            self.cursor = range.end;
            return Ok(Some(range.bytes));
        }
        self.take(notified)?;
        let events = bounded(std::iter::from_fn(|| self.ready.pop_front()));
        let Some(last) = events.last() else { return Ok(None) };
        self.progress = self.progress.max(before(last.revision));
        Ok(Some(encode(&events)))
    }

    fn encode_range(
        &self,
        end: u64,
        encode: &mut dyn FnMut(&[Arc<Event>]) -> Bytes,
    ) -> Result<EncodedRange, Lagged> {
        let events = bounded(self.in_group(end)?.into_iter());
        let end = self.cursor + events.len() as u64;
        Ok(EncodedRange { start: self.cursor, end, bytes: encode(&events) })
    }

    fn delivered(&mut self, event: Arc<Event>) -> Arc<Event> {
        self.progress = self.progress.max(before(event.revision));
        event
    }

    /// Makes some events ready, when there are any up to a number in the group.
    fn take(&mut self, end: u64) -> Result<(), Lagged> {
        while self.ready.is_empty() && !self.backlog.is_empty() {
            let log = self.collection.log();
            search(&log, &mut self.backlog, &self.group.predicate, &mut self.ready)?;
        }
        while self.ready.is_empty() && (end > self.cursor || self.group.is_over()) {
            let events = self.in_group(end)?;
            self.cursor += events.len() as u64;
            self.ready.extend(events.into_iter().filter(|event| event.revision > self.after));
        }
        Ok(())
    }

    /// The next events of the group, before a number.
    fn in_group(&self, end: u64) -> Result<Vec<Arc<Event>>, Lagged> {
        let places = self.group.places(self.cursor, end, CHUNK)?;
        let log = self.collection.log();
        places.into_iter().map(|place| log.at(place).cloned().ok_or(Lagged)).collect()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut dispatcher = self.collection.dispatcher();
        if let Some(encoded) = &self.encoded {
            self.group.leave_encoded(encoded);
        }
        if self.group.leave(self.slot) {
            dispatcher.remove(&self.group);
        }
    }
}

impl Initial {
    fn new(snapshot: &Snapshot, revision: Revision, predicate: &WatchPredicate) -> Initial {
        let objects: Vec<Arc<Object>> =
            snapshot.objects.values().filter(|object| predicate.matches(object)).cloned().collect();
        Initial { revision, objects: objects.into_iter() }
    }

    fn next(&mut self) -> Option<Arc<Event>> {
        self.objects.next().map(Event::initial)
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

/// Takes the matching among the next events of a backlog.
fn search(
    log: &EventLog,
    backlog: &mut Range<u64>,
    predicate: &WatchPredicate,
    ready: &mut VecDeque<Arc<Event>>,
) -> Result<(), Lagged> {
    let events = log.from(backlog.start).ok_or(Lagged)?;
    let count = (backlog.end - backlog.start).min(CHUNK as u64);
    ready.extend(
        events.take(CHUNK.min(count as usize)).filter(|event| predicate.matches_event(event)).cloned(),
    );
    backlog.start += count;
    Ok(())
}
