//! The latest revision of etcd, fetched once for all reads that need it at the same time.

use crate::etcd::client::{EtcdClient, EtcdFailure, Repeat};
use crate::etcd::wire::{self, RangeRequest, RangeResponse};
use crate::object::Revision;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// Shared answers: a read gets one that was fetched after the read began, and many reads get the same.
pub(crate) struct LatestRevision {
    /// The reads that have begun.
    begun: AtomicU64,
    latest: Mutex<Latest>,
}

struct Latest {
    /// The number of reads that had begun when it was fetched.
    begun: u64,
    answer: Result<Revision, EtcdFailure>,
}

impl LatestRevision {
    pub fn new() -> LatestRevision {
        let latest = Latest { begun: 0, answer: Ok(Revision(0)) };
        LatestRevision { begun: AtomicU64::new(0), latest: Mutex::new(latest) }
    }

    /// A revision that etcd had reached after the call began, at least all that it had acknowledged before.
    pub async fn revision(&self, client: &EtcdClient, key: &[u8]) -> Result<Revision, EtcdFailure> {
        let mine = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        // While one asks, the others wait here; the next of them asks for all that began in the meantime.
        let mut latest = self.latest.lock().await;
        if latest.begun >= mine {
            return latest.answer.clone();
        }
        let begun = self.begun.load(Ordering::Acquire);
        let answer = read(client, key).await;
        *latest = Latest { begun, answer: answer.clone() };
        answer
    }
}

/// A read that etcd's members agree on: its answer's revision is no older than any write that was acknowledged.
async fn read(client: &EtcdClient, key: &[u8]) -> Result<Revision, EtcdFailure> {
    let ask = RangeRequest { key: key.to_vec(), count_only: true, ..RangeRequest::default() };
    let answer: RangeResponse = client.call(wire::RANGE, ask, Repeat::Always).await?;
    Ok(wire::of_header(answer.header.as_ref()))
}
