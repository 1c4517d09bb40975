//! The metrics of the watch cache, by resource. (`k8s.io/apiserver/pkg/storage/cacher/metrics`.)

use pintle_metrics::{Counters, Gauges, Registry};
use pintle_store::EventFacts;

/// The lowest digits of a revision, as many as a floating point number holds exactly.
const REVISION_MAX: u64 = 1_000_000_000_000_000;

/// The families of the watch cache; gauges are set when the page is read.
pub struct WatchCache {
    received: Counters,
    dispatched: Counters,
    stored: Counters,
    initializations: Counters,
    capacity: Gauges,
    revision: Gauges,
}

impl WatchCache {
    pub fn new(registry: &Registry) -> WatchCache {
        WatchCache {
            received: registry.counters("apiserver_watch_cache_events_received_total"),
            dispatched: registry.counters("apiserver_watch_cache_events_dispatched_total"),
            stored: registry.counters("apiserver_storage_events_received_total"),
            initializations: registry.counters("apiserver_watch_cache_initializations_total"),
            capacity: registry.gauges("watch_cache_capacity"),
            revision: registry.gauges("apiserver_watch_cache_resource_version"),
        }
    }

    /// Sets the gauges of one resource. Each event from the store is dispatched at once.
    pub fn show(&self, group: &str, resource: &str, facts: EventFacts, revision: u64) {
        let labels = [group, resource];
        for events in [&self.received, &self.dispatched, &self.stored] {
            events.with(&labels).set(facts.count);
        }
        self.initializations.with(&labels).set(1);
        self.capacity.with(&labels).set(facts.capacity as f64);
        self.revision.with(&labels).set((revision % REVISION_MAX) as f64);
    }
}

/// Lists, which are all answered from the watch cache.
pub struct Lists {
    count: Counters,
    fetched: Counters,
    returned: Counters,
    consistent: Counters,
}

impl Lists {
    pub fn new(registry: &Registry) -> Lists {
        Lists {
            count: registry.counters("apiserver_cache_list_total"),
            fetched: registry.counters("apiserver_cache_list_fetched_objects_total"),
            returned: registry.counters("apiserver_cache_list_returned_objects_total"),
            consistent: registry.counters("apiserver_watch_cache_consistent_read_total"),
        }
    }

    /// Counts a list: the objects that it looked at and returned, and whether it had to be as recent as the store.
    pub fn observe(&self, group: &str, resource: &str, looked_at: usize, told: usize, is_consistent: bool) {
        // There is no index but that of keys.
        self.count.with(&[group, "", resource]).inc();
        self.fetched.with(&[group, "", resource]).add(looked_at as u64);
        self.returned.with(&[group, resource]).add(told as u64);
        if is_consistent {
            self.consistent.with(&["false", group, resource, "true"]).inc();
        }
    }
}
