//! Whole copies out of etcd and into it.

use crate::backend::{BackendError, Row};
use crate::clock::now_seconds;
use crate::etcd::client::{EtcdClient, EtcdFailure, Repeat};
use crate::etcd::keys::KeyRange;
use crate::etcd::load::{ObjectLoader, Page};
use crate::etcd::options::EtcdOptions;
use crate::etcd::wire::{
    self, Compare, DeleteRequest, LeaseGrantRequest, LeaseGrantResponse, LeaseTtlRequest, LeaseTtlResponse,
    Number, Op, PutRequest, TxnRequest, TxnResponse, WireOperation, WireTarget,
};
use crate::object::Revision;
use pintle_metrics::Registry;
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Writes that are on the way at a time.
const WRITES_MAX: usize = 64;
/// Objects whose lives end within this share a lease.
const LEASE_SECONDS: u64 = 60;
/// Written again and again to raise a new etcd's revision, and then deleted.
const FILLER: &str = "/registry/pintle-revision";

type Batches = mpsc::Sender<Result<Vec<Row>, BackendError>>;

/// Sends all objects of etcd at one revision. Returns that revision, and the number of objects.
pub(crate) async fn export(options: &EtcdOptions, batches: Batches) -> Result<(Revision, u64), BackendError> {
    let reader = reader(options)?;
    let head = reader.head().await.map_err(failed)?;
    let revision = wire::of_header(head.header.as_ref());
    let pages = reader.read_ahead(revision);
    tokio::spawn(async move {
        if let Err(failure) = send(&reader.client, pages, &batches).await {
            let _ = batches.send(Err(failed(failure))).await;
        }
    });
    Ok((revision, u64::try_from(head.count).unwrap_or(0)))
}

