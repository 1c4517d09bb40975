//! `/metrics`: upstream's names, labels and buckets for requests, in the text format of Prometheus.

use crate::app::App;
use crate::request::Request;
use crate::respond::{Body, Response};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::time::Duration;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

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
        Ok(Metrics { registry, requests, durations, sizes, long_running, objects, storage })
    }

    pub fn observe(&self, request: &Request, response: &Response, elapsed: Duration) {
        let info = &request.info;
        if !info.is_resource {
            return;
        }
        let verb = info.verb.to_ascii_uppercase();
        let scope = match (info.name.is_empty(), info.namespace.is_empty()) {
            (false, _) => "resource",
            (true, false) => "namespace",
            (true, true) => "cluster",
        };
        let dry_run = if request.query.has("dryRun") { "All" } else { "" };
        let (group, resource, sub, version) = (&info.group, &info.resource, &info.subresource, &info.version);
        let code = response.status.to_string();
        self.requests
            .with_label_values(&[
                code.as_str(),
                "apiserver",
                dry_run,
                group,
                resource,
                scope,
                sub,
                &verb,
                version,
            ])
            .inc();
        if matches!(response.body, Body::Stream(_)) {
            return;
        }
        self.durations
            .with_label_values(&["apiserver", dry_run, group, resource, scope, sub, &verb, version])
            .observe(elapsed.as_secs_f64());
        if let Some(len) = response.len() {
            self.sizes
                .with_label_values(&["apiserver", group, resource, scope, sub, &verb, version])
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
        let info = &request.info;
        let scope = if info.namespace.is_empty() { "cluster" } else { "namespace" };
        self.long_running.with_label_values(&[
            "apiserver",
            &info.group,
            &info.resource,
            scope,
            &info.subresource,
            "WATCH",
            &info.version,
        ])
    }

    fn text(&self, app: &App) -> Vec<u8> {
        for (prefix, count) in app.engine.store.collections() {
            let resource = prefix.trim_start_matches("/registry/").trim_end_matches('/');
            let (group, resource) =
                resource.split_once('/').filter(|(group, _)| group.contains('.')).unwrap_or(("", resource));
            self.objects.with_label_values(&[group, resource]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut out = Vec::new();
        // Writing to memory cannot fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut out);
        out
    }
}

/// The answer, when the path is one of metrics.
pub fn answer(app: &App, request: &Request) -> Option<Response> {
    match request.path.as_str() {
        "/metrics" => Some(Response::new(200, CONTENT_TYPE, app.metrics.text(app))),
        "/metrics/slis" => Some(Response::new(200, CONTENT_TYPE, "")),
        _ => None,
    }
}
