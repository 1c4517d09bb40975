//! Whole copies out of etcd and into it.

use crate::backend::{Error, Row};
use crate::clock::now_seconds;
use crate::etcd::client::{Client, Failure, Repeat};
use crate::etcd::keys::Keys;
use crate::etcd::load::{Page, Reader};
use crate::etcd::options::Options;
use crate::etcd::wire::{
    self, Compare, DeleteRequest, LeaseGrantRequest, LeaseGrantResponse, LeaseTtlRequest, LeaseTtlResponse,
    Number, Op, Operation, PutRequest, Target, TxnRequest, TxnResponse,
};
use crate::object::Revision;
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Writes that are on the way at a time.
const WRITES_MAX: usize = 64;
/// Objects whose lives end within this share a lease.
const LEASE_SECONDS: u64 = 60;
/// Written again and again to raise a new etcd's revision, and then deleted.
const FILLER: &str = "/registry/pintle-revision";

type Batches = mpsc::Sender<Result<Vec<Row>, Error>>;

/// Sends everything that etcd holds at one revision. Tells it, and how many objects there are.
pub(crate) async fn export(options: &Options, batches: Batches) -> Result<(Revision, u64), Error> {
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
    client: &Client,
    mut pages: mpsc::Receiver<Result<Page, Failure>>,
    batches: &Batches,
) -> Result<(), Failure> {
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

/// When a lease ends, in seconds since 1970.
async fn end_of(client: &Client, lease: i64, ends: &mut HashMap<i64, u64>) -> Result<u64, Failure> {
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
    reader: Reader,
    /// By the time at which they end.
    leases: HashMap<u64, i64>,
}

impl Import {
    pub async fn begin(options: &Options) -> Result<Import, Error> {
        let reader = reader(options)?;
        let found = reader.head().await.map_err(failed)?.count;
        if found > 0 {
            return Err(Error(format!(
                "etcd holds {found} objects below {}: it must be empty",
                options.prefix
            )));
        }
        Ok(Import { reader, leases: HashMap::new() })
    }

    pub async fn write(&mut self, rows: Vec<Row>) -> Result<(), Error> {
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
                Err(Failure::Refused(String::from("somebody else writes to etcd at the same time")))
            });
        }
        while !writes.is_empty() {
            next(&mut writes).await?;
        }
        Ok(())
    }

    /// A lease that ends at about a time, at least in a second.
    async fn lease(&mut self, at: u64) -> Result<i64, Failure> {
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
    pub async fn raise(&self, to: Revision, report: &mut impl FnMut(Revision)) -> Result<(), Error> {
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
                let (client, ask) = (self.reader.client.clone(), single(Operation::Put(put)));
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
        let delete = single(Operation::Delete(DeleteRequest { key }));
        let call = self.reader.client.call::<_, TxnResponse>(wire::TXN, delete, Repeat::Always);
        call.await.map(|_| ()).map_err(failed)
    }
}

fn reader(options: &Options) -> Result<Reader, Error> {
    Ok(Reader { client: Client::new(options)?, keys: Keys::new(options) })
}

async fn next(writes: &mut JoinSet<Result<(), Failure>>) -> Result<(), Error> {
    match writes.join_next().await {
        Some(Ok(result)) => result.map_err(failed),
        Some(Err(error)) => Err(Error(error.to_string())),
        None => Ok(()),
    }
}

fn create(key: Vec<u8>, row: Row, lease: i64) -> TxnRequest {
    let compare =
        Compare { target: Target::Mod.into(), key: key.clone(), number: Some(Number::ModRevision(0)) };
    let put = Operation::Put(PutRequest { key, value: row.value.unwrap_or_default(), lease });
    TxnRequest { compare: vec![compare], ..single(put) }
}

fn single(operation: Operation) -> TxnRequest {
    TxnRequest { success: vec![Op { operation: Some(operation) }], ..TxnRequest::default() }
}

fn failed(failure: Failure) -> Error {
    Error(failure.to_string())
}
