//! Watch: the changes of the objects that a client selects, in order.

use crate::engine::Engine;
use crate::read::get::read_version;
use crate::read::selection::Selection;
use crate::read::watch_event::{WatchEvent, written};
use crate::request::options::ListOptions;
use crate::resource::ServedResource;
use crate::spans;
use bytes::Bytes;
use pintle_object::{Status, Text};
use pintle_store::{self as store, Event, Object, Revision, WatchFrom, Watcher};
use pintle_traces::event;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The next item of a watch.
#[derive(Clone, Debug)]
pub enum WatchItem {
    /// The encoding of some events.
    Events(Bytes),
    /// The initial state is complete as of this revision.
    InitialEventsEnd(Revision),
    /// The watch cannot go on; the client must list and watch again.
    Failed(Box<Status>),
    /// The server is stopping.
    Closed,
}

/// A running watch.
pub struct Watch {
    source: Source,
    selection: Selection,
    /// Whether the client gets a bookmark at the end of the initial state.
    tells_initial_end: bool,
    /// The conversion by a webhook before events are written; none for resources without one.
    conversion: Option<Conversion>,
}

/// The conversion of a watch's events, a batch after the other.
struct Conversion {
    engine: Arc<Engine>,
    served: Arc<ServedResource>,
    under_way: Option<Converting>,
    /// The item after the batch that is under way.
    next: Option<store::WatchItem>,
}

type Converting = Pin<Box<dyn Future<Output = Result<Vec<WatchEvent>, Status>> + Send>>;

/// Events that are converted together: those of the initial state, or of a burst of writes.
const BATCH_EVENTS_MAX: usize = 100;

enum Source {
    Store(Box<Watcher>),
    /// The one answer of a watch that could not begin.
    Failed(Option<Box<Status>>),
}

impl Source {
    /// The end of a watch that fell behind.
    fn lagged(&mut self) -> WatchItem {
        *self = Source::Failed(None);
        WatchItem::Failed(Box::new(Status::expired("too old resource version: the watch fell behind")))
    }
}

impl Engine {
    /// Begins a watch. `rendering` is the key of its events' encoding: watches with the same selection and key share
    /// encodings.
    pub async fn watch(
        self: &Arc<Engine>,
        served: &Arc<ServedResource>,
        namespace: &str,
        options: &ListOptions,
        selection: Selection,
        rendering: Option<Text>,
    ) -> Result<Watch, Status> {
        let missing = || Status::method_not_supported(&served.group_resource(), "watch");
        let collection = served.collection().ok_or_else(missing)?;
        let _span = spans::many("cacher.Watch", served);
        let version = read_version(&options.resource_version)?;
        self.check_cacheable(served)?;
        let begins_with_state = options.send_initial_events.unwrap_or(version == 0);
        if begins_with_state {
            self.reach_for(&options.resource_version, version).await?;
            event("watchCache fresh enough", |_| ());
        }
        let from = match version {
            _ if begins_with_state => WatchFrom::InitialState,
            0 => WatchFrom::Now,
            version => WatchFrom::After(Revision(version)),
        };
        let predicate = selection.predicate(namespace);
        let conversion = served.has_conversion_webhook().then(|| Conversion {
            engine: self.clone(),
            served: served.clone(),
            under_way: None,
            next: None,
        });
        let source = match self.store.watch_as(collection, from, predicate, rendering) {
            Ok(watcher) => Source::Store(Box::new(watcher)),
            Err(gone) => Source::Failed(Some(Box::new(Status::expired(format!(
                "too old resource version: {version} ({})",
                gone.oldest.0
            ))))),
        };
        let tells_initial_end = begins_with_state && options.allow_watch_bookmarks;
        Ok(Watch { source, selection, tells_initial_end, conversion })
    }
}

