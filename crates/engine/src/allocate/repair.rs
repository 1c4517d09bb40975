//! Repairs all records of addresses and ports: missing ones are made, and unused ones are removed. Servers that were
//! killed between a record and its object leave such ones behind.

use crate::engine::Engine;
use crate::resource::ServedResource;
use pintle_kinds::{AllocationRecord, Allocations};
use pintle_object::meta;
use pintle_object::time::Time;
use pintle_object::{GroupResource, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// A record is made just before its object: a younger one may still get it.
const UNUSED_SECONDS: i64 = 60;

impl Engine {
    /// Repairs once. Ports are freed when two repairs in a row find no Service with them, so some time should lie in
    /// between.
    pub async fn repair_records(&self, now: Time) {
        // The map is older than the Services: a port in it without a Service was given back, or is lost.
        let map = self.recorded_ports();
        let mut held = Allocations::default();
        let mut records = Vec::new();
        for served in self.table().served().iter().filter(|served| served.strategy.allocates()) {
            for tree in self.trees(served) {
                let of_one = served.strategy.allocations(&tree);
                held.ips.extend(of_one.ips);
                held.ports.extend(of_one.ports);
                records.extend(served.strategy.allocation_records(&tree));
            }
        }
        self.repair_allocation_records(&records, now).await;
        let taken: BTreeSet<u16> = map.taken().collect();
        let needed: BTreeSet<u16> = held.ports.iter().copied().filter(|port| map.contains(*port)).collect();
        let missing: Vec<u16> = needed.difference(&taken).copied().collect();
        self.repair_ports(&missing, true).await;
        let unused =
            taken.difference(&needed).copied().filter(|port| !self.allocators.is_held(*port)).collect();
        let before = {
            let mut leaked = self.allocators.leaked.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *leaked, unused)
        };
        let still: Vec<u16> = self.leaked_still(&before);
        self.repair_ports(&still, false).await;
    }

    fn leaked_still(&self, before: &BTreeSet<u16>) -> Vec<u16> {
        let leaked = self.allocators.leaked.lock().unwrap_or_else(PoisonError::into_inner);
        leaked.intersection(before).copied().collect()
    }

    async fn repair_ports(&self, ports: &[u16], is_taken: bool) {
        for port in ports {
            if let Err(status) = self.record_ports(&[*port], is_taken).await {
                self.count_failed_repair();
                tracing::warn!("cannot repair the map of node ports: {}", status.message);
            }
        }
    }

    async fn repair_allocation_records(&self, needed: &[AllocationRecord], now: Time) {
        for record in needed {
            let resource = &record.resource;
            let Some(served) = self.find_any(&resource.group, &resource.resource) else { continue };
            let key = served.key("", meta::name(&record.object));
            let is_missing = |collection| self.store.get(collection, &key).is_none();
            if served.collection().is_some_and(is_missing)
                && let Err(status) = self.add_record(record, now).await
            {
                tracing::warn!("cannot create a missing allocation record: {}", status.message);
            }
        }
        for unused in self.unused_addresses(needed, now) {
            self.drop_record(&unused, now).await;
        }
    }

    /// Records of the server's own that no object needs, and that are not of just now.
    fn unused_addresses(&self, needed: &[AllocationRecord], now: Time) -> Vec<AllocationRecord> {
        let Some(served) = self.find_any("networking.k8s.io", "ipaddresses") else { return Vec::new() };
        let names: BTreeSet<&str> = needed.iter().map(|record| meta::name(&record.object)).collect();
        let is_unused = |tree: &Value| {
            let made = Time::parse(tree.str_at(&["metadata", "creationTimestamp"]));
            let labels = tree.map_at(&["metadata", "labels"]);
            let manager = labels.and_then(|labels| labels.get("ipaddress.kubernetes.io/managed-by"));
            manager.and_then(Value::as_str) == Some("ipallocator.k8s.io")
                && tree.str_at(&["spec", "parentRef", "resource"]) == "services"
                && made.is_ok_and(|made| made.seconds + UNUSED_SECONDS < now.seconds)
        };
        let Some(collection) = served.collection() else { return Vec::new() };
        let snapshot = self.store.snapshot(collection);
        let prefix = served.prefix("");
        let unnamed = snapshot.range(&prefix, None).filter(|object| !names.contains(&*object.attrs.name));
        let trees = unnamed.filter_map(|object| self.storage_tree(&served, object).ok());
        let resource = GroupResource::new("networking.k8s.io", "ipaddresses");
        trees
            .filter(is_unused)
            .map(|object| AllocationRecord { resource: resource.clone(), object })
            .collect()
    }

    fn trees(&self, served: &Arc<ServedResource>) -> Vec<Value> {
        let Some(collection) = served.collection() else { return Vec::new() };
        let snapshot = self.store.snapshot(collection);
        let prefix = served.prefix("");
        let objects = snapshot.range(&prefix, None);
        objects.filter_map(|object| self.storage_tree(served, object).ok()).collect()
    }
}
