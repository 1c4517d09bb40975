//! The flags for metrics, and the families about this server: its build and its feature gates.

use crate::config::Config;
use pintle_metrics::Registry;
use pintle_server::App;
use pintle_server::discovery::version_parts;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The interval over which the most requests in flight are reported.
const WATERMARK: Duration = Duration::from_secs(1);

/// The registry of all crates, with the facts that are known before the start.
pub fn registry(config: &Config) -> Registry {
    let registry = Registry::new(config.metrics.clone());
    let parts: HashMap<String, String> = version_parts(&config.reported_version)
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect();
    let part = |name: &str| parts.get(name).map_or("", String::as_str);
    let names = [
        "buildDate",
        "compiler",
        "gitCommit",
        "gitTreeState",
        "gitVersion",
        "goVersion",
        "major",
        "minor",
        "platform",
    ];
    registry.gauges("kubernetes_build_info").with(&names.map(part)).set(1.0);
    let compatibility = &config.compatibility;
    let version = |minor: u16| format!("1.{minor}");
    let (emulated, oldest) = (version(compatibility.emulated), version(compatibility.oldest));
    let binary = format!("{}.{}", part("major"), part("minor"));
    registry.gauges("version_info").with(&[&binary, "kube", &emulated, &oldest]).set(1.0);
    // Kubeconfigs that get their credentials from other programs are refused, so none of these is in use.
    registry.gauge("rest_client_exec_plugin_ttl_seconds").set(f64::INFINITY);
    registry.histogram("rest_client_exec_plugin_certificate_rotation_age");
    // Nothing was encrypted before something is.
    registry.counter("apiserver_storage_envelope_transformation_cache_misses_total");
    registry.histogram("apiserver_storage_data_key_generation_duration_seconds");
    registry.counter("apiserver_storage_data_key_generation_failures_total");
    registry.gauge("apiserver_envelope_encryption_dek_cache_fill_percent");
    let features = registry.gauges("kubernetes_feature_enabled");
    for (name, stage, is_on) in compatibility.features() {
        features.with(&[name, stage]).set(if is_on { 1.0 } else { 0.0 });
    }
    registry
}

/// Shows every second how many requests were under way at most, for as long as it is polled.
pub async fn keep_watermarks(app: Arc<App>) {
    loop {
        tokio::time::sleep(WATERMARK).await;
        app.metrics.in_flight.iter().chain(&app.metrics.in_queue).for_each(|mark| mark.show());
    }
}
