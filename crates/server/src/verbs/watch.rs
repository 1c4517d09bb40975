//! A watch: events as they come, framed for the client.

use crate::answers::Answers;
use crate::app::App;
use crate::leaving::OpenWatch;
use crate::metrics::WatchEvents;
use crate::negotiate::{self, Accept, AcceptedView, Format};
use crate::permits::Requester;
use crate::representation;
use crate::request::Request;
use crate::resolve::Route;
use crate::response::{Body, Parts, Response};
use crate::spans::{self, InitialSpans};
use bytes::Bytes;
use pintle_access::User;
use pintle_engine::options::ListOptions;
use pintle_engine::{Engine, ObjectRef, Selection, ServedResource, TableStyle, Watch, WatchEvent, WatchItem};
use pintle_metrics::Histogram;
use pintle_object::{Status, Text, Value, json};
use pintle_schema::decode;
use pintle_schema::encode::list::watch_frame;
use pintle_store::Revision;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The time between two bookmarks of a watch that asked for them.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the end of a watch.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// The time between two tries to find room for a watch's events, and the longest wait for it.
const ROOM_EVERY: Duration = Duration::from_millis(50);
const ROOM_WAIT_MAX: Duration = Duration::from_secs(30);
/// The room that is needed before a part of the initial state is encoded: about the size of a part.
const INITIAL_PART_BYTES: usize = 64 << 10;
/// The duration of a watch without an end.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

pub async fn watch(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    route: &Route,
) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let served = target.served;
    let options = ListOptions::read_watch(&request.query, app.options.watch_list)?;
    let selection = Selection::compile(served, &options, target.name)?;
    let served = route.served.clone();
    let rendering = rendering(&served, accept);
    let watch = app.engine.watch(&served, target.namespace, &options, selection, rendering).await?;
    let style = match accept.view {
        AcceptedView::Table => Some(representation::style(request)?),
        AcceptedView::Object | AcceptedView::Partial | AcceptedView::PartialList => None,
    };
    if !accept.format.is_streamed() {
        return Err(negotiate::not_streamed());
    }
    let media_type = match accept.format {
        Format::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        Format::Json | Format::Yaml => "application/json",
    };
    let now = Instant::now();
    let end = now + timeout(options.timeout_seconds, app.options.watch_min);
    let bookmark = next_bookmark(now, end);
    let frames = Frames {
        watch,
        writer: WatchWriter { engine: app.engine.clone(), served, accept, style },
        bookmarks: options.allow_watch_bookmarks,
        alarm: Box::pin(tokio::time::sleep_until(bookmark.min(end))),
        bookmark,
        end,
        is_over: false,
        open: app.leaving.begin_watch(),
        is_leaving: false,
        room: Room { answers: app.answers.clone(), user: request.user.clone(), waiting: None },
        events: app.metrics.watch_events(request),
        initial: (Instant::now(), app.metrics.watch_list(request)),
        spans: spans::watch_list(request, media_type),
    };
    let mut response = Response::new(200, media_type, Bytes::new());
    response.body = Body::Stream(Box::new(frames));
    Ok(response)
}

/// The key of an encoding of events, under which watches with the same encoding share bytes. Rows of tables show ages
/// as of the request, and are not shared. As long as a watch shows events of a resource, its entry keeps its address.
fn rendering(served: &Arc<ServedResource>, accept: Accept) -> Option<Text> {
    let Accept { view, format, version, .. } = accept;
    let text = || Text::from(format!("{:p} {format:?} {view:?} {version}", Arc::as_ptr(served)));
    (view != AcceptedView::Table).then(text)
}

/// Watches that do not say when they end last between once and twice `min`, by chance, so that not all clients come
/// back at once.
fn timeout(asked_seconds: Option<i64>, min: Duration) -> Duration {
    match asked_seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ if min.is_zero() => FOREVER,
        _ => min + min.mul_f64(chance()),
    }
}

/// A number from zero to one. Each state hashes the same to something else.
fn chance() -> f64 {
    let hash = RandomState::new().hash_one(());
    f64::from((hash >> 32) as u32) / f64::from(u32::MAX)
}

/// Every minute, and shortly before the end.
fn next_bookmark(now: Instant, end: Instant) -> Instant {
    let last = end.checked_sub(BOOKMARK_BEFORE_END).filter(|last| *last > now);
    let next = now + BOOKMARK_INTERVAL;
    last.map_or(next, |last| last.min(next))
}

/// The frames of a watch, made when the connection has room for them.
struct Frames {
    /// Dropped before the writer: shared encodings go by the address of the resource's entry.
    watch: Watch,
    writer: WatchWriter,
    bookmarks: bool,
    /// Goes off at the next bookmark, or at the end.
    alarm: Pin<Box<Sleep>>,
    bookmark: Instant,
    end: Instant,
    is_over: bool,
    open: OpenWatch,
    /// Whether it knows that the server leaves.
    is_leaving: bool,
    room: Room,
    events: WatchEvents,
    /// The start of the watch, and the histogram of the time until its initial events are sent.
    initial: (Instant, Histogram),
    /// The spans of the initial events, until those are sent.
    spans: Option<Box<InitialSpans>>,
}

