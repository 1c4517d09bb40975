//! Follows etcd's watch and keeps the cache in step with it.

use crate::backend::Row;
use crate::etcd::calls::StreamCounters;
use crate::etcd::client::{EtcdFailure, Repeat};
use crate::etcd::load::ObjectLoader;
use crate::etcd::object_reader::ObjectReader;
use crate::etcd::wire::{
    self, EventType, KeyValue, Nothing, StatusResponse, WatchAsk, WatchCreate, WatchRequest, WatchResponse,
};
use crate::object::{CollectionId, Key, Object, Revision};
use crate::prefixes::{self, Prefixes};
use crate::watch_cache::cache::{self, Changes, ReadAttrs, WatchCache};
use crate::watch_cache::event::Event;
use crate::watch_cache::event_window::EventWindow;
use crate::watch_cache::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

/// The time between questions for the watch's progress, while a read waits for it.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// Between attempts to follow an etcd that does not answer.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A watch that was followed for so long ended for a reason of its own: the next is tried at once.
const GOOD: Duration = Duration::from_secs(10);
/// Questions about progress that may be on the way.
const ASKS_MAX: usize = 4;

/// A command of the store to the task that follows etcd.
pub(crate) enum FeedCommand {
    /// Reads the attributes of a collection's objects in this way, now and from now on.
    Reindex(CollectionId, ReadAttrs, oneshot::Sender<()>),
    /// Puts objects that could be read again in the place of those of the same revisions.
    Reread(CollectionId, Vec<Arc<Object>>, oneshot::Sender<()>),
    Close,
}

/// The task that follows etcd's watch.
pub(crate) struct EtcdWatch {
    pub reader: ObjectLoader,
    pub cache: WatchCache,
    pub objects: Arc<ObjectReader>,
    pub prefixes: Prefixes,
    /// The number of collections that `prefixes` knows.
    pub known: usize,
    pub window: EventWindow,
    /// Whether etcd's progress notifications are used; absent: as its version allows.
    pub tells_progress: Option<bool>,
    /// Everything up to this revision is in the cache.
    pub applied: Revision,
    /// The revision that a read waits for.
    pub wanted: watch::Receiver<u64>,
    pub commands: mpsc::UnboundedReceiver<FeedCommand>,
    /// The number of progress notifications from etcd.
    pub bookmarks: Arc<AtomicU64>,
}

/// The reason why a watch ended.
enum Ended {
    Closed,
    /// etcd no longer has the events after the last revision.
    Compacted,
    Broken(String),
}

/// One stream of etcd's watch.
struct WatchStream {
    stream: Streaming<WatchResponse>,
    asks: mpsc::Sender<WatchRequest>,
    calls: StreamCounters,
    /// Whether etcd's word on progress can be relied on. Where it cannot, all keys are watched, those of others too:
    /// then there is an event at every revision.
    tells_progress: bool,
    /// Events whose revision is not complete yet.
    partial: Vec<wire::WireEvent>,
}

/// A reason for the task to wake.
enum Wakeup {
    Response(Result<Option<WatchResponse>, tonic::Status>),
    Command(Option<FeedCommand>),
    Wanted,
}

