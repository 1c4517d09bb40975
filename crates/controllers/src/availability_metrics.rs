//! Metrics of the availability of APIServices, with upstream's names.

use pintle_metrics::{Counters, Gauges, Registry};

/// Which APIs do not answer, and how often each stopped to.
pub struct AvailabilityMetrics {
    unavailable: Gauges,
    unavailable_total: Counters,
}

impl AvailabilityMetrics {
    pub fn new(registry: &Registry) -> AvailabilityMetrics {
        AvailabilityMetrics {
            unavailable: registry.gauges("aggregator_unavailable_apiservice"),
            unavailable_total: registry.counters("aggregator_unavailable_apiservice_total"),
        }
    }

    pub(crate) fn set_available(&self, name: &str, is_available: bool) {
        self.unavailable.with(&[name]).set(if is_available { 0.0 } else { 1.0 });
    }

    pub(crate) fn count_unavailable(&self, name: &str, reason: &str) {
        self.unavailable_total.with(&[name, reason]).inc();
    }

    /// An API that is gone has no series.
    pub(crate) fn forget(&self, name: &str) {
        self.unavailable.remove(&[name]);
    }
}
