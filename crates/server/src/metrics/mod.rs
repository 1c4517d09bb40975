//! The metrics of requests, connections and stored objects, in upstream's families.

mod known;
mod labels;
mod page;
mod request;
mod streams;
mod watch_cache;
mod watermark;

pub use labels::Labels;
pub use page::{PATH, answer, is_page};
pub use request::Observation;
pub use streams::{StreamMetrics, observe_code};
pub use watch_cache::Lists;
pub use watermark::{Counted, Watermark};

use self::known::{KnownLabels, RequestSeries};
use self::watch_cache::WatchCache;
use crate::fairness::{self, Turns};
use crate::request::Request;
use pintle_access::Decision;
use pintle_engine::Engine;
use pintle_metrics::{Counter, Counters, Gauge, Gauges, Histogram, Histograms, Registry, Series};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The component that all requests are counted for.
const COMPONENT: &str = "apiserver";

/// Families that every request about a resource counts in.
const COUNTS: &str = "apiserver_request_total";
const DURATIONS: &str = "apiserver_request_duration_seconds";
const INDICATORS: &str = "apiserver_request_sli_duration_seconds";
const SIZES: &str = "apiserver_response_sizes";

/// The stages that are measured, and how authentication ends.
const FILTERS: [&str; 3] = ["authentication", "priorityandfairness", "authorization"];
const RESULTS: [&str; 2] = ["success", "error"];

/// The server's own families, beside those of other crates in the same registry.
pub struct Metrics {
    registry: Registry,
    requests: Counters,
    durations: Histograms,
    indicators_of_requests: Histograms,
    sizes: Histograms,
    body_sizes: Histograms,
    long_running: Gauges,
    deprecated: Gauges,
    field_validations: Histograms,
    /// The series of requests by the labels of all families that each request counts in.
    request_series: Series<Arc<OnceLock<RequestSeries>>>,
    /// Whether labels of those families are restricted, so that each observation is judged.
    is_restricted: bool,
    filters: KnownLabels<Histogram, 3>,
    terminations: Counters,
    aborts: Counters,
    attempts: KnownLabels<Counter, 2>,
    attempt_durations: KnownLabels<Histogram, 2>,
    users: KnownLabels<Counter, 1>,
    decisions: KnownLabels<Counter, 1>,
    decision_durations: KnownLabels<Histogram, 1>,
    watch_events: Counters,
    watch_event_sizes: Histograms,
    watch_lists: Histograms,
    objects: Gauges,
    objects_by_key: Gauges,
    object_bytes: Gauges,
    storage: Gauges,
    watch_cache: WatchCache,
    pub lists: Lists,
    pub streams: StreamMetrics,
    /// Requests in flight: reads, and writes.
    pub in_flight: [Watermark; 2],
    /// Requests that wait for their turn.
    pub in_queue: [Watermark; 2],
    pub tls_errors: Counter,
    pub certificate_lives: Histogram,
    /// Aggregated discovery: documents that were made, and requests for those of this server alone.
    pub discovery_made: Counter,
    /// OpenAPI v2 documents that were made because of other servers, and the duration of the last.
    pub openapi_made: Counters,
    pub openapi_seconds: Gauges,
    pub discovery_alone: Counter,
    /// Discovery of all servers on the store: cached answers, and those that had to be made.
    pub discovery_hits: Counter,
    pub discovery_misses: Counter,
    /// The families of `/metrics/slis`.
    indicators: Registry,
    check: Gauges,
    checks: Counters,
}

/// The events of watches of one resource.
#[derive(Clone)]
pub struct WatchEvents {
    count: Counter,
    sizes: Histogram,
}

impl WatchEvents {
    pub fn observe(&self, bytes: usize) {
        self.count.inc();
        self.sizes.observe(bytes as f64);
    }
}

