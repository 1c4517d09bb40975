//! Leases by which servers on one etcd publish their addresses: `Endpoints` that expire in etcd unless they are
//! renewed, at keys that no API serves.

use pintle_engine::{Engine, HiddenObject};
use pintle_object::{GroupVersionKind, Status, Value};
use pintle_store::{Change, CollectionId, CommitError, Key, Precondition, Write};
use std::sync::Arc;

/// The time to live of a lease (`DefaultEndpointReconcilerTTL`, `DefaultPeerEndpointReconcilerTTL`).
const TTL_SECONDS: u64 = 15;

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

    /// Renews or creates a lease after `change` has been applied to it. Its generation grows, so that upstream's
    /// servers see a change in it too.
    pub async fn renew(&self, name: &str, change: impl Fn(&mut Value) + Sync) -> Result<(), Status> {
        let key = self.key(name);
        let (collection, kind) = (self.collection, kind());
        let lease = HiddenObject { collection, key: &key, kind, ttl_seconds: Some(TTL_SECONDS) };
        let renew = |stored: Option<Value>| {
            let mut lease = stored.unwrap_or_default();
            let generation = lease.int_at(&["metadata", "generation"]).unwrap_or(0);
            lease.set(&["metadata", "generation"], generation.saturating_add(1));
            change(&mut lease);
            Some(lease)
        };
        self.engine.update_hidden(&lease, renew).await.map(drop)
    }

    /// Ends a lease.
    pub async fn remove(&self, name: &str) -> Result<(), Status> {
        let Some(stored) = self.engine.store.get(self.collection, &self.key(name)) else { return Ok(()) };
        let write = Write {
            collection: self.collection,
            key: Key::new(&self.key(name)),
            precondition: Precondition::ModRevision(stored.mod_revision),
            change: Change::Delete,
            ttl_seconds: None,
        };
        match self.engine.store.commit(write).await {
            Ok(_) | Err(CommitError::Missing) => Ok(()),
            Err(error) => Err(pintle_engine::store_failed(error)),
        }
    }

    /// All of them, in the order of their keys.
    pub fn all(&self) -> Vec<Value> {
        let snapshot = self.engine.store.snapshot(self.collection);
        snapshot
            .range(self.prefix, None)
            .filter_map(|lease| self.engine.hidden_tree(&kind(), lease))
            .collect()
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

/// The address in a lease, if there is one.
pub fn ip_of(lease: &Value) -> Option<String> {
    let subset = lease.list_at(&["subsets"]).first()?;
    let ip = subset.list_at(&["addresses"]).first()?.str_at(&["ip"]);
    (!ip.is_empty()).then(|| ip.to_string())
}
