//! The objects in memory: all collections, and how a batch of changes becomes visible in them.

use crate::collection::{self, Collection, CollectionId};
use crate::forms::FormCache;
use crate::herald::Herald;
use crate::object::{Digest, Object, Revision};
use crate::snapshot::Snapshot;
use crate::watch::Event;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

pub(crate) type Collections = Arc<RwLock<Vec<Arc<Collection>>>>;

/// Reads the digest of an object anew.
pub(crate) type Redigest = Arc<dyn Fn(&Object) -> Option<Digest> + Send + Sync>;

/// What changes in a batch, by the collection's place: the state that it leaves, and its events.
pub(crate) type States = HashMap<usize, (Snapshot, Vec<Arc<Event>>)>;

/// The one who publishes: the writer of the embedded store, or who follows etcd.
pub(crate) struct Cache {
    pub collections: Collections,
    pub published: Arc<AtomicU64>,
    pub reached: watch::Sender<u64>,
    pub forms: Arc<FormCache>,
    pub herald: Herald,
    /// When all collections were looked through for events that are too old.
    pub forgot: Mutex<Option<Instant>>,
}

/// How often events that are too old are looked for.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

impl Cache {
    pub fn collection(&self, place: usize) -> Option<Arc<Collection>> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    /// Makes changes visible, and then that everything up to `last` is.
    pub fn publish(&self, states: States, last: Revision) {
        for (place, (snapshot, events)) in states {
            if events.is_empty() {
                continue;
            }
            for (grown, shrunk) in events.iter().map(|event| collection::growth(event)) {
                self.forms.resize(grown, shrunk);
            }
            if let Some(collection) = self.collection(place) {
                collection.publish(snapshot, events, &self.herald);
            }
        }
        self.reach(last);
    }

    /// Everything up to a revision is visible.
    pub fn reach(&self, last: Revision) {
        self.published.store(last.0, Ordering::Release);
        self.reached.send_replace(last.0);
        self.forget_old(Instant::now());
    }

    /// Lets go of events that are too old, also where nothing is written; most calls do nothing.
    pub fn forget_old(&self, now: Instant) {
        let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
        if forgot.is_some_and(|last| now.saturating_duration_since(last) < FORGET_INTERVAL) {
            return;
        }
        *forgot = Some(now);
        drop(forgot);
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner).clone();
        collections.iter().for_each(|collection| collection.forget_old(now));
    }

    pub fn digest_again(&self, collection: CollectionId, digest: &Redigest) {
        let Some(collection) = self.collection(collection.0 as usize) else { return };
        let mut snapshot = Snapshot::clone(&collection.snapshot());
        let anew = |object: &Arc<Object>| Some(Arc::new(object.with_digest(digest(object)?)));
        let objects: Vec<_> = snapshot.objects.values().filter_map(anew).collect();
        for object in objects {
            snapshot.objects.insert(object.key.clone(), object);
        }
        collection.replace(snapshot);
    }
}
