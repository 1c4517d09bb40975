//! The metrics of one request, from its answer to the end of it.

use super::known::RequestSeries;
use super::{COMPONENT, Labels, Metrics, labels};
use crate::request::{Request, is_long_running};
use crate::response::Response;
use pintle_metrics::Gauge;
use pintle_object::Verb;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The figures of one answer, which are observed when it is dropped at its end.
pub struct Observation {
    started: Instant,
    /// The part of the latency that was spent waiting for a turn and for webhooks.
    waited: Duration,
    series: Arc<OnceLock<RequestSeries>>,
    open: Option<Gauge>,
}

impl Metrics {
    /// Observes the answer to a request about a resource until it has ended. `is_served`: whether the request resolved,
    /// and is counted with its labels. `waited`: the time that it waited for its turn and for webhooks.
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
        let labels = if is_served { Labels::of(request) } else { Labels::OTHER };
        let series = self.series(request, &labels, labels::code(response.status));
        if matches!(request.info.verb, Verb::Get | Verb::List)
            && let Some(series) = series.get()
            && let Some(len) = response.len()
        {
            series.sizes.get_or_init(|| self.sizes.with(&plain(&labels))).observe(len as f64);
        }
        let open = is_served && !response.is_whole() && is_long_running(&request.info);
        let open = open.then(|| self.long_running(request)).inspect(Gauge::inc);
        Some(Observation { started, waited, series, open })
    }

    /// The series of requests with the same labels; they are made by the first.
    fn series(&self, request: &Request, labels: &Labels<'_>, code: &str) -> Arc<OnceLock<RequestSeries>> {
        let dry_run = labels::dry_run(request);
        let field_validation = labels::field_validation(request);
        let Labels { group, resource, scope, subresource, verb, version } = *labels;
        let all = [code, dry_run, field_validation, group, resource, scope, subresource, verb, version];
        let series = if self.is_restricted { Arc::default() } else { self.request_series.with(&all) };
        series.get_or_init(|| {
            let count = [code, COMPONENT, dry_run, group, resource, scope, subresource, verb, version];
            let duration = [COMPONENT, dry_run, group, resource, scope, subresource, verb, version];
            // As upstream, the series of a validation is made, and nothing is measured for it.
            self.field_validations.with(&[field_validation]);
            RequestSeries {
                count: self.requests.with(&count),
                duration: self.durations.with(&duration),
                indicator: dry_run.is_empty().then(|| self.indicators_of_requests.with(&plain(labels))),
                sizes: OnceLock::new(),
            }
        });
        series
    }
}

/// The labels of families without a label for dry runs.
fn plain<'a>(labels: &Labels<'a>) -> [&'a str; 7] {
    let Labels { group, resource, scope, subresource, verb, version } = *labels;
    [COMPONENT, group, resource, scope, subresource, verb, version]
}

impl Drop for Observation {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        if let Some(series) = self.series.get() {
            series.count.inc();
            series.duration.observe(elapsed.as_secs_f64());
            let own = elapsed.saturating_sub(self.waited);
            series.indicator.iter().for_each(|indicator| indicator.observe(own.as_secs_f64()));
        }
        self.open.iter().for_each(Gauge::dec);
    }
}
