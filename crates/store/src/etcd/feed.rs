//! Follows etcd's watch and keeps the cache in step with it.

use crate::backend::Row;
use crate::cache::{Cache, Redigest, States};
use crate::collection::{self, CollectionId, Window};
use crate::etcd::client::{Failure, Repeat};
use crate::etcd::digests::Digests;
use crate::etcd::load::Reader;
use crate::etcd::wire::{
    self, Event, EventType, KeyValue, Nothing, StatusResponse, WatchAsk, WatchCreate, WatchRequest,
    WatchResponse,
};
use crate::object::{Key, Object, Revision};
use crate::prefixes::{self, Prefixes};
use crate::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// How often etcd is asked how far the watch is, while somebody waits for it.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// Between attempts to follow an etcd that does not answer.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A watch that was followed for so long ended for a reason of its own: the next is tried at once.
const GOOD: Duration = Duration::from_secs(10);
/// Questions about progress that may be on the way.
const ASKS_MAX: usize = 4;

/// What the store asks of the feed.
pub(crate) enum Order {
    /// Reads the digests of a collection in this way from now on, and those of its objects anew.
    Digest(CollectionId, Redigest, oneshot::Sender<()>),
    Close,
}

pub(crate) struct Feed {
    pub reader: Reader,
    pub cache: Cache,
    pub digests: Arc<Digests>,
    pub prefixes: Prefixes,
    /// How many collections `prefixes` knows.
    pub known: usize,
    pub window: Window,
    /// Whether etcd tells progress, when it is not for its version to say.
    pub tells_progress: Option<bool>,
    /// Everything up to this revision is in the cache.
    pub applied: Revision,
    /// The revision that somebody waits for.
    pub wanted: watch::Receiver<u64>,
    pub orders: mpsc::UnboundedReceiver<Order>,
}

/// Why a watch is followed no longer.
enum Ended {
    Closed,
    /// etcd no longer has what came after the last revision.
    Compacted,
    Lost(String),
}

/// One watch of etcd's.
struct Source {
    stream: Streaming<WatchResponse>,
    asks: mpsc::Sender<WatchRequest>,
    /// Whether etcd's word on progress can be relied on. Where it cannot, all keys are watched, those of others too:
    /// then there is an event at every revision.
    tells_progress: bool,
    /// Events whose revision is not complete yet.
    partial: Vec<Event>,
}

enum Heard {
    Response(Result<Option<WatchResponse>, tonic::Status>),
    Order(Option<Order>),
    Waited,
}