impl Metrics {
    /// The families of a server in a registry that others count in, too.
    pub fn new(registry: Registry) -> Metrics {
        let indicators = registry.indicators();
        let both = |name: &str| {
            let gauges = registry.gauges(name);
            ["readOnly", "mutating"].map(|kind| Watermark::new(gauges.with(&[kind])))
        };
        Metrics {
            requests: registry.counters(COUNTS),
            durations: registry.histograms(DURATIONS),
            indicators_of_requests: registry.histograms(INDICATORS),
            sizes: registry.histograms(SIZES),
            body_sizes: registry.histograms("apiserver_request_body_size_bytes"),
            long_running: registry.gauges("apiserver_longrunning_requests"),
            deprecated: registry.gauges("apiserver_requested_deprecated_apis"),
            field_validations: registry.histograms("field_validation_request_duration_seconds"),
            request_series: Series::unshown(),
            is_restricted: [COUNTS, DURATIONS, INDICATORS, SIZES]
                .iter()
                .any(|name| registry.is_restricted(name)),
            filters: KnownLabels::new(
                registry.histograms("apiserver_request_filter_duration_seconds"),
                FILTERS,
            ),
            terminations: registry.counters("apiserver_request_terminations_total"),
            aborts: registry.counters("apiserver_request_aborts_total"),
            attempts: KnownLabels::new(registry.counters("authentication_attempts"), RESULTS),
            attempt_durations: KnownLabels::new(
                registry.histograms("authentication_duration_seconds"),
                RESULTS,
            ),
            users: KnownLabels::new(registry.counters("authenticated_user_requests"), ["other"]),
            decisions: KnownLabels::new(registry.counters("authorization_attempts_total"), ["allowed"]),
            decision_durations: KnownLabels::new(
                registry.histograms("authorization_duration_seconds"),
                ["allowed"],
            ),
            watch_events: registry.counters("apiserver_watch_events_total"),
            watch_event_sizes: registry.histograms("apiserver_watch_events_sizes"),
            watch_lists: registry.histograms("apiserver_watch_list_duration_seconds"),
            objects: registry.gauges("apiserver_resource_objects"),
            objects_by_key: registry.gauges("apiserver_storage_objects"),
            object_bytes: registry.gauges("apiserver_resource_size_estimate_bytes"),
            storage: registry.gauges("apiserver_storage_size_bytes"),
            watch_cache: WatchCache::new(&registry),
            lists: Lists::new(&registry),
            streams: StreamMetrics::new(&registry),
            in_flight: both("apiserver_current_inflight_requests"),
            in_queue: both("apiserver_current_inqueue_requests"),
            tls_errors: registry.counter("apiserver_tls_handshake_errors_total"),
            certificate_lives: registry.histogram("apiserver_client_certificate_expiration_seconds"),
            discovery_made: registry.counter("aggregator_discovery_aggregation_count_total"),
            openapi_made: registry.counters("aggregator_openapi_v2_regeneration_count"),
            openapi_seconds: registry.gauges("aggregator_openapi_v2_regeneration_duration"),
            discovery_hits: registry.counter("aggregator_discovery_peer_aggregated_cache_hits_total"),
            discovery_misses: registry.counter("aggregator_discovery_peer_aggregated_cache_misses_total"),
            discovery_alone: registry.counter("aggregator_discovery_nopeer_requests_total"),
            check: indicators.gauges("kubernetes_healthcheck"),
            checks: indicators.counters("kubernetes_healthchecks_total"),
            indicators,
            registry,
        }
    }

    /// The registry that everybody counts in.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The registry of `/metrics/slis`.
    pub fn indicators(&self) -> &Registry {
        &self.indicators
    }

    /// Counts a check of health that was made for one of the paths of all checks.
    pub fn observe_check(&self, root: &str, check: &str, is_failed: bool) {
        let status = if is_failed { "error" } else { "success" };
        self.check.with(&[check, root]).set(if is_failed { 0.0 } else { 1.0 });
        self.checks.with(&[check, status, root]).inc();
    }

    /// Counts an authentication: the user's name if it succeeded.
    pub fn observe_authentication(&self, user: Option<&str>, elapsed: Duration) {
        let result = if user.is_some() { "success" } else { "error" };
        user.into_iter().for_each(|name| self.users.count(labels::user(name), Counter::inc));
        self.attempts.count(result, Counter::inc);
        self.attempt_durations.count(result, |series| series.observe(elapsed.as_secs_f64()));
        self.observe_filter("authentication", elapsed);
    }

    /// Counts a decision about a request.
    pub fn observe_authorization(&self, decision: &Decision, elapsed: Duration) {
        let result = match decision {
            Decision::Allow(_) => "allowed",
            Decision::Deny(_) => "denied",
            Decision::NoOpinion(_) => "no-opinion",
            Decision::Error { .. } => "error",
        };
        self.decisions.count(result, Counter::inc);
        self.decision_durations.count(result, |series| series.observe(elapsed.as_secs_f64()));
        self.observe_filter("authorization", elapsed);
    }

