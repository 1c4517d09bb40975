//! Transactions on etcd, and reads of its latest state.

use crate::attrs::Attrs;
use crate::etcd::client::{EtcdClient, EtcdFailure, Repeat};
use crate::etcd::latest_revision::LatestRevision;
use crate::etcd::lease::Leases;
use crate::etcd::load::ObjectLoader;
use crate::etcd::object_reader::ObjectReader;
use crate::etcd::watch::FeedCommand;
use crate::etcd::wire::{
    self, Compare, DeleteRequest, KeyValue, Number, Op, PutRequest, RangeRequest, TxnRequest, TxnResponse,
    WireOperation, WireTarget,
};
use crate::object::{CollectionId, Key, Object, Revision};
use crate::transformer::KeyTag;
use crate::watch_cache::cache::ReadAttrs;
use crate::watch_cache::collection::Collection;
use crate::watch_cache::snapshot::Snapshot;
use crate::write::{Change, CommitError, CommitResult, Precondition, StagedWrite, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// The wait for a write that etcd has to be in the cache, before it is answered all the same.
const SEEN_MAX: Duration = Duration::from_secs(5);
/// The wait of a read for the cache to reach the present.
const CURRENT_MAX: Duration = Duration::from_secs(10);

/// The part of the store that writes to etcd.
pub(crate) struct EtcdStore {
    reader: ObjectLoader,
    objects: Arc<ObjectReader>,
    leases: Leases,
    latest: LatestRevision,
    /// Raised to the revision that a read waits for, so that the watch asks for progress.
    wanted: watch::Sender<u64>,
    visible: watch::Receiver<u64>,
    commands: mpsc::UnboundedSender<FeedCommand>,
    compaction: Option<AbortHandle>,
}

impl EtcdStore {
    pub fn new(
        reader: ObjectLoader,
        objects: Arc<ObjectReader>,
        leases: Leases,
        wanted: watch::Sender<u64>,
        visible: watch::Receiver<u64>,
        commands: mpsc::UnboundedSender<FeedCommand>,
        compaction: Option<AbortHandle>,
    ) -> EtcdStore {
        EtcdStore {
            reader,
            objects,
            leases,
            latest: LatestRevision::new(),
            wanted,
            visible,
            commands,
            compaction,
        }
    }

    pub async fn commit(&self, collection: &Collection, staged: &StagedWrite) -> CommitResult {
        let write = &staged.write;
        let lease = match write.ttl_seconds.filter(|_| matches!(write.change, Change::Put { .. })) {
            Some(ttl) => self.leases.lease(self.client(), ttl).await.map_err(failed)?,
            None => 0,
        };
        let ask = self.transaction(staged, lease);
        let answer: TxnResponse = self.client().call(wire::TXN, ask, Repeat::Unsent).await.map_err(failed)?;
        let revision = wire::of_header(answer.header.as_ref());
        if answer.succeeded {
            self.seen(revision).await;
            return Ok(collection
                .written(write.key.as_str(), revision)
                .unwrap_or_else(|| made(staged, revision)));
        }
        let found = answer.responses.into_iter().find_map(|answer| answer.range?.kvs.into_iter().next());
        // A client that retries must find the conflicting object.
        self.wait_for_revision(revision, SEEN_MAX).await;
        Err(self.refusal(collection, write, found).await)
    }

    fn transaction(&self, staged: &StagedWrite, lease: i64) -> TxnRequest {
        let StagedWrite { write, stored } = staged;
        let key = self.reader.keys.outer(write.key.as_str());
        let mod_revision = match write.precondition {
            Precondition::NotExists => 0,
            Precondition::ModRevision(revision) => wire::number(revision),
        };
        let compare = Compare {
            target: WireTarget::Mod.into(),
            key: key.clone(),
            number: Some(Number::ModRevision(mod_revision)),
        };
        let change = match stored {
            Some(stored) => {
                WireOperation::Put(PutRequest { key: key.clone(), value: stored.value.clone(), lease })
            }
            None => WireOperation::Delete(DeleteRequest { key: key.clone() }),
        };
        let look = WireOperation::Range(RangeRequest { key, ..RangeRequest::default() });
        TxnRequest {
            compare: vec![compare],
            success: vec![Op { operation: Some(change) }],
            failure: vec![Op { operation: Some(look) }],
        }
    }

    async fn refusal(&self, collection: &Collection, write: &Write, found: Option<KeyValue>) -> CommitError {
        let Some(row) = found.and_then(|kv| self.reader.row(kv)).map(|(row, _)| row) else {
            return CommitError::Missing;
        };
        let snapshot = collection.snapshot();
        let object = match snapshot.get(&row.key) {
            Some(cached) if cached.mod_revision >= row.revision => cached.clone(),
            _ => {
                let key = write.key.clone();
                Arc::new(self.objects.object(write.collection.0 as usize, key, row).await)
            }
        };
        match write.precondition {
            Precondition::NotExists => CommitError::Exists(object),
            Precondition::ModRevision(_) => CommitError::Stale(object),
        }
    }

    /// Waits until the cache has everything that was written before the call.
    pub async fn wait_for_latest(&self) -> Result<(), CommitError> {
        let key = self.reader.keys.outer("/registry/");
        let before = *self.visible.borrow();
        let revision = self.latest.revision(self.client(), &key).await.map_err(failed)?;
        if let Some(why) = went_back(before, revision) {
            return Err(CommitError::Unavailable(why));
        }
        if self.wait_for_revision(revision, CURRENT_MAX).await {
            return Ok(());
        }
        Err(CommitError::Unavailable(format!("etcd's watch does not reach revision {revision}")))
    }

    /// Waits until the cache has reached a revision, and makes the watch ask for progress up to it.
    pub async fn wait_for_revision(&self, revision: Revision, timeout: Duration) -> bool {
        if *self.visible.borrow() >= revision.0 {
            return true;
        }
        self.wanted.send_if_modified(|wanted| {
            let is_more = revision.0 > *wanted;
            *wanted = revision.0.max(*wanted);
            is_more
        });
        self.wait(revision, timeout).await
    }

    /// Waits for a write of our own: its event is on the way.
    async fn seen(&self, revision: Revision) {
        if !self.wait(revision, SEEN_MAX).await {
            tracing::warn!("etcd's watch has not delivered the write at revision {revision}");
        }
    }

    async fn wait(&self, revision: Revision, timeout: Duration) -> bool {
        let mut visible = self.visible.clone();
        let wait = visible.wait_for(|last| *last >= revision.0);
        tokio::time::timeout(timeout, wait).await.is_ok_and(|result| result.is_ok())
    }

    /// A collection as it was at a revision that the cache no longer knows, from etcd; none when etcd has compacted it.
    pub async fn historical_read(
        &self,
        id: CollectionId,
        collection: &Collection,
        revision: Revision,
    ) -> Result<Option<Snapshot>, CommitError> {
        let mut loader = self.reader.load(&collection.prefix, revision);
        let mut snapshot = Snapshot { revision, ..Snapshot::default() };
        loop {
            match loader.page().await {
                Ok(Some(page)) => {
                    for (row, _) in page {
                        let key = Key::new(&row.key);
                        let object = self.objects.object(id.0 as usize, key.clone(), row).await;
                        snapshot.objects.insert(key, Arc::new(object));
                    }
                }
                Ok(None) => return Ok(Some(snapshot)),
                Err(EtcdFailure::Compacted) => return Ok(None),
                Err(failure) => return Err(failed(failure)),
            }
        }
    }

    #[cfg(test)]
    pub async fn compact(&self, revision: Revision) -> Result<(), CommitError> {
        let ask = wire::CompactRequest { revision: wire::number(revision) };
        let call = self.client().call::<_, wire::Nothing>(wire::COMPACT, ask, Repeat::Always);
        call.await.map(|_| ()).map_err(failed)
    }

    /// Checks that etcd answers, and is the one that the cache follows.
    pub async fn check(&self, timeout: Duration) -> Result<(), String> {
        let key = self.reader.keys.outer("/registry/health");
        let ask = RangeRequest { key, ..RangeRequest::default() };
        let before = *self.visible.borrow();
        let call = self.client().call::<_, wire::RangeResponse>(wire::RANGE, ask, Repeat::Always);
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(answer)) => went_back(before, wire::of_header(answer.header.as_ref())).map_or(Ok(()), Err),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(_) => Err(EtcdFailure::TimedOut.to_string()),
        }
    }

    pub async fn sizes(&self) -> Vec<(usize, u64)> {
        self.client().sizes().await
    }

    /// The authenticated data of a key.
    pub fn authenticated(&self, key: &str) -> Vec<u8> {
        self.reader.keys.outer(key)
    }

    pub async fn reread(&self, collection: CollectionId, objects: Vec<Arc<Object>>) {
        let (sender, receiver) = oneshot::channel();
        if self.commands.send(FeedCommand::Reread(collection, objects, sender)).is_ok() {
            let _ = receiver.await;
        }
    }

    pub async fn reindex(&self, collection: CollectionId, read: ReadAttrs) {
        let (sender, receiver) = oneshot::channel();
        if self.commands.send(FeedCommand::Reindex(collection, read, sender)).is_ok() {
            let _ = receiver.await;
        }
    }

    pub fn close(&self) {
        let _ = self.commands.send(FeedCommand::Close);
        if let Some(compaction) = &self.compaction {
            compaction.abort();
        }
    }

    fn client(&self) -> &EtcdClient {
        &self.reader.client
    }
}

