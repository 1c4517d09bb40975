//! The leases by which API servers on one etcd know of each other's addresses: `/registry/masterleases/<address>`,
//! as upstream keeps them. A server that is gone stops renewing its own, and etcd ends it.

use pintle_engine::Engine;
use pintle_object::{GroupVersionKind, Status, Value};
use pintle_schema::{decode, encode};
use pintle_store::{Attrs, Change, CollectionId, CommitError, Key, Object, Precondition, Write};
use std::net::IpAddr;
use std::sync::Arc;

const PREFIX: &str = "/registry/masterleases/";
/// How long a lease lives without being renewed (`DefaultEndpointReconcilerTTL`).
const TTL_SECONDS: u64 = 15;
/// Attempts at one renewal; only this server writes its own lease, so one is enough but after a lost answer.
const ATTEMPTS_MAX: usize = 5;

pub struct MasterLeases {
    engine: Arc<Engine>,
    collection: CollectionId,
}

impl MasterLeases {
    pub fn new(engine: Arc<Engine>) -> MasterLeases {
        let collection = engine.store.add_collection(PREFIX);
        MasterLeases { engine, collection }
    }

    /// Renews the lease of an address, or makes it.
    pub async fn renew(&self, address: IpAddr) -> Result<(), Status> {
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.engine.store.get(self.collection, &key(address));
            let change = self.lease_of(address, stored.as_deref());
            let precondition = stored
                .map_or(Precondition::NotExists, |stored| Precondition::ModRevision(stored.mod_revision));
            match self.commit(address, precondition, change, Some(TTL_SECONDS)).await {
                Err(CommitError::Stale(_) | CommitError::Exists(_) | CommitError::Missing) => {}
                Err(error) => return Err(pintle_engine::store_failed(error)),
                Ok(()) => return Ok(()),
            }
        }
        Err(Status::internal(format!("the lease of {address} is changed all the time")))
    }

    /// Ends the lease of an address.
    pub async fn remove(&self, address: IpAddr) -> Result<(), Status> {
        let Some(stored) = self.engine.store.get(self.collection, &key(address)) else { return Ok(()) };
        match self.commit(address, Precondition::ModRevision(stored.mod_revision), Change::Delete, None).await
        {
            Ok(()) | Err(CommitError::Missing) => Ok(()),
            Err(error) => Err(pintle_engine::store_failed(error)),
        }
    }

    /// The addresses with a lease, in the order of their keys.
    pub fn addresses(&self) -> Vec<String> {
        let snapshot = self.engine.store.snapshot(self.collection);
        let leases = snapshot.range(PREFIX, None).filter_map(|lease| self.tree(lease));
        leases.filter_map(|lease| first_address(&lease)).collect()
    }

    /// The lease to store. Its generation grows, so that upstream's servers see a change in it too.
    fn lease_of(&self, address: IpAddr, stored: Option<&Object>) -> Change {
        let mut lease = stored.and_then(|stored| self.tree(stored)).unwrap_or_default();
        let generation = lease.int_at(&["metadata", "generation"]).unwrap_or(0);
        lease.set(&["metadata", "generation"], generation.saturating_add(1));
        let mut entry = Value::map();
        entry.set(&["ip"], address.to_string());
        let mut subset = Value::map();
        subset.set(&["addresses"], vec![entry]);
        lease.set(&["subsets"], vec![subset]);
        let ty = self.engine.api.kind(&kind()).expect("Endpoints is a kind of the core group");
        let value = encode::protobuf::document(&self.engine.api.schema, ty, "v1", "Endpoints", &lease);
        Change::Put { value: value.into(), attrs: Attrs::default() }
    }

    fn tree(&self, stored: &Object) -> Option<Value> {
        let envelope = decode::protobuf::envelope(&stored.value).ok()?;
        decode::protobuf::decode(&self.engine.api.schema, self.engine.api.kind(&kind())?, envelope.raw).ok()
    }

    async fn commit(
        &self,
        address: IpAddr,
        precondition: Precondition,
        change: Change,
        ttl_seconds: Option<u64>,
    ) -> Result<(), CommitError> {
        let key = Key::new(&key(address));
        let write = Write { collection: self.collection, key, precondition, change, ttl_seconds };
        self.engine.store.commit(write).await.map(drop)
    }
}

fn key(address: IpAddr) -> String {
    format!("{PREFIX}{address}")
}

fn kind() -> GroupVersionKind {
    GroupVersionKind::new("", "v1", "Endpoints")
}

fn first_address(lease: &Value) -> Option<String> {
    let subset = lease.list_at(&["subsets"]).first()?;
    let ip = subset.list_at(&["addresses"]).first()?.str_at(&["ip"]);
    (!ip.is_empty()).then(|| ip.to_string())
}