    /// Measures a stage of the pipeline.
    pub fn observe_filter(&self, filter: &str, elapsed: Duration) {
        self.filters.count(filter, |series| series.observe(elapsed.as_secs_f64()));
    }

    /// Measures the body of a request that was read.
    pub fn observe_body(&self, request: &Request) {
        let info = &request.info;
        let labels = [info.group.as_str(), &info.resource, info.verb.as_str()];
        self.body_sizes.with(&labels).observe(request.body.len() as f64);
    }

    /// A request that the server refuses in its own defence, or gives up.
    pub fn observe_termination(&self, request: &Request, is_served: bool, code: u16) {
        let Labels { group, resource, scope, subresource, verb, version } =
            if is_served { Labels::of(request) } else { Labels::OTHER };
        let code = labels::code(code);
        self.terminations.with(&[code, COMPONENT, group, resource, scope, subresource, verb, version]).inc();
    }

    /// A request that took longer than it may.
    pub fn observe_abort(&self, request: &Request, is_served: bool) {
        let Labels { group, resource, scope, subresource, verb, version } =
            if is_served { Labels::of(request) } else { Labels::OTHER };
        self.aborts.with(&[group, resource, scope, subresource, verb, version]).inc();
    }

    /// A request for an API that is going to be removed, and the release that does not have it any more.
    pub fn observe_deprecated(&self, request: &Request, removed_in: &str) {
        let info = &request.info;
        let labels = [info.group.as_str(), removed_in, &info.resource, &info.subresource, &info.version];
        self.deprecated.with(&labels).set(1.0);
    }

    /// The events of a watch.
    pub fn watch_events(&self, request: &Request) -> WatchEvents {
        let info = &request.info;
        let labels = [info.group.as_str(), &info.resource, &info.version];
        WatchEvents { count: self.watch_events.with(&labels), sizes: self.watch_event_sizes.with(&labels) }
    }

    /// The time until a watch has sent its initial events.
    pub fn watch_list(&self, request: &Request) -> Histogram {
        let Labels { group, resource, scope, version, .. } = Labels::of(request);
        self.watch_lists.with(&[group, resource, scope, version])
    }

    /// The gauge of open long requests of one resource.
    pub fn long_running(&self, request: &Request) -> Gauge {
        let Labels { group, resource, scope, subresource, verb, version } = Labels::of(request);
        self.long_running.with(&[COMPONENT, group, resource, scope, subresource, verb, version])
    }

    /// Keeps the sizes of etcd's databases, for as long as it is polled.
    pub async fn follow_sizes(&self, store: &pintle_store::Store, every: Duration) {
        loop {
            for (place, bytes) in store.sizes().await {
                self.storage.with(&[format!("etcd-{place}").as_str()]).set(bytes as f64);
            }
            tokio::time::sleep(every).await;
        }
    }

    fn text(&self, engine: &Engine, turns: Option<&Turns>) -> String {
        self.look_at_objects(engine);
        engine.show_allocations();
        engine.show_bookmarks();
        if let Some(turns) = turns {
            fairness::show(&turns.fairness, &self.registry);
        }
        self.registry.text()
    }

    /// Sets the gauges of the number of objects of each resource, and of their estimated size.
    fn look_at_objects(&self, engine: &Engine) {
        [&self.objects, &self.objects_by_key, &self.object_bytes].into_iter().for_each(Gauges::clear);
        for served in engine.table().served() {
            let Some(collection) = served.collection() else { continue };
            let (group, plural) = (served.resource.group.as_ref(), served.resource.plural.as_ref());
            let snapshot = engine.store.snapshot(collection);
            let count = snapshot.len() as f64;
            self.objects.with(&[group, plural]).set(count);
            let key = if group.is_empty() { String::from(plural) } else { format!("{plural}.{group}") };
            self.objects_by_key.with(&[key.as_str()]).set(count);
            let facts = engine.store.event_facts(collection);
            self.object_bytes.with(&[group, plural]).set(facts.live_bytes as f64);
            self.watch_cache.show(group, plural, facts, snapshot.revision.0);
        }
    }
}
