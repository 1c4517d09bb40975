//! What the command line says about metrics, and the families that tell what this server is.

use crate::config::Config;
use crate::flags::FlagValues;
use pintle_metrics::{Options, Registry};
use pintle_object::config_file::{Form, read_unversioned};
use pintle_server::App;
use pintle_server::discovery::version_parts;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The time that the most requests under way are told of.
const WATERMARK: Duration = Duration::from_secs(1);

/// Reads `--disabled-metrics`, `--allow-metric-labels` and its manifest.
pub fn read(given: &FlagValues) -> Result<Options, String> {
    let mut allowed = HashMap::new();
    if let Some(path) = given.path("allow-metric-labels-manifest") {
        let failed = |error: String| format!("failed to read allow list manifest: {error}");
        let text = crate::serving::read(&path).map_err(failed)?;
        let document = read_unversioned(&text, &[("allowListMapping", Form::TextMap)]).map_err(failed)?;
        for (key, values) in document.map_at(&["allowListMapping"]).into_iter().flat_map(|map| map.iter()) {
            allow(key, values.as_str().unwrap_or_default(), &mut allowed)?;
        }
    }
    for pair in given.array("allow-metric-labels") {
        let (key, values) = pair.split_once('=').unwrap_or((&pair, ""));
        allow(key, values.trim_matches(['\'', '"']), &mut allowed)?;
    }
    Ok(Options { disabled: given.list("disabled-metrics"), allowed })
}

fn allow(
    key: &str,
    values: &str,
    allowed: &mut HashMap<(String, String), Vec<String>>,
) -> Result<(), String> {
    let is_name = |text: &str, more: &[char]| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(&c);
        !text.is_empty() && text.chars().all(fits) && !text.starts_with(|c: char| c.is_ascii_digit())
    };
    let (family, label) = key.split_once(',').unwrap_or_default();
    if !is_name(family, &[':']) || !is_name(label, &[]) {
        return Err(String::from(
            "--allow-metric-labels must have a list of kv pair with format `metricName,labelName=labelValue, \
             labelValue,...`",
        ));
    }
    let values = values.split(',').map(|value| value.trim().to_string()).collect();
    allowed.insert((family.into(), label.into()), values);
    Ok(())
}

/// The registry that all rooms count in, with what is known of the server before it starts.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_allowed_by_family_and_label() {
        let mut allowed = HashMap::new();
        allow("a_total,b", "v1, v2", &mut allowed).unwrap();
        let key = (String::from("a_total"), String::from("b"));
        assert_eq!(allowed.get(&key), Some(&vec![String::from("v1"), String::from("v2")]));
        for wrong in ["a_total", "a_total,", ",b", "1a,b", "a,b:c", "a b,c"] {
            assert!(allow(wrong, "v", &mut allowed).is_err(), "{wrong}");
        }
    }
}
