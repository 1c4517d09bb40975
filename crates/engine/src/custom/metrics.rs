//! Metrics of conversions by webhooks, in upstream's families.

use pintle_metrics::{Counters, Histograms, Registry};
use std::time::Duration;

/// The metrics of conversions: their results and durations.
pub(crate) struct ConversionMetrics {
    /// By definition and versions.
    conversions: Histograms,
    requests: Counters,
    durations: Histograms,
}

/// The label of a webhook's failure to convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureType {
    Call,
    MalformedResponse,
    PartialResponse,
    InvalidObject,
}

impl FailureType {
    fn as_str(self) -> &'static str {
        match self {
            FailureType::Call => "conversion_webhook_call_failure",
            FailureType::MalformedResponse => "conversion_webhook_malformed_response_failure",
            FailureType::PartialResponse => "conversion_webhook_partial_response_failure",
            FailureType::InvalidObject => "conversion_webhook_invalid_converted_object_failure",
        }
    }
}

impl ConversionMetrics {
    pub fn new(registry: &Registry) -> ConversionMetrics {
        ConversionMetrics {
            conversions: registry.histograms("apiserver_crd_conversion_webhook_duration_seconds"),
            requests: registry.counters("apiserver_conversion_webhook_request_total"),
            durations: registry.histograms("apiserver_conversion_webhook_duration_seconds"),
        }
    }

    /// Counts one review about a definition's objects, from a version to another.
    pub fn observe(
        &self,
        definition: &str,
        (from, to): (&str, &str),
        failure: Option<FailureType>,
        took: Duration,
    ) {
        let succeeded = if failure.is_none() { "true" } else { "false" };
        self.conversions.with(&[definition, from, succeeded, to]).observe(took.as_secs_f64());
        let result = if failure.is_none() { "success" } else { "failure" };
        let labels = [failure.map_or("", FailureType::as_str), result];
        self.requests.with(&labels).inc();
        self.durations.with(&labels).observe(took.as_secs_f64());
    }
}
