//! The store as the engine sees it.

use crate::Gone;
use crate::attrs::{AttrReader, Attrs};
use crate::backend::{BackendError as OpenError, DurableLog, Found};
use crate::compaction::{Compacted, Turns};
use crate::etcd::{self, EtcdStore};
use crate::object::{CollectionId, Object, Revision};
use crate::options::Options;
use crate::recovery::Recovery;
use crate::request_size;
use crate::stored_value::StoredValues;
use crate::transformer::ValueContext;
use crate::watch_cache::cache::{self, WatchCache};
use crate::watch_cache::collection::Collection;
use crate::watch_cache::event_window::{EventFacts, EventWindow};
use crate::watch_cache::notifier::Notifier;
use crate::watch_cache::predicate::WatchPredicate;
use crate::watch_cache::snapshot::Snapshot;
use crate::watch_cache::watcher::{Followed, WatchFrom, Watcher};
use crate::write::{Change, CommitError, CommitResult, Precondition, StagedWrite, Write};
use crate::writer::{Writer, WriterRequest};
use pintle_object::Text;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Stack of the writer and of recovery, which read attributes of values as deep as any that are stored.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// The reason why a collection cannot be read as it was at a revision.
#[derive(Clone, Debug)]
pub enum HistoricalReadError {
    Gone(Gone),
    /// The call to etcd failed.
    Failed(CommitError),
}

/// Keys, bytes and revisions: durable writes, reads from memory.
pub struct Store {
    window: EventWindow,
    collections: Arc<RwLock<Vec<Arc<Collection>>>>,
    published: Arc<AtomicU64>,
    visible: watch::Receiver<u64>,
    is_closed: Arc<AtomicBool>,
    /// Lists show nothing older, though watches may go on from before.
    compacted: Compacted,
    values: StoredValues,
    backend: Backend,
    bookmarks: Arc<AtomicU64>,
    observer: OnceLock<WriteObserver>,
}

/// Hears of each write.
type WriteObserver = Box<dyn Fn(CollectionId, WriteKind, Duration) + Send + Sync>;

/// The effect of a write on its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    Create,
    Update,
    Delete,
}

impl WriteKind {
    fn of(write: &Write) -> WriteKind {
        match (&write.change, write.precondition) {
            (Change::Delete, _) => WriteKind::Delete,
            (_, Precondition::NotExists) => WriteKind::Create,
            _ => WriteKind::Update,
        }
    }
}

/// The part of the store that takes writes.
enum Backend {
    Embedded(EmbeddedStore),
    Etcd(Box<EtcdStore>),
}

/// The embedded store, whose writer is a thread.
struct EmbeddedStore {
    /// None once it is closed.
    requests: Mutex<Option<mpsc::Sender<WriterRequest>>>,
    /// The failure that ended all writing, once there is one.
    failure: Arc<OnceLock<String>>,
}

