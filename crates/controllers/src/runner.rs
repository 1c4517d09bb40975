//! The one runner of the server's own loops: it follows collections, passes each changed object to a reconciler,
//! retries failures, and lists again after it lagged.

use crate::work_queue::WorkQueue;
use pintle_engine::{Engine, ServedResource};
use pintle_object::{Status, Text, Value};
use pintle_store::{CollectionId, Event, WatchFrom, WatchItem, WatchPredicate, Watcher};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// The pause before a retry; it doubles with each failure in a row.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// The pause before a relist, so that a loop that lags leaves time to others.
const RELIST: Duration = Duration::from_millis(100);

/// A loop that brings objects into their desired state.
///
/// It is called with the name of a changed object, not with the change, and reads the current state. So a repeated or
/// late call does no harm.
pub trait Reconciler: Send + 'static {
    /// The loop's name in the log.
    const NAME: &'static str;

    /// The objects that are followed.
    fn sources(&self) -> Vec<EventSource>;

    /// Looks at one object of a source, which may be gone. What fails is tried again.
    fn sync(
        &mut self,
        source: usize,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<(), Status>> + Send;

    /// The objects that it knows. After a relist these are synced too, since they may be gone.
    fn known(&self) -> Vec<Place> {
        Vec::new()
    }

    /// Waits for something else that calls for a look: at which objects. May be dropped while it waits.
    fn woken(&mut self) -> impl Future<Output = Vec<Place>> + Send {
        std::future::pending()
    }
}

/// Objects to follow.
#[derive(Clone)]
pub struct EventSource {
    pub collection: CollectionId,
    pub predicate: WatchPredicate,
}

impl EventSource {
    /// All objects of a resource; none when they are not stored.
    pub fn all(served: &ServedResource) -> Option<EventSource> {
        Some(EventSource { collection: served.collection()?, predicate: WatchPredicate::default() })
    }

    /// One object of a resource, existing or not.
    pub fn one(served: &ServedResource, namespace: &str, name: &str) -> Option<EventSource> {
        let namespace = (!namespace.is_empty()).then(|| Text::from(namespace));
        let predicate =
            WatchPredicate { namespace, name: Some(Text::from(name)), ..WatchPredicate::default() };
        Some(EventSource { predicate, ..EventSource::all(served)? })
    }

    /// The tree of an object of the source's collection, in the version it is stored in; none when it is not there.
    pub fn read(
        &self,
        engine: &Engine,
        served: &ServedResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Status> {
        let stored = engine.store.get(self.collection, &served.key(namespace, name));
        stored.map(|stored| engine.storage_tree(served, &stored)).transpose()
    }
}

/// An object of a source, by its namespace and name.
pub type Place = (usize, Text, Text);

/// A failed look at an object.
#[derive(Clone, Copy)]
struct Retry {
    at: Instant,
    wait: Duration,
}

/// The reason why a watch of the sources ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Lagged,
    Closed,
}

/// Runs a reconciler until the store closes.
pub async fn run<R: Reconciler>(engine: Arc<Engine>, mut reconciler: R) {
    let mut retries = BTreeMap::new();
    let queue = WorkQueue::new(engine.metrics(), R::NAME);
    loop {
        let watch = |source: EventSource| {
            engine.store.watch(source.collection, WatchFrom::InitialState, source.predicate)
        };
        let watchers: Result<Vec<Watcher>, _> = reconciler.sources().into_iter().map(watch).collect();
        let since = Instant::now();
        for place in reconciler.known() {
            look(&mut reconciler, place, since, &mut retries, &queue).await;
        }
        if let Ok(watchers) = watchers
            && follow(&mut reconciler, watchers, &mut retries, &queue).await == End::Closed
        {
            return;
        }
        tracing::info!(controller = R::NAME, "fell behind the changes; listing everything again");
        tokio::time::sleep(RELIST).await;
    }
}

async fn follow<R: Reconciler>(
    reconciler: &mut R,
    mut watchers: Vec<Watcher>,
    retries: &mut BTreeMap<Place, Retry>,
    queue: &WorkQueue,
) -> End {
    loop {
        queue.set_depth(retries.len());
        let due = retries.values().map(|retry| retry.at).min();
        let wait = async move {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            (source, step) = next_of(&mut watchers) => match step {
                WatchItem::Event(event) => look(reconciler, place_of(source, &event), Instant::now(), retries, queue).await,
                WatchItem::InitialEventsEnd(_) => {}
                WatchItem::Lagged => return End::Lagged,
                WatchItem::Closed => return End::Closed,
            },
            () = wait => {
                let now = Instant::now();
                let is_due = |(place, retry): (&Place, &Retry)| (retry.at <= now).then(|| (place.clone(), retry.at));
                let due: Vec<(Place, Instant)> = retries.iter().filter_map(is_due).collect();
                for (place, since) in due {
                    look(reconciler, place, since, retries, queue).await;
                }
            }
            places = reconciler.woken() => {
                let since = Instant::now();
                for place in places {
                    look(reconciler, place, since, retries, queue).await;
                }
            }
        }
    }
}

fn place_of(source: usize, event: &Event) -> Place {
    let attrs = &event.object.attrs;
    (source, attrs.namespace.clone(), attrs.name.clone())
}

/// Looks at an object that there is something to do about since a time.
async fn look<R: Reconciler>(
    reconciler: &mut R,
    place: Place,
    since: Instant,
    retries: &mut BTreeMap<Place, Retry>,
    queue: &WorkQueue,
) {
    let (source, namespace, name) = &place;
    // Boxed, so that the futures of all loops do not grow with the engine's.
    let synced = Box::pin(reconciler.sync(*source, namespace, name));
    let Err(status) = queue.measure(since, synced).await else {
        retries.remove(&place);
        return;
    };
    let wait = retries.get(&place).map_or(RETRY_MIN, |retry| RETRY_MAX.min(retry.wait * 2));
    let message = status.internal.as_deref().unwrap_or(&status.message);
    tracing::warn!(controller = R::NAME, %namespace, %name, ?wait, "failed and will be retried: {message}");
    queue.note_retry();
    retries.insert(place, Retry { at: Instant::now() + wait, wait });
}

/// The next step of any watcher, and which one's it is.
async fn next_of(watchers: &mut [Watcher]) -> (usize, WatchItem) {
    std::future::poll_fn(|context| {
        for (source, watcher) in watchers.iter_mut().enumerate() {
            if let Poll::Ready(step) = pin!(watcher.next()).poll(context) {
                return Poll::Ready((source, step));
            }
        }
        Poll::Pending
    })
    .await
}

/// Repeats a piece of work, for as long as it is polled. Failures are logged, and the work is done again the next time.
pub async fn periodic<F: Future<Output = Result<(), Status>>>(
    name: &'static str,
    interval: Duration,
    work: impl Fn() -> F,
) {
    loop {
        if let Err(status) = work().await {
            let message = status.internal.as_deref().unwrap_or(&status.message);
            tracing::warn!(controller = name, "failed and will be retried in {interval:?}: {message}");
        }
        tokio::time::sleep(interval).await;
    }
}

/// As `periodic`, for work that the start has just done: it is repeated after the first interval.
pub async fn periodic_after_start<F: Future<Output = Result<(), Status>>>(
    name: &'static str,
    interval: Duration,
    work: impl Fn() -> F,
) {
    tokio::time::sleep(interval).await;
    periodic(name, interval, work).await;
}
