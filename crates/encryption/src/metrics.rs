//! Metrics of encryption at rest, with upstream's names.

use crate::digest::key_hash;
use crate::failure::Failure;
use pintle_metrics::{Counter, Counters, Gauges, Histogram, Histograms, Registry};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Keys whose series are kept, of uses and of plugins' words each; as upstream.
const KEYS_MAX: usize = 100;

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    FromStorage,
    ToStorage,
}

impl Way {
    fn label(self) -> &'static str {
        match self {
            Way::FromStorage => "from_storage",
            Way::ToStorage => "to_storage",
        }
    }
}

/// Counters of transformations, of calls to plugins and of reloads.
pub struct Metrics {
    /// The digest of this server's identity, a label of most.
    server: String,
    latencies: Histograms,
    operations: Counters,
    cache_misses: Counter,
    seed_latencies: Histogram,
    seed_failures: Counter,
    calls: Histograms,
    key_uses: Counters,
    key_used_at: Gauges,
    key_told_at: Gauges,
    invalid_key_ids: Counters,
    seeds: Gauges,
    reloads: Counters,
    reloaded_at: Gauges,
    configuration: Gauges,
    recent_uses: Recent,
    recent_words: Recent,
}

/// Label values in the order of their last use.
#[derive(Default)]
struct Recent(Mutex<VecDeque<Vec<String>>>);

impl Recent {
    /// Notes a use; returns the longest unused series beyond the limit.
    fn touch(&self, labels: Vec<String>) -> Vec<Vec<String>> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.back() != Some(&labels) {
            recent.retain(|other| *other != labels);
            recent.push_back(labels);
        }
        let excess = recent.len().saturating_sub(KEYS_MAX);
        recent.drain(..excess).collect()
    }
}

impl Metrics {
    /// `identity` is the name of this server among its peers on the store.
    pub fn new(registry: &Registry, identity: &str) -> Metrics {
        let controller = |name: &str| format!("apiserver_encryption_config_controller_{name}");
        let envelope = |name: &str| format!("apiserver_envelope_encryption_{name}");
        let storage = |name: &str| format!("apiserver_storage_{name}");
        Metrics {
            server: key_hash(identity),
            latencies: registry.histograms(&storage("transformation_duration_seconds")),
            operations: registry.counters(&storage("transformation_operations_total")),
            cache_misses: registry.counter(&storage("envelope_transformation_cache_misses_total")),
            seed_latencies: registry.histogram(&storage("data_key_generation_duration_seconds")),
            seed_failures: registry.counter(&storage("data_key_generation_failures_total")),
            calls: registry.histograms(&envelope("kms_operations_latency_seconds")),
            key_uses: registry.counters(&envelope("key_id_hash_total")),
            key_used_at: registry.gauges(&envelope("key_id_hash_last_timestamp_seconds")),
            key_told_at: registry.gauges(&envelope("key_id_hash_status_last_timestamp_seconds")),
            invalid_key_ids: registry.counters(&envelope("invalid_key_id_from_status_total")),
            seeds: registry.gauges(&envelope("dek_source_cache_size")),
            reloads: registry.counters(&controller("automatic_reloads_total")),
            reloaded_at: registry.gauges(&controller("automatic_reload_last_timestamp_seconds")),
            configuration: registry.gauges(&controller("last_config_info")),
            recent_uses: Recent::default(),
            recent_words: Recent::default(),
        }
    }

    pub(crate) fn transformed(
        &self,
        resource: &str,
        way: Way,
        prefix: &str,
        began: Instant,
        failure: Option<&Failure>,
    ) {
        let status = failure.map_or("OK", |failure| failure.code);
        self.operations.with(&[resource, status, way.label(), prefix]).inc();
        if failure.is_none() {
            self.latencies.with(&[way.label(), prefix]).observe(began.elapsed().as_secs_f64());
        }
    }

    pub(crate) fn cache_missed(&self) {
        self.cache_misses.inc();
    }

    pub(crate) fn seed_made(&self, began: Instant, is_ok: bool) {
        if is_ok {
            self.seed_latencies.observe(began.elapsed().as_secs_f64());
        } else {
            self.seed_failures.inc();
        }
    }

    pub(crate) fn seeds_cached(&self, provider: &str, count: usize) {
        self.seeds.with(&[provider]).set(count as f64);
    }

    pub(crate) fn called(&self, provider: &str, method: &str, code: &str, began: Instant) {
        self.calls.with(&[code, method, provider]).observe(began.elapsed().as_secs_f64());
    }

    pub(crate) fn key_used(&self, way: Way, provider: &str, key_id: &str) {
        let key = key_hash(key_id);
        let labels = [self.server.as_str(), &key, provider, way.label()];
        for old in self.recent_uses.touch(labels.map(String::from).to_vec()) {
            let old: Vec<&str> = old.iter().map(String::as_str).collect();
            self.key_uses.remove(&old);
            self.key_used_at.remove(&old);
        }
        self.key_uses.with(&labels).inc();
        self.key_used_at.with(&labels).set(now());
    }

    pub(crate) fn key_id_told(&self, provider: &str, key_id: &str) {
        let key = key_hash(key_id);
        let labels = [self.server.as_str(), &key, provider];
        for old in self.recent_words.touch(labels.map(String::from).to_vec()) {
            self.key_told_at.remove(&old.iter().map(String::as_str).collect::<Vec<_>>());
        }
        self.key_told_at.with(&labels).set(now());
    }

    pub(crate) fn key_id_invalid(&self, provider: &str, error: &str) {
        self.invalid_key_ids.with(&[error, provider]).inc();
    }

    pub(crate) fn reloaded(&self, is_ok: bool) {
        let labels = [self.server.as_str(), if is_ok { "success" } else { "failure" }];
        self.reloads.with(&labels).inc();
        self.reloaded_at.with(&labels).set(now());
    }

    /// Names the configuration in use by its digest.
    pub(crate) fn applied(&self, hash: &str) {
        self.configuration.clear();
        self.configuration.with(&[self.server.as_str(), hash]).set(1.0);
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
