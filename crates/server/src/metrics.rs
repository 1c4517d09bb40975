//! `/metrics`: upstream's names, labels and buckets for requests, in the text format of Prometheus.

use crate::app::App;
use crate::fairness;
use crate::request::Request;
use crate::resolve::CONNECTING;
use crate::response::{Body, Response};
use crate::route::RequestInfo;
use pintle_schema::Verb;
use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::time::Duration;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

const APPLY: &str = "application/apply-patch+yaml";

/// Upstream's buckets of request latency, in seconds.
const SECONDS: [f64; 24] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0, 90.0,
];

/// The server's counters.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    sizes: HistogramVec,
    long_running: IntGaugeVec,
    objects: IntGaugeVec,
    storage: IntGaugeVec,
    /// Those of `/metrics/slis`.
    indicators: Registry,
    check: IntGaugeVec,
    checks: IntCounterVec,
}

impl Metrics {
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new(
                "apiserver_request_total",
                "Requests by verb, dry run, group, version, resource, scope, component and code.",
            ),
            &["code", "component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new("apiserver_request_duration_seconds", "Seconds from request to answer.")
                .buckets(SECONDS.to_vec()),
            &["component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let sizes = HistogramVec::new(
            HistogramOpts::new("apiserver_response_sizes", "Bytes of answers.")
                .buckets(vec![1000.0, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]),
            &["component", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let long_running = IntGaugeVec::new(
            Opts::new("apiserver_longrunning_requests", "Watches and other long requests that are open."),
            &["component", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let objects = IntGaugeVec::new(
            Opts::new("apiserver_resource_objects", "Stored objects by resource."),
            &["group", "resource"],
        )?;
        let storage = IntGaugeVec::new(
            Opts::new("apiserver_storage_size_bytes", "Bytes of the database of each etcd."),
            &["storage_cluster_id"],
        )?;
        registry.register(Box::new(storage.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(sizes.clone()))?;
        registry.register(Box::new(long_running.clone()))?;
        registry.register(Box::new(objects.clone()))?;
        let indicators = Registry::new();
        let about = "This metric records the result of a single healthcheck.";
        let about = Opts::new("kubernetes_healthcheck", format!("[STABLE] {about}"));
        let check = IntGaugeVec::new(about, &["name", "type"])?;
        let about = "This metric records the results of all healthcheck.";
        let about = Opts::new("kubernetes_healthchecks_total", format!("[STABLE] {about}"));
        let checks = IntCounterVec::new(about, &["name", "status", "type"])?;
        indicators.register(Box::new(check.clone()))?;
        indicators.register(Box::new(checks.clone()))?;
        Ok(Metrics {
            registry,
            requests,
            durations,
            sizes,
            long_running,
            objects,
            storage,
            indicators,
            check,
            checks,
        })
    }

    /// Counts a check of health that was made for one of the paths of all checks.
    pub fn observe_check(&self, root: &str, check: &str, is_failed: bool) {
        let status = if is_failed { "error" } else { "success" };
        self.check.with_label_values(&[check, root]).set(i64::from(!is_failed));
        self.checks.with_label_values(&[check, status, root]).inc();
    }

    /// Counts an answer to a request about a resource. `is_served`: whether the request resolved to something, and is
    /// counted as that; all others are counted together, so that nobody makes series by asking.
    pub fn observe(&self, request: &Request, is_served: bool, response: &Response, elapsed: Duration) {
        if !request.info.is_resource {
            return;
        }
        let dry_run = dry_run(request);
        let labels = if is_served { Labels::of(request) } else { Labels::OTHER };
        let Labels { group, resource, scope, subresource, verb, version } = labels;
        let code = response.status.to_string();
        self.requests
            .with_label_values(&[
                code.as_str(),
                "apiserver",
                dry_run,
                group,
                resource,
                scope,
                subresource,
                verb,
                version,
            ])
            .inc();
        if matches!(response.body, Body::Stream(_)) {
            return;
        }
        self.durations
            .with_label_values(&["apiserver", dry_run, group, resource, scope, subresource, verb, version])
            .observe(elapsed.as_secs_f64());
        if let Some(len) = response.len() {
            self.sizes
                .with_label_values(&["apiserver", group, resource, scope, subresource, verb, version])
                .observe(len as f64);
        }
    }

    /// Keeps the sizes of etcd's databases, for as long as it is polled.
    pub async fn follow_sizes(&self, store: &pintle_store::Store, every: Duration) {
        loop {
            for (place, bytes) in store.sizes().await {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                self.storage.with_label_values(&[format!("etcd-{place}").as_str()]).set(bytes);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// The gauge of open watches of one resource.
    pub fn watches(&self, request: &Request) -> prometheus::IntGauge {
        let Labels { group, resource, scope, subresource, verb, version } = Labels::of(request);
        self.long_running.with_label_values(&[
            "apiserver",
            group,
            resource,
            scope,
            subresource,
            verb,
            version,
        ])
    }

    fn text(&self, app: &App) -> Vec<u8> {
        for (prefix, count) in app.engine.store.collections() {
            let resource = prefix.trim_start_matches("/registry/").trim_end_matches('/');
            let (group, resource) =
                resource.split_once('/').filter(|(group, _)| group.contains('.')).unwrap_or(("", resource));
            self.objects.with_label_values(&[group, resource]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut families = self.registry.gather();
        families.extend(app.stages.fairness.iter().flat_map(|turns| fairness::families(&turns.fairness)));
        families.sort_by(|one, other| one.name().cmp(other.name()));
        encoded(&families)
    }
}

fn encoded(families: &[MetricFamily]) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = TextEncoder::new().encode(families, &mut out);
    out
}

/// What requests are told apart by: each is one of a known few.
struct Labels<'a> {
    group: &'a str,
    resource: &'a str,
    scope: &'static str,
    subresource: &'a str,
    verb: &'static str,
    version: &'a str,
}

impl Labels<'_> {
    /// Those of all requests that nothing answers.
    const OTHER: Labels<'static> =
        Labels { group: "", resource: "", scope: "", subresource: "", verb: "OTHER", version: "" };

    /// Those of a request that resolved.
    fn of(request: &Request) -> Labels<'_> {
        let RequestInfo { group, version, resource, subresource, .. } = &request.info;
        Labels { group, resource, scope: scope(&request.info), subresource, verb: verb(request), version }
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    match (info.name.is_empty() && info.verb != Verb::Create, info.namespace.is_empty()) {
        (false, _) => "resource",
        (true, false) => "namespace",
        (true, true) => "cluster",
    }
}

/// Methods, with those told apart that a method does not tell apart.
fn verb(request: &Request) -> &'static str {
    if CONNECTING.contains(&request.info.subresource.as_str()) {
        return "CONNECT";
    }
    match request.info.verb {
        Verb::Create => "POST",
        Verb::Delete | Verb::DeleteCollection => "DELETE",
        Verb::Get => "GET",
        Verb::List => "LIST",
        Verb::Patch if request.header("content-type") == APPLY => "APPLY",
        Verb::Patch => "PATCH",
        Verb::Update => "PUT",
        Verb::Watch => "WATCH",
        Verb::Proxy | Verb::Other => "OTHER",
    }
}

/// Whether anything would be stored; what is said wrong is all the same.
fn dry_run(request: &Request) -> &'static str {
    let mut asked = request.query.all("dryRun");
    match (request.query.has("dryRun"), asked.all(|value| value == "All")) {
        (false, _) => "",
        (true, true) => "All",
        (true, false) => "invalid",
    }
}

pub const PATH: &str = "/metrics";
const INDICATORS: &str = "/metrics/slis";

/// Whether a path is one of metrics.
pub fn is_page(path: &str) -> bool {
    path == PATH || path == INDICATORS
}

/// The answer, when the path is one of metrics.
pub fn answer(app: &App, request: &Request) -> Option<Response> {
    match request.path() {
        PATH => Some(Response::new(200, CONTENT_TYPE, app.metrics.text(app))),
        INDICATORS => Some(Response::new(200, CONTENT_TYPE, encoded(&app.metrics.indicators.gather()))),
        _ => None,
    }
}
