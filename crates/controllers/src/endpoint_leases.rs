//! Leases in the store by which servers on one etcd tell each other an address: `Endpoints` that etcd ends when they are
//! not renewed, at keys that no API serves.

use pintle_engine::Engine;
use pintle_object::{GroupVersionKind, Status, Value};
use pintle_schema::{decode, encode};
use pintle_store::{Attrs, Change, CollectionId, CommitError, Key, Object, Precondition, Write};
use std::sync::Arc;

/// How long a lease lives without being renewed (`DefaultEndpointReconcilerTTL`, `DefaultPeerEndpointReconcilerTTL`).
const TTL_SECONDS: u64 = 15;
/// Attempts at one renewal; only this server writes its own lease, so one is enough but after a lost answer.
const ATTEMPTS_MAX: usize = 5;

pub struct EndpointLeases {
    engine: Arc<Engine>,
    collection: CollectionId,
    prefix: &'static str,
}

impl EndpointLeases {
    /// Those below a prefix of keys.
    pub fn new(engine: Arc<Engine>, prefix: &'static str) -> EndpointLeases {
        let collection = engine.store.add_collection(prefix);
        EndpointLeases { engine, collection, prefix }
    }

    /// Renews a lease, or makes it, after `change` has made of it what it should be. Its generation grows, so that
    /// upstream's servers see a change in it too.
    pub async fn renew(&self, name: &str, change: impl Fn(&mut Value)) -> Result<(), Status> {
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.engine.store.get(self.collection, &self.key(name));
            let mut lease = stored.as_deref().and_then(|stored| self.tree(stored)).unwrap_or_default();
            let generation = lease.int_at(&["metadata", "generation"]).unwrap_or(0);
            lease.set(&["metadata", "generation"], generation.saturating_add(1));
            change(&mut lease);
            let precondition = stored
                .map_or(Precondition::NotExists, |stored| Precondition::ModRevision(stored.mod_revision));
            match self.commit(name, precondition, self.put(&lease), Some(TTL_SECONDS)).await {
                Err(CommitError::Stale(_) | CommitError::Exists(_) | CommitError::Missing) => {}
                Err(error) => return Err(pintle_engine::store_failed(error)),
                Ok(()) => return Ok(()),
            }
        }
        Err(Status::internal(format!("the lease of {name} is changed all the time")))
    }

    /// Ends a lease.
    pub async fn remove(&self, name: &str) -> Result<(), Status> {
        let Some(stored) = self.engine.store.get(self.collection, &self.key(name)) else { return Ok(()) };
        let precondition = Precondition::ModRevision(stored.mod_revision);
        match self.commit(name, precondition, Change::Delete, None).await {
            Ok(()) | Err(CommitError::Missing) => Ok(()),
            Err(error) => Err(pintle_engine::store_failed(error)),
        }
    }

    /// All of them, in the order of their keys.
    pub fn all(&self) -> Vec<Value> {
        let snapshot = self.engine.store.snapshot(self.collection);
        snapshot.range(self.prefix, None).filter_map(|lease| self.tree(lease)).collect()
    }

    fn put(&self, lease: &Value) -> Change {
        let ty = self.engine.api.kind(&kind()).expect("Endpoints is a kind of the core group");
        let value = encode::protobuf::document(&self.engine.api.schema, ty, "v1", "Endpoints", lease);
        Change::Put { value: value.into(), attrs: Attrs::default() }
    }

    fn tree(&self, stored: &Object) -> Option<Value> {
        let envelope = decode::protobuf::envelope(&stored.value).ok()?;
        decode::protobuf::decode(&self.engine.api.schema, self.engine.api.kind(&kind())?, envelope.raw).ok()
    }

    async fn commit(
        &self,
        name: &str,
        precondition: Precondition,
        change: Change,
        ttl_seconds: Option<u64>,
    ) -> Result<(), CommitError> {
        let key = Key::new(&self.key(name));
        let write = Write { collection: self.collection, key, precondition, change, ttl_seconds };
        self.engine.store.commit(write).await.map(drop)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

fn kind() -> GroupVersionKind {
    GroupVersionKind::new("", "v1", "Endpoints")
}

/// The address of a lease.
pub fn set_address(lease: &mut Value, ip: &str, port: Option<u16>) {
    let mut entry = Value::map();
    entry.set(&["ip"], ip);
    let mut subset = Value::map();
    subset.set(&["addresses"], vec![entry]);
    if let Some(port) = port {
        let mut https = Value::map();
        https.set(&["name"], "https");
        https.set(&["port"], i64::from(port));
        https.set(&["protocol"], "TCP");
        subset.set(&["ports"], vec![https]);
    }
    lease.set(&["subsets"], vec![subset]);
}

/// The address that a lease tells, if it does.
pub fn ip_of(lease: &Value) -> Option<String> {
    let subset = lease.list_at(&["subsets"]).first()?;
    let ip = subset.list_at(&["addresses"]).first()?.str_at(&["ip"]);
    (!ip.is_empty()).then(|| ip.to_string())
}
