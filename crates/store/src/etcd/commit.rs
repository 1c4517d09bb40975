//! Writes to etcd, and reads that are sure to be of now.

use crate::cache::Redigest;
use crate::collection::{Collection, CollectionId};
use crate::etcd::client::{Client, Failure, Repeat};
use crate::etcd::digests::Digests;
use crate::etcd::feed::Order;
use crate::etcd::heads::Heads;
use crate::etcd::lease::Leases;
use crate::etcd::load::Reader;
use crate::etcd::wire::{
    self, Compare, DeleteRequest, KeyValue, Number, Op, Operation, PutRequest, RangeRequest, Target,
    TxnRequest, TxnResponse,
};
use crate::object::{Digest, Key, Object, Revision};
use crate::request_size::TOO_LARGE;
use crate::snapshot::Snapshot;
use crate::writer::{Answer, Change, CommitError, Expected, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// How long a write that etcd has is waited for in the cache before it is answered all the same.
const SEEN_MAX: Duration = Duration::from_secs(5);
/// How long a read waits for the cache to reach the present.
const CURRENT_MAX: Duration = Duration::from_secs(10);

/// The store's hand in etcd.
pub(crate) struct Remote {
    reader: Reader,
    digests: Arc<Digests>,
    leases: Leases,
    heads: Heads,
    /// Raised to what a reader waits for, so that the feed asks for progress.
    wanted: watch::Sender<u64>,
    reached: watch::Receiver<u64>,
    orders: mpsc::UnboundedSender<Order>,
    compaction: Option<AbortHandle>,
}

impl Remote {
    pub fn new(
        reader: Reader,
        digests: Arc<Digests>,
        lease_reuse: Duration,
        wanted: watch::Sender<u64>,
        reached: watch::Receiver<u64>,
        orders: mpsc::UnboundedSender<Order>,
        compaction: Option<AbortHandle>,
    ) -> Remote {
        let leases = Leases::new(lease_reuse);
        Remote { reader, digests, leases, heads: Heads::new(), wanted, reached, orders, compaction }
    }

    pub async fn commit(&self, collection: &Collection, write: &Write) -> Answer {
        let lease = match write.ttl_seconds.filter(|_| matches!(write.change, Change::Put { .. })) {
            Some(ttl) => self.leases.lease(self.client(), ttl).await.map_err(failed)?,
            None => 0,
        };
        let ask = self.transaction(write, lease);
        let answer: TxnResponse = self.client().call(wire::TXN, ask, Repeat::Unsent).await.map_err(failed)?;
        let revision = wire::of_header(answer.header.as_ref());
        if answer.succeeded {
            self.seen(revision).await;
            return Ok(collection
                .written(write.key.as_str(), revision)
                .unwrap_or_else(|| made(write, revision)));
        }
        let found = answer.responses.into_iter().find_map(|answer| answer.range?.kvs.into_iter().next());
        // Whoever tries again must find what stood in the way.
        self.reach(revision, SEEN_MAX).await;
        Err(self.refusal(collection, write, found))
    }

    fn transaction(&self, write: &Write, lease: i64) -> TxnRequest {
        let key = self.reader.keys.outer(write.key.as_str());
        let expected = match write.expected {
            Expected::Absent => 0,
            Expected::At(revision) => wire::number(revision),
        };
        let compare = Compare {
            target: Target::Mod.into(),
            key: key.clone(),
            number: Some(Number::ModRevision(expected)),
        };
        let change = match &write.change {
            Change::Put { value, .. } => {
                Operation::Put(PutRequest { key: key.clone(), value: value.clone(), lease })
            }
            Change::Delete => Operation::Delete(DeleteRequest { key: key.clone() }),
        };
        let look = Operation::Range(RangeRequest { key, ..RangeRequest::default() });
        TxnRequest {
            compare: vec![compare],
            success: vec![Op { operation: Some(change) }],
            failure: vec![Op { operation: Some(look) }],
        }
    }

    fn refusal(&self, collection: &Collection, write: &Write, found: Option<KeyValue>) -> CommitError {
        let Some(row) = found.and_then(|kv| self.reader.row(kv)).map(|(row, _)| row) else {
            return CommitError::Missing;
        };
        let snapshot = collection.snapshot();
        let object = match snapshot.get(&row.key) {
            Some(cached) if cached.modified >= row.revision => cached.clone(),
            _ => {
                let key = write.key.clone();
                Arc::new(self.digests.object(write.collection.0 as usize, key, row))
            }
        };
        match write.expected {
            Expected::Absent => CommitError::Exists(object),
            Expected::At(_) => CommitError::Stale(object),
        }
    }

    /// Waits until the cache has everything that was written before the call.
    pub async fn catch_up(&self) -> Result<(), CommitError> {
        let key = self.reader.keys.outer("/registry/");
        let before = *self.reached.borrow();
        let revision = self.heads.revision(self.client(), &key).await.map_err(failed)?;
        if let Some(why) = went_back(before, revision) {
            return Err(CommitError::Unavailable(why));
        }
        if self.reach(revision, CURRENT_MAX).await {
            return Ok(());
        }
        Err(CommitError::Unavailable(format!("etcd's watch does not reach revision {revision}")))
    }

    /// Waits until the cache has reached a revision, and sees to it that the feed learns of it.
    pub async fn reach(&self, revision: Revision, timeout: Duration) -> bool {
        if *self.reached.borrow() >= revision.0 {
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
            tracing::warn!("etcd's watch does not show a write at revision {revision}");
        }
    }

    async fn wait(&self, revision: Revision, timeout: Duration) -> bool {
        let mut reached = self.reached.clone();
        let wait = reached.wait_for(|last| *last >= revision.0);
        tokio::time::timeout(timeout, wait).await.is_ok_and(|result| result.is_ok())
    }

    /// A collection as it was at a revision that the cache no longer knows, from etcd.
    pub async fn past(
        &self,
        id: CollectionId,
        collection: &Collection,
        revision: Revision,
    ) -> Result<Snapshot, PastError> {
        let mut loader = self.reader.load(&collection.prefix, revision);
        let mut snapshot = Snapshot { revision, ..Snapshot::default() };
        loop {
            match loader.page().await {
                Ok(Some(page)) => {
                    for (row, _) in page {
                        let key = Key::new(&row.key);
                        let object = self.digests.object(id.0 as usize, key.clone(), row);
                        snapshot.objects.insert(key, Arc::new(object));
                    }
                }
                Ok(None) => return Ok(snapshot),
                Err(Failure::Compacted) => return Err(PastError::Gone),
                Err(failure) => return Err(PastError::Failed(failed(failure))),
            }
        }
    }

    #[cfg(test)]
    pub async fn compact(&self, revision: Revision) -> Result<(), CommitError> {
        let ask = wire::CompactRequest { revision: wire::number(revision) };
        let call = self.client().call::<_, wire::Nothing>(wire::COMPACT, ask, Repeat::Always);
        call.await.map(|_| ()).map_err(failed)
    }

    /// Whether etcd answers, and is the one that the cache is of.
    pub async fn check(&self, timeout: Duration) -> Result<(), String> {
        let key = self.reader.keys.outer("/registry/health");
        let ask = RangeRequest { key, ..RangeRequest::default() };
        let before = *self.reached.borrow();
        let call = self.client().call::<_, wire::RangeResponse>(wire::RANGE, ask, Repeat::Always);
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(answer)) => went_back(before, wire::of_header(answer.header.as_ref())).map_or(Ok(()), Err),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(_) => Err(Failure::TimedOut.to_string()),
        }
    }

    pub async fn sizes(&self) -> Vec<(usize, u64)> {
        self.client().sizes().await
    }

    pub async fn digest_again(&self, collection: CollectionId, digest: Redigest) {
        let (sender, receiver) = oneshot::channel();
        if self.orders.send(Order::Digest(collection, digest, sender)).is_ok() {
            let _ = receiver.await;
        }
    }

    pub fn close(&self) {
        let _ = self.orders.send(Order::Close);
        if let Some(compaction) = &self.compaction {
            compaction.abort();
        }
    }

    fn client(&self) -> &Client {
        &self.reader.client
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.close();
    }
}

/// That etcd lost what it had acknowledged. What is in memory is then of another history; a new start reads what is
/// left, and health asks for one.
fn went_back(before: u64, now: Revision) -> Option<String> {
    (now.0 < before).then(|| {
        format!("etcd went back from revision {before} to {now}, as after a restore; the server must be started anew")
    })
}

/// Why there is no past state.
pub(crate) enum PastError {
    Gone,
    Failed(CommitError),
}

fn failed(failure: Failure) -> CommitError {
    match failure {
        // An etcd may be told to take less.
        Failure::Refused(why) if why == TOO_LARGE => CommitError::TooLarge(why),
        Failure::Refused(why) => CommitError::Refused(why),
        Failure::Compacted | Failure::Unreachable(_) | Failure::TimedOut => {
            CommitError::Unavailable(failure.to_string())
        }
    }
}

/// What a write left, when the cache cannot say.
fn made(write: &Write, revision: Revision) -> Arc<Object> {
    let (value, digest) = match &write.change {
        Change::Put { value, digest } => (value.clone(), digest.clone()),
        Change::Delete => (bytes::Bytes::new(), Digest::default()),
    };
    Arc::new(Object::new(write.key.clone(), revision, revision, value, digest))
}
