//! Allocations of an object: a share of the server's pools, and objects that the server keeps beside it.
//!
//! Both are recorded in the store before the object is, so that of all servers on one store only one can give a thing
//! away: an address by creating its IPAddress, ports by changing the map of ports. What an object held is given back
//! after it was stored without it, or is gone.

use super::allocators::{AllocationTx, Allocators, Recorded};
use crate::engine::Engine;
use crate::own;
use crate::request::options::DeleteOptions;
use crate::resource::{ObjectRef, ServedResource};
use crate::write::failure::store_failed;
use crate::write::hidden::HiddenObject;
use pintle_kinds::allocator::{IpPool, PortMap};
use pintle_kinds::{AllocationRecord, Allocations};
use pintle_object::meta;
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Reason, Status, Value, bytes};
use pintle_store::CollectionId;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

/// Upstream's key of the map of node ports, and its prefix.
const PORTS_PREFIX: &str = "/registry/ranges/";
const PORTS_KEY: &str = "/registry/ranges/servicenodeports";

/// Records for a write that is not stored yet.
#[derive(Default)]
pub(crate) struct Reserved {
    records: Vec<AllocationRecord>,
    ports: Vec<u16>,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Engine {
    /// Hands out addresses of these pools, the default family's first, and node ports of this range.
    pub fn set_pools(&mut self, ips: Vec<IpPool>, ports: RangeInclusive<u16>) {
        self.allocators = Allocators::new(ips, ports).by(self.rules).counted(self.metrics());
    }

    /// Begins to take from the pools for one write.
    pub(crate) fn begin_allocation(&self, served: &ServedResource, dry_run: bool) -> AllocationTx<'_> {
        let recorded = served.strategy.allocates().then(|| self.recorded()).flatten();
        self.allocators.begin(&self.generator, recorded, dry_run)
    }

    fn recorded(&self) -> Option<Recorded> {
        let served = self.find_any("networking.k8s.io", "ipaddresses")?;
        let addresses = self.store.snapshot(served.collection()?);
        Some(Recorded { addresses, prefix: served.prefix(""), ports: self.recorded_ports() })
    }

    /// Records the allocations of a write. `None` when another server was quicker: the write must allocate again.
    pub(crate) async fn reserve(
        &self,
        served: &ServedResource,
        tx: &AllocationTx<'_>,
        new: &Value,
        now: Time,
    ) -> Result<Option<Reserved>, Status> {
        if !served.strategy.allocates() {
            return Ok(Some(Reserved::default()));
        }
        // Boxed, so that writes that allocate nothing need no room for it.
        Box::pin(self.reserve_taken(served, tx, new, now)).await
    }

    async fn reserve_taken(
        &self,
        served: &ServedResource,
        tx: &AllocationTx<'_>,
        new: &Value,
        now: Time,
    ) -> Result<Option<Reserved>, Status> {
        let mut reserved = Reserved::default();
        let taken = tx.taken();
        let is_taken = |record: &AllocationRecord| {
            let name = meta::name(&record.object);
            taken.ips.iter().any(|ip| ip.to_string() == name)
        };
        for record in served.strategy.allocation_records(new).into_iter().filter(is_taken) {
            match self.add_record(&record, now).await {
                Ok(()) => reserved.records.push(record),
                Err(status) => {
                    self.release(reserved, now).await;
                    let is_taken = status.reason == Reason::AlreadyExists;
                    return if is_taken { self.look_again().await } else { Err(status) };
                }
            }
        }
        match self.record_ports(&taken.ports, true).await {
            Ok(true) => reserved.ports.clone_from(&taken.ports),
            failed => {
                self.release(reserved, now).await;
                failed?;
                return self.look_again().await;
            }
        }
        Ok(Some(reserved))
    }

    /// The next allocation sees those of other servers.
    async fn look_again<T>(&self) -> Result<Option<T>, Status> {
        self.store.wait_for_latest().await.map_err(store_failed)?;
        Ok(None)
    }

    /// Releases the allocations of a write that failed.
    pub(crate) async fn release(&self, reserved: Reserved, now: Time) {
        for record in &reserved.records {
            self.drop_record(record, now).await;
        }
        let _ = Box::pin(self.record_ports(&reserved.ports, false)).await;
    }