impl EtcdWatch {
    /// Follows etcd until the store closes.
    pub async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            let began = tokio::time::Instant::now();
            let why = match self.follow().await {
                Ended::Closed => return,
                Ended::Compacted => match self.reload().await {
                    Ok(()) => continue,
                    Err(failure) => failure.to_string(),
                },
                Ended::Broken(why) => why,
            };
            if began.elapsed() > GOOD {
                pause = PAUSE_MIN;
            }
            tracing::warn!("the etcd watch ended and will be restarted: {why}");
            self.reader.client.leave_current();
            if self.pause(pause).await.is_err() {
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Waits; an error when the store closes meanwhile.
    async fn pause(&mut self, pause: Duration) -> Result<(), Ended> {
        let end = tokio::time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return Ok(()),
                command = self.commands.recv() => self.handle(command)?,
            }
        }
    }

    async fn follow(&mut self) -> Ended {
        let mut watch = match self.open().await {
            Ok(watch) => watch,
            Err(failure) => return Ended::Broken(failure.to_string()),
        };
        loop {
            let is_wanted = watch.tells_progress && *self.wanted.borrow_and_update() > self.applied.0;
            let wakeup = tokio::select! {
                response = watch.stream.message() => Wakeup::Response(response),
                command = self.commands.recv() => Wakeup::Command(command),
                _ = self.wanted.changed() => Wakeup::Wanted,
                () = tokio::time::sleep(PROGRESS_INTERVAL), if is_wanted => Wakeup::Wanted,
            };
            let result = match wakeup {
                Wakeup::Response(Ok(Some(response))) => {
                    watch.calls.received();
                    self.receive(&mut watch, response).await
                }
                Wakeup::Response(Ok(None)) => Err(Ended::Broken(String::from("etcd ended it"))),
                Wakeup::Response(Err(status)) => Err(Ended::Broken(status.message().to_string())),
                Wakeup::Command(command) => self.handle(command),
                Wakeup::Wanted => {
                    self.ask_progress(&watch);
                    Ok(())
                }
            };
            if let Err(ended) = result {
                watch.calls.end(match &ended {
                    Ended::Broken(_) => Code::Unavailable,
                    Ended::Closed | Ended::Compacted => Code::Cancelled,
                });
                return ended;
            }
        }
    }

    async fn open(&mut self) -> Result<WatchStream, EtcdFailure> {
        let client = &self.reader.client;
        let status: StatusResponse = client.call(wire::STATUS, Nothing {}, Repeat::Always).await?;
        let tells_progress = self.tells_progress.unwrap_or_else(|| tells_progress(&status.version));
        let (key, range_end) = if tells_progress { self.reader.range() } else { (vec![0], vec![0]) };
        let create = WatchCreate {
            key,
            range_end,
            start_revision: wire::number(self.applied) + 1,
            progress_notify: true,
            fragment: true,
        };
        let (asks, receiver) = mpsc::channel(ASKS_MAX);
        // The channel is new and has room.
        let _ = asks.try_send(WatchRequest { ask: Some(WatchAsk::Create(create)) });
        let (stream, calls) = client.watch(ReceiverStream::new(receiver)).await?;
        calls.sent();
        Ok(WatchStream { stream, asks, calls, tells_progress, partial: Vec::new() })
    }

    fn ask_progress(&self, watch: &WatchStream) {
        if watch.tells_progress && *self.wanted.borrow() > self.applied.0 {
            // A full channel holds such a question already.
            if watch.asks.try_send(WatchRequest { ask: Some(WatchAsk::Progress(Nothing {})) }).is_ok() {
                watch.calls.sent();
            }
        }
    }

    fn handle(&mut self, command: Option<FeedCommand>) -> Result<(), Ended> {
        match command {
            Some(FeedCommand::Reindex(collection, read, done)) => {
                self.cache.reindex(collection, &read);
                self.objects.set(collection, read);
                let _ = done.send(());
                Ok(())
            }
            Some(FeedCommand::Reread(collection, objects, done)) => {
                self.cache.reread(collection, objects);
                let _ = done.send(());
                Ok(())
            }
            Some(FeedCommand::Close) | None => Err(Ended::Closed),
        }
    }

    async fn receive(&mut self, watch: &mut WatchStream, response: WatchResponse) -> Result<(), Ended> {
        if response.compact_revision != 0 {
            return Err(Ended::Compacted);
        }
        if response.canceled {
            return Err(Ended::Broken(response.cancel_reason));
        }
        if response.created {
            return Ok(());
        }
        watch.partial.extend(response.events);
        if response.fragment {
            return Ok(());
        }
        let events = std::mem::take(&mut watch.partial);
        if !events.is_empty() {
            self.apply(events).await;
        } else if watch.tells_progress {
            self.bookmarks.fetch_add(1, Ordering::Relaxed);
            self.applied = self.applied.max(wire::of_header(response.header.as_ref()));
            self.cache.advance(self.applied);
        }
        Ok(())
    }

    async fn apply(&mut self, events: Vec<wire::WireEvent>) {
        let mut changes = Changes::new();
        let mut last = self.applied;
        for event in events {
            let Some(kv) = event.kv else { continue };
            let revision = wire::revision(kv.mod_revision);
            if revision > self.applied {
                last = revision;
                self.stage(&mut changes, event.kind, kv).await;
            }
        }
        self.applied = last;
        self.cache.publish(changes, last);
    }

    /// Adds an event to the changes; events of keys outside of the store are ignored.
    async fn stage(&mut self, changes: &mut Changes, kind: i32, kv: KeyValue) {
        let revision = wire::revision(kv.mod_revision);
        let Some((row, _)) = self.reader.row(kv) else { return };
        let index = self.index(&row.key);
        let Some(collection) = self.cache.collection(index) else { return };
        let (snapshot, events) =
            changes.entry(index).or_insert_with(|| (Snapshot::clone(&collection.snapshot()), Vec::new()));
        let previous = snapshot.objects.get(row.key.as_str()).cloned();
        snapshot.revision = revision;
        if kind == i32::from(EventType::Delete) {
            let Some(previous) = previous else { return };
            snapshot.objects.remove(row.key.as_str());
            events.push(Event::deletion(previous, revision));
            return;
        }
        let key = previous.as_ref().map_or_else(|| Key::new(&row.key), |previous| previous.key.clone());
        let object = self.object(index, key, row).await;
        snapshot.objects.insert(object.key.clone(), object.clone());
        events.push(Event::put(object, previous));
    }

    async fn object(&self, index: usize, key: Key, row: Row) -> Arc<Object> {
        Arc::new(self.objects.object(index, key, row).await.cached(&self.cache.encodings))
    }

    /// The index of a key's collection, which is made if necessary.
    fn index(&mut self, key: &str) -> usize {
        self.learn_prefixes();
        if let Some(index) = self.prefixes.index(key) {
            return index;
        }
        let prefix = prefixes::unserved(key);
        let index = cache::index_of(&self.cache.collections, &prefix, self.window, self.applied);
        self.learn_prefixes();
        index
    }

    /// Collections are added as custom resources come.
    fn learn_prefixes(&mut self) {
        let collections = self.cache.collections.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (index, collection) in collections.iter().enumerate().skip(self.known) {
            self.prefixes.add(&collection.prefix, index);
        }
        self.known = collections.len();
    }

    /// Reads everything again when etcd no longer has the events since. Unchanged objects stay as they are in memory;
    /// all watchers lag, as the events in between are not known.
    async fn reload(&mut self) -> Result<(), EtcdFailure> {
        let reader = self.reader.clone();
        let mut loader = reader.load("/registry/", Revision(0));
        let mut found: HashMap<usize, Snapshot> = HashMap::new();
        while let Some(page) = loader.page().await? {
            for (row, _) in page {
                let index = self.index(&row.key);
                let kept = self.cache.collection(index).and_then(|collection| {
                    collection
                        .snapshot()
                        .get(&row.key)
                        .filter(|kept| kept.mod_revision == row.revision)
                        .cloned()
                });
                let object = match kept {
                    Some(object) => object,
                    None => self.object(index, Key::new(&row.key), row).await,
                };
                found.entry(index).or_default().objects.insert(object.key.clone(), object);
            }
        }
        self.learn_prefixes();
        for index in 0..self.known {
            let snapshot = found.remove(&index).unwrap_or_default();
            if let Some(collection) = self.cache.collection(index) {
                let (grown, shrunk) = collection.reset(Snapshot { revision: loader.revision, ..snapshot });
                self.cache.encodings.resize(grown, shrunk);
            }
        }
        self.applied = loader.revision;
        self.cache.advance(self.applied);
        tracing::warn!("etcd had compacted missing events; reloaded everything at revision {}", self.applied);
        Ok(())
    }
}

/// Whether an etcd of this version reports progress without running ahead of events: older ones may.
fn tells_progress(version: &str) -> bool {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    match (part(), part(), part()) {
        (3, 4, patch) => patch >= 31,
        (3, 5, patch) => patch >= 13,
        (major, minor, _) => (major, minor) > (3, 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_relied_on_where_it_is_right() {
        for (version, expected) in [
            ("3.3.27", false),
            ("3.4.23", false),
            ("3.4.31", true),
            ("3.5.1", false),
            ("3.5.13", true),
            ("3.6.0-rc.1", true),
            ("3.7.0", true),
            ("4.0.0", true),
            ("", false),
        ] {
            assert_eq!(tells_progress(version), expected, "{version}");
        }
    }
}