/// The room for a watch's events in the memory of all answers.
struct Room {
    answers: Answers,
    user: Arc<User>,
    waiting: Option<WaitingWatch>,
}

struct WaitingWatch {
    /// None while nothing is encoded: the initial state can wait in the cache.
    bytes: Option<Bytes>,
    since: Instant,
    again: Pin<Box<Sleep>>,
}

impl Room {
    /// Waits until there is room for a part of the initial state, which is encoded only then: many watches that begin
    /// together would hold as many parts. Whether there was room in time.
    fn poll_free(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.waiting.is_none() {
            if self.is_free() {
                return Poll::Ready(true);
            }
            self.wait(None);
        }
        self.poll_waiting(context).map(|found| found.is_some())
    }

    /// The bytes when there is room for them; none when there has not been for too long.
    fn poll_hold(&mut self, context: &mut Context<'_>, bytes: Bytes) -> Poll<Option<Bytes>> {
        match self.answers.try_hold(Requester::of(&self.user), bytes) {
            Ok(held) => Poll::Ready(Some(held)),
            Err(bytes) => {
                self.wait(Some(bytes));
                self.poll_waiting(context)
            }
        }
    }

    fn is_free(&self) -> bool {
        self.answers.try_permit(Requester::of(&self.user), INITIAL_PART_BYTES).is_some()
    }

    fn wait(&mut self, bytes: Option<Bytes>) {
        let again = Box::pin(tokio::time::sleep(ROOM_EVERY));
        self.waiting = Some(WaitingWatch { bytes, since: Instant::now(), again });
    }

    /// Looks for room again: the bytes that waited for it, empty when none are encoded yet.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while let Some(mut waiting) = self.waiting.take() {
            if waiting.again.as_mut().poll(context).is_pending() {
                self.waiting = Some(waiting);
                return Poll::Pending;
            }
            let found = match waiting.bytes.take() {
                None if self.is_free() => Ok(Bytes::new()),
                None => Err(None),
                Some(bytes) => self.answers.try_hold(Requester::of(&self.user), bytes).map_err(Some),
            };
            match found {
                Ok(held) => return Poll::Ready(Some(held)),
                Err(_) if waiting.since.elapsed() > ROOM_WAIT_MAX => return Poll::Ready(None),
                Err(bytes) => {
                    waiting.again.as_mut().reset(Instant::now() + ROOM_EVERY);
                    self.waiting = Some(WaitingWatch { bytes, ..waiting });
                }
            }
        }
        Poll::Ready(None)
    }
}

impl Parts for Frames {
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if !self.is_leaving {
            self.leave_with_server();
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            if let Some(part) = self.on_alarm() {
                return Poll::Ready(part);
            }
        }
        if self.room.waiting.as_ref().is_some_and(|waiting| waiting.bytes.is_some()) {
            let held = ready!(self.room.poll_waiting(context));
            return Poll::Ready(self.held(held));
        }
        if self.watch.initial_len() > 0 && !ready!(self.room.poll_free(context)) {
            return Poll::Ready(self.held(None));
        }
        let writer = &mut self.writer;
        let item = self.watch.poll_item(context, &mut |watch_event, out| writer.event(watch_event, out));
        Poll::Ready(match ready!(item) {
            // No object is a list: upstream cannot show it, and ends.
            WatchItem::Events(_) | WatchItem::InitialEventsEnd(_)
                if self.writer.accept.view == AcceptedView::PartialList =>
            {
                self.is_over = true;
                None
            }
            WatchItem::Events(bytes) => {
                count(&bytes, self.writer.accept.format, &self.events);
                let held = ready!(self.room.poll_hold(context, bytes));
                self.held(held)
            }
            WatchItem::InitialEventsEnd(revision) => {
                let (began, measure) = &self.initial;
                measure.observe(began.elapsed().as_secs_f64());
                self.spans = None;
                Some(self.writer.bookmark(revision, true))
            }
            WatchItem::Failed(status) => {
                self.is_over = true;
                Some(self.writer.failure(&status))
            }
            WatchItem::Closed => None,
        })
    }
}

impl Frames {
    /// Ends a watch whose events found no room, so that its client starts again.
    fn held(&mut self, held: Option<Bytes>) -> Option<Bytes> {
        self.is_over = held.is_none();
        held
    }

    /// Once the server leaves, the watch ends at a moment of its own within the time that watches have.
    fn leave_with_server(&mut self) {
        let Some(within) = self.open.ends_within() else { return };
        self.is_leaving = true;
        self.end = self.end.min(Instant::now() + within.mul_f64(chance()));
        self.alarm.as_mut().reset(self.bookmark.min(self.end));
    }