    /// Releases the former allocations of an object whose write is stored.
    pub(crate) async fn settle_holdings(
        &self,
        served: &ServedResource,
        old: Option<&Value>,
        new: Option<&Value>,
        now: Time,
    ) {
        if !served.strategy.allocates() {
            return;
        }
        let records = |object: Option<&Value>| {
            object.map(|object| served.strategy.allocation_records(object)).unwrap_or_default()
        };
        let (before, after): (Vec<AllocationRecord>, Vec<AllocationRecord>) = (records(old), records(new));
        for gone in before.iter().filter(|record| !after.iter().any(|other| other.is_same(record))) {
            self.drop_record(gone, now).await;
        }
        let held = |object: Option<&Value>| {
            object.map(|object| served.strategy.allocations(object)).unwrap_or_default()
        };
        let (before, after): (Allocations, Allocations) = (held(old), held(new));
        // Ports that cannot be given back now are found by the next look at all records.
        let _ = self.record_ports(&before.without(&after).ports, false).await;
        let _ = Box::pin(self.record_ports(&before.without(&after).ports, false)).await;
    }

    /// Boxed, since a write of a record is a write like the one that brings it.
    pub(crate) fn add_record<'a>(
        &'a self,
        record: &'a AllocationRecord,
        now: Time,
    ) -> Boxed<'a, Result<(), Status>> {
        Box::pin(async move {
            let resource = &record.resource;
            let Some(served) = self.find_any(&resource.group, &resource.resource) else { return Ok(()) };
            let target = ObjectRef { served: &served, subresource: "", namespace: "", name: "" };
            let user = own::user();
            self.create(target, record.object.clone(), &mut self.own_call(&user, now)).await.map(|_| ())
        })
    }

    pub(crate) fn drop_record<'a>(&'a self, record: &'a AllocationRecord, now: Time) -> Boxed<'a, ()> {
        Box::pin(async move {
            let resource = &record.resource;
            let Some(served) = self.find_any(&resource.group, &resource.resource) else { return };
            let target = ObjectRef {
                served: &served,
                subresource: "",
                namespace: "",
                name: meta::name(&record.object),
            };
            let user = own::user();
            let _ = self.delete(target, &DeleteOptions::default(), &mut self.own_call(&user, now)).await;
        })
    }

    /// Takes ports in the shared map, all or none, or frees them. False when one of them is taken already.
    pub(crate) async fn record_ports(&self, ports: &[u16], is_taken: bool) -> Result<bool, Status> {
        let _turn = if ports.is_empty() { return Ok(true) } else { self.allocators.recording.lock().await };
        let hidden = HiddenObject {
            collection: self.ports_collection(),
            key: PORTS_KEY,
            kind: range_allocation(),
            ttl_seconds: None,
        };
        let change = |stored: Option<Value>| {
            let mut map = self.port_map(stored.as_ref());
            if is_taken && ports.iter().any(|port| map.is_taken(*port)) {
                return None;
            }
            ports.iter().for_each(|port| map.set(*port, is_taken));
            let mut tree = Value::map();
            tree.set(&["metadata"], Value::map());
            tree.set(&["range"], map.range());
            tree.set(&["data"], bytes::encode(&map.to_bytes()));
            Some(tree)
        };
        self.update_hidden(&hidden, change).await
    }

    /// The map of ports that are taken, as it is visible.
    pub(crate) fn recorded_ports(&self) -> PortMap {
        let stored = self.store.get(self.ports_collection(), PORTS_KEY);
        let tree = stored.and_then(|stored| self.hidden_tree(&range_allocation(), &stored));
        self.port_map(tree.as_ref())
    }

    fn port_map(&self, stored: Option<&Value>) -> PortMap {
        let mut map = self.allocators.port_map();
        if let Some(tree) = stored {
            map.read(tree.str_at(&["range"]), &bytes::decode(tree.str_at(&["data"])).unwrap_or_default());
        }
        map
    }

    fn ports_collection(&self) -> CollectionId {
        self.store.add_collection(PORTS_PREFIX)
    }
}

fn range_allocation() -> GroupVersionKind {
    GroupVersionKind::new("", "v1", "RangeAllocation")
}
