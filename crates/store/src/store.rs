//! The store as the engine sees it.

use crate::Gone;
use crate::backend::{Backend, Error as OpenError};
use crate::cache::Cache;
use crate::collection::{self, Collection, CollectionId, Window};
use crate::compaction::{Compacted, Turns};
use crate::etcd::{self, PastError, Remote};
use crate::forms::FormCache;
use crate::herald::Herald;
use crate::object::{Digest, Object, Revision};
use crate::recovery::Recovery;
use crate::request_size;
use crate::snapshot::Snapshot;
use crate::watch::{Home, Interest, WatchFrom, Watcher};
use crate::writer::{Answer, CommitError, History, Request, Write, Writer};
use pintle_object::Text;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Reads a stored value just enough to route and select it: once per object at start, and of what others write.
pub trait Digester {
    /// `None` for a key of a resource that is not served.
    fn digest(&self, key: &str, value: &[u8]) -> Option<(CollectionId, Digest)>;
}

/// The writer reads digests anew, and digesters walk values as deep as any that are stored.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// What may be chosen about a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The events that stay in memory.
    pub window: Window,
    /// The superseded rows that stay on disk.
    pub history: History,
}

/// Why there is no past state.
#[derive(Clone, Debug)]
pub enum Past {
    Gone(Gone),
    /// etcd could not be asked.
    Failed(CommitError),
}

/// Keys, bytes and revisions: durable writes, reads from memory.
pub struct Store {
    window: Window,
    collections: Arc<RwLock<Vec<Arc<Collection>>>>,
    published: Arc<AtomicU64>,
    reached: watch::Receiver<u64>,
    is_closed: Arc<AtomicBool>,
    /// Lists show nothing older, though watches may go on from before.
    compacted: Compacted,
    front: Front,
}

/// Who takes writes.
enum Front {
    Embedded(Embedded),
    Etcd(Box<Remote>),
}

/// The writer of the embedded store.
struct Embedded {
    /// Until it is closed.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    /// Why nothing is written any more.
    failure: Arc<OnceLock<String>>,
}

impl Store {
    /// Recovers everything that the backend holds, and begins to take writes. `prefixes` are the collections'
    /// key prefixes, each with its slash: `/registry/pods/`.
    pub fn open(
        mut backend: Box<dyn Backend>,
        prefixes: Vec<String>,
        digester: &dyn Digester,
        options: Options,
    ) -> Result<Store, OpenError> {
        let forms = Arc::new(FormCache::new());
        let mut recovery = Recovery::new(prefixes, options.window, forms.clone());
        let found = backend.load(&mut |row| recovery.add(row, digester))?;
        let last = found.last.max(Revision(1));
        let collections = Arc::new(RwLock::new(recovery.collections(found.floor, last)));
        let published = Arc::new(AtomicU64::new(last.0));
        let (reached, reached_receiver) = watch::channel(last.0);
        let (sender, receiver) = mpsc::channel();
        let herald =
            Herald::start().map_err(|error| OpenError(format!("the herald cannot start: {error}")))?;
        let cache = Cache {
            collections: collections.clone(),
            published: published.clone(),
            reached,
            forms,
            herald,
            forgot: Default::default(),
        };
        let failure = Arc::new(OnceLock::new());
        let compacted = Compacted::default();
        let interval = options.history.compaction_interval;
        let writer = Writer {
            backend,
            cache,
            last,
            floor: found.floor,
            history: options.history,
            superseded_bytes: recovery.superseded.iter().map(|row| row.bytes).sum(),
            superseded: recovery.superseded,
            expiring: recovery.expiring,
            failure: failure.clone(),
            turns: Turns::new(interval, Instant::now(), last, compacted.clone()),
        };
        std::thread::Builder::new()
            .name(String::from("store-writer"))
            .stack_size(STACK_BYTES)
            .spawn(move || writer.run(&receiver))
            .map_err(|error| OpenError(format!("the writer cannot start: {error}")))?;
        Ok(Store {
            window: options.window,
            collections,
            published,
            reached: reached_receiver,
            is_closed: Arc::default(),
            compacted,
            front: Front::Embedded(Embedded { requests: Mutex::new(Some(sender)), failure }),
        })
    }