    /// The end, or a bookmark if one is wanted.
    fn on_alarm(&mut self) -> Option<Option<Bytes>> {
        let now = Instant::now();
        if now >= self.end {
            self.is_over = true;
            return Some(None);
        }
        self.bookmark = next_bookmark(now, self.end);
        self.alarm.as_mut().reset(self.bookmark.min(self.end));
        let progress = self.watch.progress().filter(|revision| self.bookmarks && revision.0 > 0);
        progress.map(|revision| Some(self.writer.bookmark(revision, false)))
    }
}

/// Counts the events in encoded frames: lines of JSON, or messages after their lengths.
fn count(mut frames: &[u8], format: Format, events: &WatchEvents) {
    while !frames.is_empty() {
        let len = match (format, frames.first_chunk()) {
            (Format::Protobuf, Some(len)) => 4 + u32::from_be_bytes(*len) as usize,
            _ => memchr::memchr(b'\n', frames).map_or(frames.len(), |end| end + 1),
        };
        events.observe(len.min(frames.len()));
        frames = frames.get(len..).unwrap_or_default();
    }
}

/// Writes events in the accepted format.
struct WatchWriter {
    engine: Arc<Engine>,
    served: Arc<ServedResource>,
    accept: Accept,
    /// For tables; the first event carries the columns.
    style: Option<TableStyle>,
}

impl WatchWriter {
    fn event(&mut self, watch_event: &WatchEvent, out: &mut Vec<u8>) {
        let (kind, object) = match watch_event {
            WatchEvent::Added(object) => ("ADDED", object),
            WatchEvent::Modified(object) => ("MODIFIED", object),
            WatchEvent::Deleted(object) => ("DELETED", object),
        };
        let (engine, served) = (&self.engine, &self.served);
        match (self.accept.view, self.accept.format) {
            (AcceptedView::Object, Format::Protobuf) => match engine.protobuf_document(served, object) {
                Ok(document) => out.extend_from_slice(&watch_frame(kind, &document)),
                Err(status) => out.extend_from_slice(&self.failure(&status)),
            },
            (AcceptedView::Object, _) => engine.write_watch_json(served, kind, object, out),
            _ => match engine.tree(served, object) {
                Ok(tree) => out.extend_from_slice(&self.tree_event(kind, &tree)),
                Err(status) => out.extend_from_slice(&self.failure(&status)),
            },
        }
    }

    fn tree_event(&mut self, kind: &str, tree: &Value) -> Bytes {
        let engine = &self.engine;
        if let Some(style) = &mut self.style {
            let table = engine.object_table(&self.served, tree, *style);
            style.has_columns = false;
            return json_frame(kind, &representation::in_version_text(self.accept, table));
        }
        let (ty, tree) = match self.accept.view {
            AcceptedView::Partial | AcceptedView::PartialList => {
                let partial = representation::in_version(self.accept, engine.partial(&self.served, tree));
                (engine.meta_type("PartialObjectMetadata"), partial)
            }
            AcceptedView::Object | AcceptedView::Table => (self.served.resource.ty, tree.clone()),
        };
        match self.accept.format {
            Format::Protobuf => Bytes::from(watch_frame(kind, &engine.tree_protobuf(ty, &tree))),
            Format::Json | Format::Yaml => json_frame(kind, &engine.tree_json(ty, &tree)),
        }
    }

    /// An object of the kind that holds nothing but a resourceVersion.
    fn bookmark(&mut self, revision: Revision, ends_initial: bool) -> Bytes {
        let resource = &self.served.resource;
        let mut tree = decode::zero(&self.engine.api.schema, resource.ty);
        tree.set(&["kind"], resource.kind.as_ref());
        tree.set(&["apiVersion"], self.served.api_version());
        tree.set(&["metadata", "resourceVersion"], revision.0.to_string());
        if ends_initial {
            tree.set(&["metadata", "annotations", "k8s.io/initial-events-end"], "true");
        }
        self.tree_event("BOOKMARK", &tree)
    }

    fn failure(&self, status: &Status) -> Bytes {
        let ty = self.engine.meta_type("Status");
        let tree = status.to_value();
        match self.accept.format {
            Format::Protobuf => Bytes::from(watch_frame("ERROR", &self.engine.tree_protobuf(ty, &tree))),
            Format::Json | Format::Yaml => json_frame("ERROR", &self.engine.tree_json(ty, &tree)),
        }
    }
}

fn json_frame(kind: &str, object: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(object.len() + 40);
    out.extend_from_slice(b"{\"type\":");
    json::write_string(&mut out, kind);
    out.extend_from_slice(b",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_end_by_chance_and_when_they_say() {
        let min = Duration::from_secs(1800);
        let ends: Vec<Duration> = (0..64).map(|_| timeout(None, min)).collect();
        assert!(ends.iter().all(|end| (min..=min * 2).contains(end)));
        let spread = ends.iter().max().unwrap().abs_diff(*ends.iter().min().unwrap());
        assert!(spread > min / 4, "64 watches end within {spread:?}");
        assert_eq!(timeout(Some(7), min), Duration::from_secs(7));
        assert_eq!(timeout(Some(0), Duration::ZERO), FOREVER);
    }
}