async fn send(
    client: &EtcdClient,
    mut pages: mpsc::Receiver<Result<Page, EtcdFailure>>,
    batches: &Batches,
) -> Result<(), EtcdFailure> {
    let mut ends = HashMap::new();
    while let Some(page) = pages.recv().await.transpose()? {
        let mut rows = Vec::with_capacity(page.len());
        for (mut row, lease) in page {
            if lease != 0 {
                row.expires = Some(end_of(client, lease, &mut ends).await?);
            }
            rows.push(row);
        }
        if batches.send(Ok(rows)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The end of a lease, in seconds since 1970.
async fn end_of(client: &EtcdClient, lease: i64, ends: &mut HashMap<i64, u64>) -> Result<u64, EtcdFailure> {
    if let Some(end) = ends.get(&lease) {
        return Ok(*end);
    }
    let ask = LeaseTtlRequest { id: lease };
    let answer: LeaseTtlResponse = client.call(wire::LEASE_TTL, ask, Repeat::Always).await?;
    // One that is gone has -1 second left.
    let end = now_seconds() + u64::try_from(answer.ttl).unwrap_or(0);
    ends.insert(lease, end);
    Ok(end)
}

/// A copy into etcd, where nothing may be below the prefix.
pub(crate) struct Import {
    reader: ObjectLoader,
    /// By the time at which they end.
    leases: HashMap<u64, i64>,
}

impl Import {
    pub async fn begin(options: &EtcdOptions) -> Result<Import, BackendError> {
        let reader = reader(options)?;
        let found = reader.head().await.map_err(failed)?.count;
        if found > 0 {
            return Err(BackendError(format!(
                "etcd holds {found} objects below {}: it must be empty",
                options.prefix
            )));
        }
        Ok(Import { reader, leases: HashMap::new() })
    }

    pub async fn write(&mut self, rows: Vec<Row>) -> Result<(), BackendError> {
        let mut writes = JoinSet::new();
        for row in rows {
            let lease = match row.expires {
                Some(at) => self.lease(at).await.map_err(failed)?,
                None => 0,
            };
            if writes.len() >= WRITES_MAX {
                next(&mut writes).await?;
            }
            let (client, ask) =
                (self.reader.client.clone(), create(self.reader.keys.outer(&row.key), row, lease));
            writes.spawn(async move {
                let answer: TxnResponse = client.call(wire::TXN, ask, Repeat::Unsent).await?;
                if answer.succeeded {
                    return Ok(());
                }
                Err(EtcdFailure::Refused(String::from("another process writes to etcd at the same time")))
            });
        }
        while !writes.is_empty() {
            next(&mut writes).await?;
        }
        Ok(())
    }

    /// A lease that ends at about a time, at least in a second.
    async fn lease(&mut self, at: u64) -> Result<i64, EtcdFailure> {
        let slot = at.div_ceil(LEASE_SECONDS) * LEASE_SECONDS;
        if let Some(lease) = self.leases.get(&slot) {
            return Ok(*lease);
        }
        let left = slot.saturating_sub(now_seconds()).max(1);
        let ask = LeaseGrantRequest { ttl: i64::try_from(left).unwrap_or(i64::MAX) };
        let granted: LeaseGrantResponse =
            self.reader.client.call(wire::LEASE_GRANT, ask, Repeat::Always).await?;
        self.leases.insert(slot, granted.id);
        Ok(granted.id)
    }

    /// Writes until etcd's revision is no less than one that clients have seen: versions never go back.
    pub async fn raise(&self, to: Revision, report: &mut impl FnMut(Revision)) -> Result<(), BackendError> {
        let key = self.reader.keys.outer(FILLER);
        let mut at = wire::of_header(self.reader.head().await.map_err(failed)?.header.as_ref());
        while at < to {
            // One of the writes is the deletion.
            let missing = usize::try_from(to.0 - at.0).unwrap_or(usize::MAX);
            let mut writes = JoinSet::new();
            for _ in 0..missing.min(10_000) {
                if writes.len() >= WRITES_MAX {
                    next(&mut writes).await?;
                }
                let put = PutRequest { key: key.clone(), ..PutRequest::default() };
                let (client, ask) = (self.reader.client.clone(), single(WireOperation::Put(put)));
                writes.spawn(async move {
                    client.call::<_, TxnResponse>(wire::TXN, ask, Repeat::Always).await.map(|_| ())
                });
            }
            while !writes.is_empty() {
                next(&mut writes).await?;
            }
            at = wire::of_header(self.reader.head().await.map_err(failed)?.header.as_ref());
            report(at);
        }
        let delete = single(WireOperation::Delete(DeleteRequest { key }));
        let call = self.reader.client.call::<_, TxnResponse>(wire::TXN, delete, Repeat::Always);
        call.await.map(|_| ()).map_err(failed)
    }
}

fn reader(options: &EtcdOptions) -> Result<ObjectLoader, BackendError> {
    let client = EtcdClient::new(options, &Registry::default())?;
    Ok(ObjectLoader { client, keys: KeyRange::new(options) })
}

async fn next(writes: &mut JoinSet<Result<(), EtcdFailure>>) -> Result<(), BackendError> {
    match writes.join_next().await {
        Some(Ok(result)) => result.map_err(failed),
        Some(Err(error)) => Err(BackendError(error.to_string())),
        None => Ok(()),
    }
}

fn create(key: Vec<u8>, row: Row, lease: i64) -> TxnRequest {
    let compare =
        Compare { target: WireTarget::Mod.into(), key: key.clone(), number: Some(Number::ModRevision(0)) };
    let put = WireOperation::Put(PutRequest { key, value: row.value.unwrap_or_default(), lease });
    TxnRequest { compare: vec![compare], ..single(put) }
}

fn single(operation: WireOperation) -> TxnRequest {
    TxnRequest { success: vec![Op { operation: Some(operation) }], ..TxnRequest::default() }
}

fn failed(failure: EtcdFailure) -> BackendError {
    BackendError(failure.to_string())
}