impl Drop for EtcdStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// A complaint when etcd lost writes that it had acknowledged. The cache is then of another history; a new start reads
/// the one that is left, and health asks for one.
fn went_back(before: u64, now: Revision) -> Option<String> {
    (now.0 < before).then(|| {
        format!("etcd went back from revision {before} to {now}, as after a restore; the server must be started anew")
    })
}

fn failed(failure: EtcdFailure) -> CommitError {
    match failure {
        // An etcd may be set up to take less.
        EtcdFailure::TooLarge(why) => CommitError::TooLarge(why),
        EtcdFailure::NoLeader(why) | EtcdFailure::Refused(why) => CommitError::Refused(why),
        EtcdFailure::Compacted | EtcdFailure::Unreachable(_) | EtcdFailure::TimedOut => {
            CommitError::Unavailable(failure.to_string())
        }
    }
}

/// The object that a write left, when the cache does not have it.
fn made(staged: &StagedWrite, revision: Revision) -> Arc<Object> {
    let write = &staged.write;
    let tag = staged.stored.as_ref().map_or(KeyTag::PLAIN, |stored| stored.tag);
    let (value, attrs) = match &write.change {
        Change::Put { value, attrs } => (value.clone(), attrs.clone()),
        Change::Delete => (bytes::Bytes::new(), Attrs::default()),
    };
    Arc::new(Object::new(write.key.clone(), revision, revision, value, attrs).tagged(tag))
}