impl Feed {
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
                Ended::Lost(why) => why,
            };
            if began.elapsed() > GOOD {
                pause = PAUSE_MIN;
            }
            tracing::warn!("the watch of etcd ended and is begun again: {why}");
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
                order = self.orders.recv() => self.obey(order)?,
            }
        }
    }

    async fn follow(&mut self) -> Ended {
        let mut source = match self.open().await {
            Ok(source) => source,
            Err(failure) => return Ended::Lost(failure.to_string()),
        };
        loop {
            let is_wanted = source.tells_progress && *self.wanted.borrow_and_update() > self.applied.0;
            let heard = tokio::select! {
                response = source.stream.message() => Heard::Response(response),
                order = self.orders.recv() => Heard::Order(order),
                _ = self.wanted.changed() => Heard::Waited,
                () = tokio::time::sleep(PROGRESS_INTERVAL), if is_wanted => Heard::Waited,
            };
            let result = match heard {
                Heard::Response(Ok(Some(response))) => self.hear(&mut source, response),
                Heard::Response(Ok(None)) => Err(Ended::Lost(String::from("etcd ended it"))),
                Heard::Response(Err(status)) => Err(Ended::Lost(status.message().to_string())),
                Heard::Order(order) => self.obey(order),
                Heard::Waited => {
                    self.ask_progress(&source);
                    Ok(())
                }
            };
            if let Err(ended) = result {
                return ended;
            }
        }
    }

    async fn open(&mut self) -> Result<Source, Failure> {
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
        let stream = client.watch(ReceiverStream::new(receiver)).await?;
        Ok(Source { stream, asks, tells_progress, partial: Vec::new() })
    }

    fn ask_progress(&self, source: &Source) {
        if source.tells_progress && *self.wanted.borrow() > self.applied.0 {
            // Where there is no room, a question is on its way.
            let _ = source.asks.try_send(WatchRequest { ask: Some(WatchAsk::Progress(Nothing {})) });
        }
    }

    fn obey(&mut self, order: Option<Order>) -> Result<(), Ended> {
        match order {
            Some(Order::Digest(collection, digest, done)) => {
                self.cache.digest_again(collection, &digest);
                self.digests.set(collection, digest);
                let _ = done.send(());
                Ok(())
            }
            Some(Order::Close) | None => Err(Ended::Closed),
        }
    }

    fn hear(&mut self, source: &mut Source, response: WatchResponse) -> Result<(), Ended> {
        if response.compact_revision != 0 {
            return Err(Ended::Compacted);
        }
        if response.canceled {
            return Err(Ended::Lost(response.cancel_reason));
        }
        if response.created {
            return Ok(());
        }
        source.partial.extend(response.events);
        if response.fragment {
            return Ok(());
        }
        let events = std::mem::take(&mut source.partial);
        if !events.is_empty() {
            self.apply(events);
        } else if source.tells_progress {
            self.applied = self.applied.max(wire::of_header(response.header.as_ref()));
            self.cache.reach(self.applied);
        }
        Ok(())
    }

    fn apply(&mut self, events: Vec<Event>) {
        let mut states = States::new();
        let mut last = self.applied;
        for event in events {
            let Some(kv) = event.kv else { continue };
            let revision = wire::revision(kv.mod_revision);
            if revision > self.applied {
                last = revision;
                self.stage(&mut states, event.kind, kv);
            }
        }
        self.applied = last;
        self.cache.publish(states, last);
    }

    /// Adds an event to what is to be published; those of other keys than the store's are none.
    fn stage(&mut self, states: &mut States, kind: i32, kv: KeyValue) {
        let revision = wire::revision(kv.mod_revision);
        let Some((row, _)) = self.reader.row(kv) else { return };
        let place = self.place(&row.key);
        let Some(collection) = self.cache.collection(place) else { return };
        let (snapshot, events) =
            states.entry(place).or_insert_with(|| (Snapshot::clone(&collection.snapshot()), Vec::new()));
        let previous = snapshot.objects.get(row.key.as_str()).cloned();
        snapshot.revision = revision;
        if kind == i32::from(EventType::Delete) {
            let Some(previous) = previous else { return };
            snapshot.objects.remove(row.key.as_str());
            events.push(collection::event(Arc::new(previous.at(revision)), Some(previous), true));
            return;
        }
        let key = previous.as_ref().map_or_else(|| Key::new(&row.key), |previous| previous.key.clone());
        let object = self.object(place, key, row);
        snapshot.objects.insert(object.key.clone(), object.clone());
        events.push(collection::event(object, previous, false));
    }

    fn object(&self, place: usize, key: Key, row: Row) -> Arc<Object> {
        Arc::new(self.digests.object(place, key, row).cached(&self.cache.forms))
    }

    /// The collection of a key, made when it has none.
    fn place(&mut self, key: &str) -> usize {
        self.learn_prefixes();
        if let Some(place) = self.prefixes.place(key) {
            return place;
        }
        let prefix = prefixes::unserved(key);
        let place = collection::place(&self.cache.collections, &prefix, self.window, self.applied);
        self.learn_prefixes();
        place
    }

    /// Collections are added as custom resources come.
    fn learn_prefixes(&mut self) {
        let collections = self.cache.collections.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (place, collection) in collections.iter().enumerate().skip(self.known) {
            self.prefixes.add(&collection.prefix, place);
        }
        self.known = collections.len();
    }

    /// Reads everything anew when etcd no longer has what happened since. What is unchanged stays as it is in memory;
    /// watchers must begin anew, as nobody can tell them what they missed.
    async fn reload(&mut self) -> Result<(), Failure> {
        let reader = self.reader.clone();
        let mut loader = reader.load("/registry/", Revision(0));
        let mut found: HashMap<usize, Snapshot> = HashMap::new();
        while let Some(page) = loader.page().await? {
            for (row, _) in page {
                let place = self.place(&row.key);
                let kept = self.cache.collection(place).and_then(|collection| {
                    collection.snapshot().get(&row.key).filter(|kept| kept.modified == row.revision).cloned()
                });
                let object = kept.unwrap_or_else(|| self.object(place, Key::new(&row.key), row));
                found.entry(place).or_default().objects.insert(object.key.clone(), object);
            }
        }
        self.learn_prefixes();
        for place in 0..self.known {
            let snapshot = found.remove(&place).unwrap_or_default();
            if let Some(collection) = self.cache.collection(place) {
                let (grown, shrunk) =
                    collection.begin_anew(Snapshot { revision: loader.revision, ..snapshot });
                self.cache.forms.resize(grown, shrunk);
            }
        }
        self.applied = loader.revision;
        self.cache.reach(self.applied);
        tracing::warn!("etcd had compacted what was missed; everything was read anew at {}", self.applied);
        Ok(())
    }
}

/// Whether an etcd of this version tells progress without running ahead of events: older ones may.
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