impl Watch {
    /// The next item, with events as `write` writes them one after the other.
    pub fn poll_item(
        &mut self,
        context: &mut Context<'_>,
        write: &mut dyn FnMut(&WatchEvent, &mut Vec<u8>),
    ) -> Poll<WatchItem> {
        if self.conversion.is_some() {
            return self.poll_converted(context, write);
        }
        let selection = &self.selection;
        let mut encode = |events: &[Arc<Event>]| written(events, selection, write);
        let watcher = match &mut self.source {
            Source::Store(watcher) => watcher,
            Source::Failed(status) => {
                return Poll::Ready(status.take().map_or(WatchItem::Closed, WatchItem::Failed));
            }
        };
        loop {
            match std::task::ready!(watcher.poll_encoded(context, &mut encode)) {
                store::WatchItem::Event(bytes) => return Poll::Ready(WatchItem::Events(bytes)),
                store::WatchItem::InitialEventsEnd(revision) if self.tells_initial_end => {
                    return Poll::Ready(WatchItem::InitialEventsEnd(revision));
                }
                store::WatchItem::InitialEventsEnd(_) => {}
                store::WatchItem::Lagged => return Poll::Ready(self.source.lagged()),
                store::WatchItem::Closed => return Poll::Ready(WatchItem::Closed),
            }
        }
    }

    /// The same for a resource whose objects a webhook converts.
    fn poll_converted(
        &mut self,
        context: &mut Context<'_>,
        write: &mut dyn FnMut(&WatchEvent, &mut Vec<u8>),
    ) -> Poll<WatchItem> {
        let Some(conversion) = &mut self.conversion else { return Poll::Ready(WatchItem::Closed) };
        let watcher = match &mut self.source {
            Source::Store(watcher) => watcher,
            Source::Failed(status) => {
                return Poll::Ready(status.take().map_or(WatchItem::Closed, WatchItem::Failed));
            }
        };
        loop {
            if let Some(under_way) = &mut conversion.under_way {
                let converted = std::task::ready!(under_way.as_mut().poll(context));
                conversion.under_way = None;
                let mut out = Vec::new();
                match converted {
                    Ok(all) => all.iter().for_each(|watch_event| write(watch_event, &mut out)),
                    Err(status) => {
                        self.source = Source::Failed(None);
                        return Poll::Ready(WatchItem::Failed(Box::new(status)));
                    }
                }
                return Poll::Ready(WatchItem::Events(Bytes::from(out)));
            }
            let next = conversion.next.take().map_or_else(|| watcher.poll_next(context), Poll::Ready);
            match std::task::ready!(next) {
                store::WatchItem::Event(event) => {
                    let mut batch: Vec<WatchEvent> =
                        WatchEvent::seen(&event, &self.selection).into_iter().collect();
                    while batch.len() < BATCH_EVENTS_MAX {
                        match watcher.poll_next(context) {
                            Poll::Ready(store::WatchItem::Event(event)) => {
                                batch.extend(WatchEvent::seen(&event, &self.selection));
                            }
                            Poll::Ready(other) => {
                                conversion.next = Some(other);
                                break;
                            }
                            Poll::Pending => break,
                        }
                    }
                    if !batch.is_empty() {
                        conversion.begin(batch);
                    }
                }
                store::WatchItem::InitialEventsEnd(revision) if self.tells_initial_end => {
                    return Poll::Ready(WatchItem::InitialEventsEnd(revision));
                }
                store::WatchItem::InitialEventsEnd(_) => {}
                store::WatchItem::Lagged => return Poll::Ready(self.source.lagged()),
                store::WatchItem::Closed => return Poll::Ready(WatchItem::Closed),
            }
        }
    }

    /// The objects of the initial state that were not delivered yet.
    pub fn initial_len(&self) -> usize {
        match &self.source {
            Source::Store(watcher) => watcher.initial_len(),
            Source::Failed(_) => 0,
        }
    }

    /// The revision for a bookmark: every event up to it was written.
    pub fn progress(&mut self) -> Option<Revision> {
        match &mut self.source {
            Source::Store(watcher) => Some(watcher.progress()),
            Source::Failed(_) => None,
        }
    }
}

impl Conversion {
    /// Begins to convert a batch of events. A single event is converted once for all watches of it.
    fn begin(&mut self, batch: Vec<WatchEvent>) {
        let (engine, served) = (self.engine.clone(), self.served.clone());
        self.under_way = Some(Box::pin(async move {
            let objects: Vec<Arc<Object>> =
                batch.iter().map(|watch_event| watch_event.object().clone()).collect();
            let objects = match <[_; 1]>::try_from(objects) {
                Ok([one]) => vec![engine.converted(&served, one).await?],
                Err(many) => engine.converted_all(&served, many).await?,
            };
            Ok(batch.into_iter().zip(objects).map(|(watch_event, object)| watch_event.with(object)).collect())
        }));
    }
}