    /// Reads everything that etcd holds, and begins to follow it. Others may write to it as well.
    pub async fn connect(
        etcd: &etcd::Options,
        prefixes: Vec<String>,
        digester: Arc<dyn Digester + Send + Sync>,
        options: Options,
    ) -> Result<Store, OpenError> {
        let started = etcd::start(etcd, prefixes, digester, options).await?;
        Ok(Store {
            window: options.window,
            collections: started.collections,
            published: started.published,
            reached: started.reached,
            is_closed: Arc::default(),
            compacted: started.compacted,
            front: Front::Etcd(Box::new(started.remote)),
        })
    }

    /// The place of a collection, which is made when it is new.
    pub fn add_collection(&self, prefix: &str) -> CollectionId {
        let place = collection::place(&self.collections, prefix, self.window, self.revision());
        CollectionId(place as u32)
    }

    /// Reads the digests of a collection's objects anew: when its resource begins to be served, or selects by other
    /// fields than before. Objects that `digest` cannot read keep what they have.
    pub async fn digest_again(
        &self,
        collection: CollectionId,
        digest: impl Fn(&Object) -> Option<Digest> + Send + Sync + 'static,
    ) {
        match &self.front {
            Front::Embedded(Embedded { requests, .. }) => {
                let (sender, receiver) = oneshot::channel();
                if request(requests, Request::Digest(collection, Arc::new(digest), sender)).is_ok() {
                    let _ = receiver.await;
                }
            }
            Front::Etcd(remote) => remote.digest_again(collection, Arc::new(digest)).await,
        }
    }

    /// Waits until everything is visible that was written before the call, by whomever. The embedded store has no
    /// other writers and is always current.
    pub async fn catch_up(&self) -> Result<(), CommitError> {
        match &self.front {
            Front::Embedded(_) => Ok(()),
            Front::Etcd(remote) => remote.catch_up().await,
        }
    }

    /// Whether others may write to the same store, so that what is visible may be of the past.
    pub fn is_shared(&self) -> bool {
        matches!(self.front, Front::Etcd(_))
    }

    /// Whether the store can be asked at all, and why not.
    pub async fn check(&self, timeout: Duration) -> Result<(), String> {
        match &self.front {
            Front::Embedded(Embedded { failure, .. }) => failure.get().cloned().map_or(Ok(()), Err),
            Front::Etcd(remote) => remote.check(timeout).await,
        }
    }

    /// The bytes that each etcd takes, by the places of the endpoints.
    pub async fn sizes(&self) -> Vec<(usize, u64)> {
        match &self.front {
            Front::Embedded(_) => Vec::new(),
            Front::Etcd(remote) => remote.sizes().await,
        }
    }

    /// The latest revision whose writes are visible.
    pub fn revision(&self) -> Revision {
        Revision(self.published.load(Ordering::Acquire))
    }

    pub fn get(&self, collection: CollectionId, key: &str) -> Option<Arc<Object>> {
        self.collection(collection).snapshot().get(key).cloned()
    }

    /// The collection as it is now. Its revision is the store's, also when other collections were written last.
    pub fn snapshot(&self, collection: CollectionId) -> Snapshot {
        // Read first: the snapshot then holds everything up to this revision.
        let revision = self.revision();
        let snapshot = self.collection(collection).snapshot();
        Snapshot { revision: revision.max(snapshot.revision), ..Snapshot::clone(&snapshot) }
    }

    /// The collection as it was at a revision, while the window of events reaches back to it.
    pub fn snapshot_at(&self, collection: CollectionId, revision: Revision) -> Result<Snapshot, Gone> {
        self.collection(collection).snapshot_at(revision, self.revision())
    }

    /// The collection as it was at a revision, also when only etcd still knows it.
    pub async fn past(&self, id: CollectionId, revision: Revision) -> Result<Snapshot, Past> {
        let oldest = self.compacted.revision();
        if revision < oldest {
            return Err(Past::Gone(Gone { oldest, current: self.revision() }));
        }
        let gone = match (self.snapshot_at(id, revision), &self.front) {
            (Ok(snapshot), _) => return Ok(snapshot),
            (Err(gone), Front::Etcd(remote)) if revision > Revision(0) => {
                match remote.past(id, &self.collection(id), revision).await {
                    Ok(snapshot) => return Ok(snapshot),
                    Err(PastError::Failed(error)) => return Err(Past::Failed(error)),
                    Err(PastError::Gone) => gone,
                }
            }
            (Err(gone), _) => gone,
        };
        Err(Past::Gone(gone))
    }

