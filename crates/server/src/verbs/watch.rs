//! A watch: events as they come, framed for the client.

use super::{call, form};
use crate::app::App;
use crate::negotiate::{self, Accept, Format, View};
use crate::request::Request;
use crate::respond::{Body, Response};
use bytes::Bytes;
use pintle_engine::options::ListOptions;
use pintle_engine::{Engine, Heard, Selection, Served, TableStyle, Target, Watch};
use pintle_object::{Reason, Status, Value, json};
use pintle_schema::decode;
use pintle_schema::encode::list::watch_frame;
use pintle_store::{Object, Revision};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often a watch that asked for bookmarks gets one.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the end of a watch.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// A watch without a timeout of its own ends after this time, and at most half as much again later, so that not
/// all clients come back at once.
const TIMEOUT_MIN: Duration = Duration::from_secs(1800);
/// Events that may wait for a slow connection; the store holds the rest.
const WAITING_MAX: usize = 64;

pub async fn watch(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request)?;
    let served = target.served;
    let options = ListOptions::read_watch(call::query(request))?;
    let selection = Selection::compile(served, &options, target.name)?;
    if accept.format == Format::Yaml {
        let message = "only the following media types are accepted: application/json;stream=watch, \
                       application/vnd.kubernetes.protobuf;stream=watch";
        return Err(Status::new(406, Reason::NotAcceptable, message));
    }
    let watch = app.engine.watch(served, target.namespace, &options, selection).await?;
    let style = match accept.view {
        View::Table => Some(form::style(request)?),
        _ => None,
    };
    let now = Instant::now();
    let mut pump = Pump {
        engine: app.engine.clone(),
        served: find(&app.engine, served),
        accept,
        style,
        watch,
        bookmarks: options.allow_watch_bookmarks,
        end: now + timeout(&options, request),
    };
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move { pump.run(sender).await });
    let media_type = match accept.format {
        Format::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        Format::Json | Format::Yaml => "application/json",
    };
    let mut response = Response::new(200, media_type, Bytes::new());
    response.body = Body::Stream(receiver);
    Ok(response)
}

/// The shared entry of a resource, which outlives the request.
fn find(engine: &Engine, served: &Served) -> Arc<Served> {
    let resource = &served.resource;
    let found = engine.find(&resource.group, &resource.version, &resource.plural);
    found.expect("the request's resource was found there")
}

fn timeout(options: &ListOptions, request: &Request) -> Duration {
    match options.timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => {
            // Spread by what differs between clients; it need not be unpredictable.
            let spread = request.path.len() as u64 * 37 + request.now_seconds.unsigned_abs();
            TIMEOUT_MIN + Duration::from_secs(spread % TIMEOUT_MIN.as_secs())
        }
    }
}

/// Carries events from the store to the connection.
struct Pump {
    engine: Arc<Engine>,
    served: Arc<Served>,
    accept: Accept,
    /// For tables; the first event carries the columns.
    style: Option<TableStyle>,
    watch: Watch,
    bookmarks: bool,
    end: Instant,
}

impl Pump {
    async fn run(&mut self, sender: mpsc::Sender<Bytes>) {
        let mut bookmark = self.next_bookmark(Instant::now());
        loop {
            let heard = tokio::select! {
                heard = self.watch.next() => heard,
                () = sender.closed() => return,
                () = tokio::time::sleep_until(self.end) => return,
                () = tokio::time::sleep_until(bookmark) => {
                    bookmark = self.next_bookmark(Instant::now());
                    match self.watch.progress() {
                        Some(revision) if self.bookmarks => {
                            let frame = self.bookmark(revision, false);
                            if sender.send(frame).await.is_err() {
                                return;
                            }
                        }
                        _ => {}
                    }
                    continue;
                }
            };
            let (frame, is_last) = match heard {
                Heard::Added(object) => (self.event("ADDED", &object), false),
                Heard::Modified(object) => (self.event("MODIFIED", &object), false),
                Heard::Deleted(object) => (self.event("DELETED", &object), false),
                Heard::InitialEnd(revision) => (self.bookmark(revision, true), false),
                Heard::Failed(status) => (self.failure(&status), true),
                Heard::Closed => return,
            };
            if sender.send(frame).await.is_err() || is_last {
                return;
            }
        }
    }

    /// Every minute, and shortly before the end.
    fn next_bookmark(&self, now: Instant) -> Instant {
        let last = self.end.checked_sub(BOOKMARK_BEFORE_END).filter(|last| *last > now);
        let next = now + BOOKMARK_INTERVAL;
        last.map_or(next, |last| last.min(next))
    }

    fn event(&mut self, kind: &str, object: &Object) -> Bytes {
        let (engine, served) = (&self.engine, &self.served);
        match (self.accept.view, self.accept.format) {
            (View::Object, Format::Protobuf) => match engine.protobuf_document(served, object) {
                Ok(document) => Bytes::from(watch_frame(kind, &document)),
                Err(status) => self.failure(&status),
            },
            (View::Object, _) => engine.watch_json(served, kind, object),
            _ => match engine.tree(served, object) {
                Ok(tree) => self.tree_event(kind, &tree),
                Err(status) => self.failure(&status),
            },
        }
    }

    fn tree_event(&mut self, kind: &str, tree: &Value) -> Bytes {
        let engine = &self.engine;
        if let Some(style) = &mut self.style {
            let table = engine.object_table(&self.served, tree, *style);
            style.has_columns = false;
            return json_frame(kind, &table);
        }
        let (ty, tree) = match self.accept.view {
            View::Partial | View::PartialList => {
                (engine.meta_type("PartialObjectMetadata"), engine.partial(&self.served, tree))
            }
            View::Object | View::Table => (self.served.resource.ty, tree.clone()),
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