impl Store {
    /// Recovers everything that the log holds, and begins to take writes. `prefixes` are the collections'
    /// key prefixes, each with its slash: `/registry/pods/`.
    pub fn open(
        log: Box<dyn DurableLog>,
        prefixes: Vec<String>,
        attr_reader: &(dyn AttrReader + Sync),
        options: Options,
    ) -> Result<Store, OpenError> {
        let values = StoredValues::new(options.transformer);
        let recovery = Recovery::new(prefixes, options.window, values.clone());
        let (log, found, mut recovery) = recover(log, recovery, attr_reader)?;
        let last = found.last.max(Revision(1));
        let collections = Arc::new(RwLock::new(recovery.collections(found.compacted_revision, last)));
        let published = Arc::new(AtomicU64::new(last.0));
        let (visible, visible_receiver) = watch::channel(last.0);
        let (sender, receiver) = mpsc::channel();
        let notifier =
            Notifier::start().map_err(|error| OpenError(format!("the notifier cannot start: {error}")))?;
        let cache = WatchCache {
            collections: collections.clone(),
            published: published.clone(),
            visible,
            encodings: recovery.encodings,
            notifier,
            old_dropped: Default::default(),
        };
        let failure = Arc::new(OnceLock::new());
        let compacted = Compacted::default();
        let interval = options.retention.compaction_interval;
        let writer = Writer {
            log,
            cache,
            last,
            compacted_revision: found.compacted_revision,
            retention: options.retention,
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
            visible: visible_receiver,
            is_closed: Arc::default(),
            compacted,
            values,
            backend: Backend::Embedded(EmbeddedStore { requests: Mutex::new(Some(sender)), failure }),
            bookmarks: Arc::default(),
            observer: OnceLock::new(),
        })
    }

    /// Reads all objects of etcd, and begins to follow it. Other servers may write to it as well.
    pub async fn connect(
        etcd: &etcd::EtcdOptions,
        prefixes: Vec<String>,
        attr_reader: Arc<dyn AttrReader + Send + Sync>,
        options: Options,
    ) -> Result<Store, OpenError> {
        let (window, values) = (options.window, StoredValues::new(options.transformer.clone()));
        let started = etcd::start(etcd, prefixes, attr_reader, options).await?;
        Ok(Store {
            window,
            collections: started.collections,
            published: started.published,
            visible: started.visible,
            is_closed: Arc::default(),
            compacted: started.compacted,
            values,
            backend: Backend::Etcd(Box::new(started.etcd)),
            bookmarks: started.bookmarks,
            observer: OnceLock::new(),
        })
    }

    /// The collection of a prefix, which is made when it is new.
    pub fn add_collection(&self, prefix: &str) -> CollectionId {
        let index = cache::index_of(&self.collections, prefix, self.window, self.revision());
        CollectionId(index as u32)
    }

    /// Reads the attributes of a collection's objects again: when its resource begins to be served, or its selectable
    /// fields change. Objects that `read` cannot read keep their attributes.
    pub async fn reindex(
        &self,
        collection: CollectionId,
        read: impl Fn(&Object) -> Option<Attrs> + Send + Sync + 'static,
    ) {
        match &self.backend {
            Backend::Embedded(EmbeddedStore { requests, .. }) => {
                let (sender, receiver) = oneshot::channel();
                if request(requests, WriterRequest::Reindex(collection, Arc::new(read), sender)).is_ok() {
                    let _ = receiver.await;
                }
            }
            Backend::Etcd(etcd) => etcd.reindex(collection, Arc::new(read)).await,
        }
    }

    /// Waits until everything is visible that was written before the call, by any server. The embedded store has no
    /// other writers and is always current.
    pub async fn wait_for_latest(&self) -> Result<(), CommitError> {
        match &self.backend {
            Backend::Embedded(_) => Ok(()),
            // Boxed, so that reads of the embedded store need no room for it.
            Backend::Etcd(etcd) => Box::pin(etcd.wait_for_latest()).await,
        }
    }

    /// Whether others may write to the same store, so that the cache may be behind it.
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Etcd(_))
    }

    /// Checks that the store answers.
    pub async fn check(&self, timeout: Duration) -> Result<(), String> {
        match &self.backend {
            Backend::Embedded(EmbeddedStore { failure, .. }) => failure.get().cloned().map_or(Ok(()), Err),
            Backend::Etcd(etcd) => etcd.check(timeout).await,
        }
    }

    /// The bytes that each etcd takes, by the indexes of the endpoints.
    pub async fn sizes(&self) -> Vec<(usize, u64)> {
        match &self.backend {
            Backend::Embedded(_) => Vec::new(),
            Backend::Etcd(etcd) => etcd.sizes().await,
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
    pub async fn historical_read(
        &self,
        id: CollectionId,
        revision: Revision,
    ) -> Result<Snapshot, HistoricalReadError> {
        let oldest = self.compacted.revision();
        if revision < oldest {
            return Err(HistoricalReadError::Gone(Gone { oldest, current: self.revision() }));
        }
        let gone = match self.snapshot_at(id, revision) {
            Ok(snapshot) => return Ok(snapshot),
            Err(gone) => gone,
        };
        if let Backend::Etcd(etcd) = &self.backend
            && revision > Revision(0)
        {
            let found = etcd.historical_read(id, &self.collection(id), revision).await;
            if let Some(snapshot) = found.map_err(HistoricalReadError::Failed)? {
                return Ok(snapshot);
            }
        }
        Err(HistoricalReadError::Gone(gone))
    }

    /// Waits until a revision is visible; false when `timeout` passes first.
    pub async fn wait_for_revision(&self, revision: Revision, timeout: Duration) -> bool {
        if let Backend::Etcd(etcd) = &self.backend {
            return etcd.wait_for_revision(revision, timeout).await;
        }
        let mut visible = self.visible.clone();
        let wait = visible.wait_for(|last| *last >= revision.0);
        tokio::time::timeout(timeout, wait).await.is_ok_and(|result| result.is_ok())
    }

    /// Writes; when this returns, the write is durable and visible. Of a deletion the answer is the object as it
    /// was, at the deletion's revision.
    pub async fn commit(&self, write: Write) -> CommitResult {
        let Some(observer) = self.observer.get() else { return self.commit_unobserved(write).await };
        let (collection, kind, began) = (write.collection, WriteKind::of(&write), Instant::now());
        let result = self.commit_unobserved(write).await;
        observer(collection, kind, began.elapsed());
        result
    }

    async fn commit_unobserved(&self, write: Write) -> CommitResult {
        let staged = self.stage(write).await?;
        if request_size::request_bytes(&staged) > request_size::REQUEST_BYTES_MAX {
            return Err(CommitError::TooLarge(String::from(request_size::TOO_LARGE)));
        }
        let requests = match &self.backend {
            Backend::Embedded(EmbeddedStore { requests, .. }) => requests,
            Backend::Etcd(_) if self.is_closed.load(Ordering::Acquire) => return Err(closed()),
            Backend::Etcd(etcd) => {
                // Boxed, so that writes of the embedded store need no room for it.
                return Box::pin(etcd.commit(&self.collection(staged.write.collection), &staged)).await;
            }
        };
        let (sender, receiver) = oneshot::channel();
        request(requests, WriterRequest::Write(Box::new(staged), sender))?;
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Encrypts the value of a write, where it is to be.
    async fn stage(&self, write: Write) -> Result<StagedWrite, CommitError> {
        let Change::Put { value, .. } = &write.change else { return Ok(StagedWrite { write, stored: None }) };
        let (key, value) = (write.key.as_str(), value.clone());
        let stored = match &self.backend {
            Backend::Embedded(_) => {
                let context = ValueContext { key, authenticated: key.as_bytes() };
                self.values.write(context, value).await
            }
            Backend::Etcd(etcd) => {
                let authenticated = etcd.authenticated(key);
                self.values.write(ValueContext { key, authenticated: &authenticated }, value).await
            }
        };
        let stored = stored.map_err(CommitError::NotEncrypted)?;
        pintle_traces::event("TransformToStorage succeeded", |_| ());
        Ok(StagedWrite { write, stored: Some(stored) })
    }

    /// Whether a write of an object as it is would encrypt it otherwise than it is now.
    pub fn is_stale(&self, object: &Object) -> bool {
        self.values.is_stale(object.key.as_str(), object.key_tag())
    }

    /// Retries values of a collection that could not be decrypted, as when a plugin answers again or a key is known
    /// again. `reader` reads the attributes of decrypted ones. Returns the number of the others.
    pub async fn retry_unreadable(
        &self,
        collection: CollectionId,
        reader: &(dyn AttrReader + Sync),
    ) -> usize {
        if !self.has_undecodable(collection) {
            return 0;
        }
        let (mut readable, mut unreadable) = (Vec::new(), 0);
        for object in self.snapshot(collection).objects.values() {
            if object.read_error().is_none() {
                continue;
            }
            match self.read_again(object).await {
                Some(object) => {
                    let object = object.upgraded(reader);
                    let attrs = reader.attrs(object.key.as_str(), &object.value).unwrap_or_default();
                    readable.push(Arc::new(object.with_attrs(attrs)));
                }
                None => unreadable += 1,
            }
        }
        if !readable.is_empty() {
            self.reread(collection, readable).await;
        }
        unreadable
    }

    async fn read_again(&self, object: &Arc<Object>) -> Option<Object> {
        let key = object.key.as_str();
        let authenticated = match &self.backend {
            Backend::Embedded(_) => key.as_bytes().to_vec(),
            Backend::Etcd(etcd) => etcd.authenticated(key),
        };
        let context = ValueContext { key, authenticated: &authenticated };
        let read = self.values.read(context, object.value.clone()).await;
        read.is_readable().then(|| object.with_value(read))
    }

    async fn reread(&self, collection: CollectionId, objects: Vec<Arc<Object>>) {
        match &self.backend {
            Backend::Embedded(EmbeddedStore { requests, .. }) => {
                let (sender, receiver) = oneshot::channel();
                if request(requests, WriterRequest::Reread(collection, objects, sender)).is_ok() {
                    let _ = receiver.await;
                }
            }
            Backend::Etcd(etcd) => etcd.reread(collection, objects).await,
        }
    }

    pub fn watch(
        &self,
        collection: CollectionId,
        from: WatchFrom,
        predicate: WatchPredicate,
    ) -> Result<Watcher, Gone> {
        self.watch_as(collection, from, predicate, None)
    }

    /// A watch whose events have the encoding named by `rendering`: watches with the same predicate and rendering share
    /// it.
    pub fn watch_as(
        &self,
        collection: CollectionId,
        from: WatchFrom,
        predicate: WatchPredicate,
        rendering: Option<Text>,
    ) -> Result<Watcher, Gone> {
        let followed = Followed {
            collection: self.collection(collection),
            published: self.published.clone(),
            is_closed: self.is_closed.clone(),
        };
        Watcher::new(followed, from, predicate, rendering)
    }

    fn end_watches(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.wake_watches();
    }

    /// Wakes all watches, so that they see the state of their server.
    pub fn wake_watches(&self) {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        collections.iter().for_each(|collection| collection.wake_all());
    }

    /// Ends all watches, and the writer after the writes that it has taken.
    pub async fn close(&self) {
        self.end_watches();
        let requests = match &self.backend {
            Backend::Embedded(EmbeddedStore { requests, .. }) => requests,
            Backend::Etcd(etcd) => return etcd.close(),
        };
        let (sender, receiver) = oneshot::channel();
        if request(requests, WriterRequest::Close(sender)).is_ok() {
            let _ = receiver.await;
        }
        requests.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether a collection holds values whose attributes could not be read.
    pub fn has_undecodable(&self, collection: CollectionId) -> bool {
        self.collection(collection).has_undecodable()
    }

    /// Facts about the events of a collection.
    pub fn event_facts(&self, collection: CollectionId) -> EventFacts {
        self.collection(collection).log().facts()
    }

    /// Calls the observer with the kind and duration of each write from now on. Only the first observer is called.
    pub fn observe_writes(
        &self,
        observer: impl Fn(CollectionId, WriteKind, Duration) + Send + Sync + 'static,
    ) {
        let _ = self.observer.set(Box::new(observer));
    }

    /// The number of progress notifications from etcd; zero on the embedded store.
    pub fn bookmarks(&self) -> u64 {
        self.bookmarks.load(Ordering::Relaxed)
    }

    /// Prefixes and sizes of all collections.
    pub fn collections(&self) -> Vec<(String, usize)> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        collections
            .iter()
            .map(|collection| (collection.prefix.clone(), collection.snapshot().len()))
            .collect()
    }

    /// Compacts etcd up to a revision.
    #[cfg(test)]
    pub(crate) async fn compact(&self, revision: Revision) -> Result<(), CommitError> {
        match &self.backend {
            Backend::Embedded(_) => Ok(()),
            Backend::Etcd(etcd) => etcd.compact(revision).await,
        }
    }

    #[cfg(test)]
    pub(crate) fn is_dispatching(&self, collection: CollectionId) -> bool {
        !self.collection(collection).dispatcher().is_empty()
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

/// Recovers on a thread of its own: values may be deep, and a transformer may have to ask another server, for which
/// the threads of the runtime are needed.
fn recover(
    mut log: Box<dyn DurableLog>,
    mut recovery: Recovery,
    attr_reader: &(dyn AttrReader + Sync),
) -> Result<(Box<dyn DurableLog>, Found, Recovery), OpenError> {
    let runtime = tokio::runtime::Handle::try_current().ok();
    let failed = |why: &dyn std::fmt::Display| OpenError(format!("the recovery failed: {why}"));
    std::thread::scope(|scope| {
        let recover = move || {
            let _entered = runtime.as_ref().map(|runtime| runtime.enter());
            let found = log.load(&mut |row| recovery.add_write(row, attr_reader))?;
            Ok((log, found, recovery))
        };
        let builder = std::thread::Builder::new().name(String::from("store-recovery"));
        let thread = builder.stack_size(STACK_BYTES).spawn_scoped(scope, recover);
        thread.map_err(|error| failed(&error))?.join().map_err(|_| failed(&"its thread panicked"))?
    })
}

fn request(
    requests: &Mutex<Option<mpsc::Sender<WriterRequest>>>,
    request: WriterRequest,
) -> Result<(), CommitError> {
    let requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    requests.as_ref().and_then(|requests| requests.send(request).ok()).ok_or_else(closed)
}

fn closed() -> CommitError {
    CommitError::ReadOnly(String::from("the store is closed"))
}