    /// Waits until a revision is visible; false when `timeout` passes first.
    pub async fn reached(&self, revision: Revision, timeout: Duration) -> bool {
        if let Front::Etcd(remote) = &self.front {
            return remote.reach(revision, timeout).await;
        }
        let mut reached = self.reached.clone();
        let wait = reached.wait_for(|last| *last >= revision.0);
        tokio::time::timeout(timeout, wait).await.is_ok_and(|result| result.is_ok())
    }

    /// Writes; when this returns, the write is durable and visible. Of a deletion the answer is the object as it
    /// was, at the deletion's revision.
    pub async fn commit(&self, write: Write) -> Answer {
        if request_size::request_bytes(&write) > request_size::REQUEST_BYTES_MAX {
            return Err(CommitError::TooLarge(String::from(request_size::TOO_LARGE)));
        }
        let requests = match &self.front {
            Front::Embedded(Embedded { requests, .. }) => requests,
            Front::Etcd(_) if self.is_closed.load(Ordering::Acquire) => return Err(closed()),
            Front::Etcd(remote) => return remote.commit(&self.collection(write.collection), &write).await,
        };
        let (sender, receiver) = oneshot::channel();
        request(requests, Request::Write(Box::new(write), sender))?;
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    pub fn watch(
        &self,
        collection: CollectionId,
        from: WatchFrom,
        interest: Interest,
    ) -> Result<Watcher, Gone> {
        self.watch_as(collection, from, interest, None)
    }

    /// A watch whose events are shown in some way: watches of the same interest and rendering share what was encoded.
    pub fn watch_as(
        &self,
        collection: CollectionId,
        from: WatchFrom,
        interest: Interest,
        rendering: Option<Text>,
    ) -> Result<Watcher, Gone> {
        let home = Home {
            collection: self.collection(collection),
            published: self.published.clone(),
            is_closed: self.is_closed.clone(),
        };
        Watcher::new(home, from, interest, rendering)
    }

    fn end_watches(&self) {
        self.is_closed.store(true, Ordering::Release);
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        collections.iter().for_each(|collection| collection.wake_all());
    }

    /// Ends all watches, and the writer after what it has taken.
    pub async fn close(&self) {
        self.end_watches();
        let requests = match &self.front {
            Front::Embedded(Embedded { requests, .. }) => requests,
            Front::Etcd(remote) => return remote.close(),
        };
        let (sender, receiver) = oneshot::channel();
        if request(requests, Request::Close(sender)).is_ok() {
            let _ = receiver.await;
        }
        requests.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether a collection holds values whose digests could not be read.
    pub fn has_undecodable(&self, collection: CollectionId) -> bool {
        self.collection(collection).has_undecodable()
    }

    /// Prefixes and sizes of all collections.
    pub fn collections(&self) -> Vec<(String, usize)> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        collections
            .iter()
            .map(|collection| (collection.prefix.clone(), collection.snapshot().len()))
            .collect()
    }

    /// Lets etcd forget what was before a revision.
    #[cfg(test)]
    pub(crate) async fn compact(&self, revision: Revision) -> Result<(), CommitError> {
        match &self.front {
            Front::Embedded(_) => Ok(()),
            Front::Etcd(remote) => remote.compact(revision).await,
        }
    }

    #[cfg(test)]
    pub(crate) fn is_routing(&self, collection: CollectionId) -> bool {
        !self.collection(collection).routes().is_empty()
    }

    fn collection(&self, id: CollectionId) -> Arc<Collection> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        collections
            .get(id.0 as usize)
            .cloned()
            .expect("ids are only given out for collections, which never go")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end_watches();
    }
}

fn request(requests: &Mutex<Option<mpsc::Sender<Request>>>, request: Request) -> Result<(), CommitError> {
    let requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    requests.as_ref().and_then(|requests| requests.send(request).ok()).ok_or_else(closed)
}

fn closed() -> CommitError {
    CommitError::ReadOnly(String::from("the store is closed"))
}
