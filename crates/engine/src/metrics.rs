//! Metrics of the store and of allocations, in upstream's families.

use crate::engine::Engine;
use crate::resource::ServedResource;
use pintle_object::Value;
use pintle_patch::NoopCheck;
use pintle_store::WriteKind;
use std::time::{Duration, Instant};

const REPAIR_ERRORS: &str = "apiserver_nodeport_repair_reconcile_errors_total";

impl Engine {
    /// Counts the objects that the start has read from the store: each collection once, and all of it.
    pub(crate) fn count_start(&self) {
        let registry = self.metrics();
        let lists = registry.counters("apiserver_storage_list_total");
        let objects = ["fetched", "evaluated", "returned"]
            .map(|what| registry.counters(&format!("apiserver_storage_list_{what}_objects_total")));
        for (prefix, count) in self.store.collections() {
            let (group, resource) = self.name_of(&prefix);
            let labels = [group.as_str(), resource.as_str()];
            lists.with(&labels).inc();
            objects.iter().for_each(|one| one.with(&labels).add(count as u64));
        }
        // Repairs that fail are counted from now on.
        registry.counter(REPAIR_ERRORS);
    }

    /// Measures how long a read of a resource waits for the cache to be as new as it wants it.
    pub(crate) fn observe_wait(&self, served: &ServedResource, elapsed: Duration) {
        let waits = self.metrics().histograms("apiserver_watch_cache_read_wait_seconds");
        waits.with(&[&served.resource.group, &served.resource.plural]).observe(elapsed.as_secs_f64());
    }

    /// Keeps the times of managers where an update changes nothing else, and measures how long it took to find out.
    pub(crate) fn keep_times(&self, old: &Value, new: &mut Value) {
        let began = Instant::now();
        let [equal, slow, fast] = &self.comparisons;
        let (series, path) = match pintle_patch::keep_times_of_noop(old, new) {
            NoopCheck::Equal => (equal, "equal_objects"),
            NoopCheck::UnequalSlow => (slow, "unequal_objects_slow"),
            NoopCheck::UnequalFast => (fast, "unequal_objects_fast"),
        };
        let times = || self.metrics().histograms("apiserver_request_timestamp_comparison_time");
        series.get_or_init(|| times().with(&[path])).observe(began.elapsed().as_secs_f64());
    }

    /// A repair of the map of node ports failed.
    pub(crate) fn count_failed_repair(&self) {
        self.metrics().counter(REPAIR_ERRORS).inc();
    }

    /// Measures writes to etcd. Those of the embedded store are no requests to anybody.
    pub(crate) fn observe_writes(&self) {
        if !self.store.is_shared() {
            return;
        }
        let counts = self.metrics().counters("etcd_requests_total");
        let durations = self.metrics().histograms("etcd_request_duration_seconds");
        let prefixes: Vec<String> = self.store.collections().into_iter().map(|(prefix, _)| prefix).collect();
        let names: Vec<(String, String)> = prefixes.iter().map(|prefix| self.name_of(prefix)).collect();
        self.store.observe_writes(move |collection, kind, elapsed| {
            let operation = match kind {
                WriteKind::Create => "create",
                WriteKind::Update => "update",
                WriteKind::Delete => "delete",
            };
            // Collections of definitions come later, and are counted together.
            let (group, resource) = names
                .get(collection.0 as usize)
                .map_or(("", ""), |(group, resource)| (group.as_str(), resource.as_str()));
            counts.with(&[group, operation, resource]).inc();
            durations.with(&[group, operation, resource]).observe(elapsed.as_secs_f64());
        });
    }

    /// The group and the resource whose objects are under a prefix.
    fn name_of(&self, prefix: &str) -> (String, String) {
        let found = self.table().served().iter().find(|served| served.prefix("") == prefix).cloned();
        let resource = found.as_ref().map(|served| &served.resource);
        resource.map(|one| (one.group.to_string(), one.plural.to_string())).unwrap_or_default()
    }

    /// Sets the number of etcd's progress notifications. One watch follows all resources, so it is the same for each.
    pub fn show_bookmarks(&self) {
        if !self.store.is_shared() {
            return;
        }
        let bookmarks = self.metrics().counters("etcd_bookmark_total");
        let count = self.store.bookmarks();
        for served in self.table().served().iter().filter(|served| served.collection().is_some()) {
            bookmarks.with(&[&served.resource.group, &served.resource.plural]).set(count);
        }
    }

    /// Sets the numbers of allocated and of free addresses and ports.
    pub fn show_allocations(&self) {
        let registry = self.metrics();
        let taken = registry.gauges("kube_apiserver_clusterip_allocator_allocated_ips");
        let free = registry.gauges("kube_apiserver_clusterip_allocator_available_ips");
        let addresses =
            self.find_any("networking.k8s.io", "ipaddresses").and_then(|served| served.collection());
        let snapshot = addresses.map(|collection| self.store.snapshot(collection)).unwrap_or_default();
        for pool in self.allocators.address_pools() {
            let names = snapshot.range("", None).filter_map(|object| object.attrs.name.parse().ok());
            let count = names.filter(|ip| pool.contains(*ip)).count() as f64;
            taken.with(&[pool.cidr()]).set(count);
            free.with(&[pool.cidr()]).set(pool.size() as f64 - count);
        }
        let map = self.recorded_ports();
        let (count, size) = (map.taken().count() as f64, map.size() as f64);
        registry.gauge("kube_apiserver_nodeport_allocator_allocated_ports").set(count);
        registry.gauge("kube_apiserver_nodeport_allocator_available_ports").set(size - count);
    }
}
