//! The observation of one request, from its answer to the end of it.

use super::{COMPONENT, Labels, Metrics, labels};
use crate::request::{Request, is_long_running};
use crate::response::Response;
use pintle_metrics::{Counter, Gauge, Histogram};
use pintle_schema::Verb;
use std::time::{Duration, Instant};

/// What is counted when an answer has ended: when it is dropped.
pub struct Observation {
    started: Instant,
    count: Counter,
    duration: Histogram,
    /// The latency without what others took; none for rehearsals.
    indicator: Option<(Histogram, Duration)>,
    open: Option<Gauge>,
}

impl Metrics {
    /// Observes the answer to a request about a resource until it has ended. `is_served`: whether the request resolved
    /// to something, and is counted as that. `waited`: what it waited for its turn and for webhooks.
    pub fn observe(
        &self,
        request: &Request,
        is_served: bool,
        response: &Response,
        started: Instant,
        waited: Duration,
    ) -> Option<Observation> {
        if !request.info.is_resource {
            return None;
        }
        let dry_run = labels::dry_run(request);
        let labels = if is_served { Labels::of(request) } else { Labels::OTHER };
        let Labels { group, resource, scope, subresource, verb, version } = labels;
        let code = labels::code(response.status);
        let count = [code, COMPONENT, dry_run, group, resource, scope, subresource, verb, version];
        let duration = [COMPONENT, dry_run, group, resource, scope, subresource, verb, version];
        let plain = [COMPONENT, group, resource, scope, subresource, verb, version];
        // As upstream, the series of a validation is made, and nothing is measured for it.
        self.field_validations.with(&[labels::field_validation(request)]);
        if matches!(request.info.verb, Verb::Get | Verb::List)
            && let Some(len) = response.len()
        {
            self.sizes.with(&plain).observe(len as f64);
        }
        let open = is_served && !response.is_whole() && is_long_running(&request.info);
        Some(Observation {
            started,
            count: self.requests.with(&count),
            duration: self.durations.with(&duration),
            indicator: dry_run.is_empty().then(|| (self.indicators_of_requests.with(&plain), waited)),
            open: open.then(|| self.long_running(request)).inspect(Gauge::inc),
        })
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        self.count.inc();
        self.duration.observe(elapsed.as_secs_f64());
        if let Some((indicator, waited)) = &self.indicator {
            indicator.observe(elapsed.saturating_sub(*waited).as_secs_f64());
        }
        self.open.iter().for_each(Gauge::dec);
    }
}
