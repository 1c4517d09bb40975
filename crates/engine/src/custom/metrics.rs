//! What is counted of conversions by webhooks, in upstream's families.

use pintle_metrics::{Histograms, Registry};
use std::time::Duration;

/// How long conversions take, by definition and versions.
pub struct ConversionMetrics {
    durations: Histograms,
}

impl ConversionMetrics {
    pub fn new(registry: &Registry) -> ConversionMetrics {
        ConversionMetrics {
            durations: registry.histograms("apiserver_crd_conversion_webhook_duration_seconds"),
        }
    }

    pub(crate) fn observe(&self, definition: &str, versions: (&str, &str), succeeded: bool, took: Duration) {
        let succeeded = if succeeded { "true" } else { "false" };
        let (from, to) = versions;
        self.durations.with(&[definition, from, succeeded, to]).observe(took.as_secs_f64());
    }
}
