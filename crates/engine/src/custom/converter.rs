//! The loop that converts written objects of a definition to its served versions ahead of time: watches and lists find
//! them converted, and a webhook that fails later does not affect them. Upstream's watch cache of each version does the
//! same.

use crate::custom::conversion::BATCH_OBJECTS_MAX;
use crate::engine::Engine;
use crate::resource::ServedResource;
use pintle_store::{CollectionId, EventKind, Object, WatchFrom, WatchItem, WatchPredicate, Watcher};
use std::sync::Arc;
use std::task::Poll;
use tokio::task::AbortHandle;

/// Follows the objects of a definition until it is dropped.
pub struct Converter(AbortHandle);

impl Drop for Converter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Converter {
    /// Begins to convert to versions that a webhook makes; none where there is no webhook.
    pub fn begin(engine: &Arc<Engine>, versions: &[Arc<ServedResource>]) -> Option<Converter> {
        let is_converted = |one: &&Arc<ServedResource>| one.has_conversion_webhook();
        let versions: Vec<Arc<ServedResource>> = versions.iter().filter(is_converted).cloned().collect();
        let collection = versions.first()?.collection()?;
        let task = tokio::spawn(follow(engine.clone(), collection, versions));
        Some(Converter(task.abort_handle()))
    }
}

/// Follows the collection until the store closes, and starts again after it lagged.
async fn follow(engine: Arc<Engine>, collection: CollectionId, versions: Vec<Arc<ServedResource>>) {
    let begin = || engine.store.watch(collection, WatchFrom::InitialState, WatchPredicate::default());
    while let Ok(mut watcher) = begin() {
        loop {
            let first = match watcher.next().await {
                WatchItem::Event(event) if event.kind == EventKind::Deleted => continue,
                WatchItem::Event(event) => event.object.clone(),
                WatchItem::InitialEventsEnd(_) => continue,
                WatchItem::Lagged => break,
                WatchItem::Closed => return,
            };
            let batch = with_what_waits(&mut watcher, first).await;
            for served in &versions {
                convert(&engine, served, &batch).await;
            }
        }
    }
}

/// An object, and those of the events that have come already.
async fn with_what_waits(watcher: &mut Watcher, first: Arc<Object>) -> Vec<Arc<Object>> {
    let mut batch = vec![first];
    std::future::poll_fn(|context| {
        while batch.len() < BATCH_OBJECTS_MAX {
            // The next poll returns the end again.
            let Poll::Ready(WatchItem::Event(event)) = watcher.poll_next(context) else { break };
            if event.kind != EventKind::Deleted {
                batch.push(event.object.clone());
            }
        }
        Poll::Ready(())
    })
    .await;
    batch
}

/// Converts objects ahead of time. A failed conversion is tried again when it is needed.
async fn convert(engine: &Engine, served: &ServedResource, batch: &[Arc<Object>]) {
    let result = match batch {
        [one] => engine.converted(served, one.clone()).await.map(drop),
        many => engine.converted_all(served, many.to_vec()).await.map(drop),
    };
    if let Err(status) = result {
        tracing::debug!(resource = %served.group_resource(), status.message, "cannot convert objects");
    }
}
