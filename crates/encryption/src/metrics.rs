//! Metrics of encryption at rest, with upstream's names, labels and buckets.

use crate::failure::Failure;
use crate::kms::key_hash;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    exponential_buckets,
};
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
    latencies: HistogramVec,
    operations: IntCounterVec,
    cache_misses: IntCounter,
    seed_latencies: Histogram,
    seed_failures: IntCounter,
    calls: HistogramVec,
    key_uses: IntCounterVec,
    key_used_at: GaugeVec,
    key_told_at: GaugeVec,
    invalid_key_ids: IntCounterVec,
    seeds: IntGaugeVec,
    reloads: IntCounterVec,
    reloaded_at: GaugeVec,
    configuration: IntGaugeVec,
    recent_uses: Recent,
    recent_words: Recent,
}

/// Label values in the order of their last use.
#[derive(Default)]
struct Recent(Mutex<VecDeque<Vec<String>>>);

impl Recent {
    /// Notes a use, and gives back those that have not been used for the longest time where there are too many.
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
    /// `identity` is the name of this server among those that share a store.
    pub fn new(identity: &str) -> Result<Metrics, prometheus::Error> {
        let uses = ["transformation_type", "provider_name", "key_id_hash", "apiserver_id_hash"];
        Ok(Metrics {
            server: key_hash(identity),
            latencies: HistogramVec::new(
                histogram(
                    "apiserver_storage_transformation_duration_seconds",
                    "Latencies in seconds of value transformation operations.",
                    exponential_buckets(5e-6, 2.0, 25)?,
                ),
                &["transformation_type", "transformer_prefix"],
            )?,
            operations: IntCounterVec::new(
                opts(
                    "apiserver_storage_transformation_operations_total",
                    "Total number of transformations. Successful transformation will have a status 'OK' and a varied \
                     status string when the transformation fails. The status, resource, and transformation_type \
                     fields can be used for alerting purposes. For example, you can monitor for encryption/decryption \
                     failures using the transformation_type (e.g., from_storage for decryption and to_storage for \
                     encryption). Additionally, these fields can be used to ensure that the correct transformers are \
                     applied to each resource.",
                ),
                &["resource", "transformation_type", "transformer_prefix", "status"],
            )?,
            cache_misses: IntCounter::with_opts(opts(
                "apiserver_storage_envelope_transformation_cache_misses_total",
                "Total number of cache misses while accessing key decryption key(KEK).",
            ))?,
            seed_latencies: Histogram::with_opts(histogram(
                "apiserver_storage_data_key_generation_duration_seconds",
                "Latencies in seconds of data encryption key(DEK) generation operations.",
                exponential_buckets(5e-6, 2.0, 14)?,
            ))?,
            seed_failures: IntCounter::with_opts(opts(
                "apiserver_storage_data_key_generation_failures_total",
                "Total number of failed data encryption key(DEK) generation operations.",
            ))?,
            calls: HistogramVec::new(
                histogram(
                    "apiserver_envelope_encryption_kms_operations_latency_seconds",
                    "KMS operation duration with gRPC error code status total.",
                    exponential_buckets(0.0001, 2.0, 20)?,
                ),
                &["provider_name", "method_name", "grpc_status_code"],
            )?,
            key_uses: IntCounterVec::new(
                opts(
                    "apiserver_envelope_encryption_key_id_hash_total",
                    "Number of times a keyID is used split by transformation type, provider, and apiserver identity.",
                ),
                &uses,
            )?,
            key_used_at: GaugeVec::new(
                opts(
                    "apiserver_envelope_encryption_key_id_hash_last_timestamp_seconds",
                    "The last time in seconds when a keyID was used.",
                ),
                &uses,
            )?,
            key_told_at: GaugeVec::new(
                opts(
                    "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds",
                    "The last time in seconds when a keyID was returned by the Status RPC call.",
                ),
                &["provider_name", "key_id_hash", "apiserver_id_hash"],
            )?,
            invalid_key_ids: IntCounterVec::new(
                opts(
                    "apiserver_envelope_encryption_invalid_key_id_from_status_total",
                    "Number of times an invalid keyID is returned by the Status RPC call split by error.",
                ),
                &["provider_name", "error"],
            )?,
            seeds: IntGaugeVec::new(
                opts(
                    "apiserver_envelope_encryption_dek_source_cache_size",
                    "Number of records in data encryption key (DEK) source cache. On a restart, this value is an \
                     approximation of the number of decrypt RPC calls the server will make to the KMS plugin.",
                ),
                &["provider_name"],
            )?,
            reloads: IntCounterVec::new(
                opts(
                    "apiserver_encryption_config_controller_automatic_reloads_total",
                    "Total number of reload successes and failures of encryption configuration split by apiserver \
                     identity.",
                ),
                &["status", "apiserver_id_hash"],
            )?,
            reloaded_at: GaugeVec::new(
                opts(
                    "apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds",
                    "Timestamp of the last successful or failed automatic reload of encryption configuration split by \
                     apiserver identity.",
                ),
                &["status", "apiserver_id_hash"],
            )?,
            configuration: IntGaugeVec::new(
                opts(
                    "apiserver_encryption_config_controller_last_config_info",
                    "Information about the last applied encryption configuration with hash as label, split by \
                     apiserver identity.",
                ),
                &["apiserver_id_hash", "hash"],
            )?,
            recent_uses: Recent::default(),
            recent_words: Recent::default(),
        })
    }

    /// Everything that a registry is to show.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.latencies.clone()),
            Box::new(self.operations.clone()),
            Box::new(self.cache_misses.clone()),
            Box::new(self.seed_latencies.clone()),
            Box::new(self.seed_failures.clone()),
            Box::new(self.calls.clone()),
            Box::new(self.key_uses.clone()),
            Box::new(self.key_used_at.clone()),
            Box::new(self.key_told_at.clone()),
            Box::new(self.invalid_key_ids.clone()),
            Box::new(self.seeds.clone()),
            Box::new(self.reloads.clone()),
            Box::new(self.reloaded_at.clone()),
            Box::new(self.configuration.clone()),
        ]
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
        self.operations.with_label_values(&[resource, way.label(), prefix, status]).inc();
        if failure.is_none() {
            let seconds = began.elapsed().as_secs_f64();
            self.latencies.with_label_values(&[way.label(), prefix]).observe(seconds);
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
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.seeds.with_label_values(&[provider]).set(count);
    }

    pub(crate) fn called(&self, provider: &str, method: &str, code: &str, began: Instant) {
        let seconds = began.elapsed().as_secs_f64();
        self.calls.with_label_values(&[provider, method, code]).observe(seconds);
    }

    pub(crate) fn key_used(&self, way: Way, provider: &str, key_id: &str) {
        let key = key_hash(key_id);
        let labels = [way.label(), provider, &key, &self.server];
        for old in self.recent_uses.touch(labels.map(String::from).to_vec()) {
            // A series that is not there need not go.
            let _ = self.key_uses.remove_label_values(&old);
            let _ = self.key_used_at.remove_label_values(&old);
        }
        self.key_uses.with_label_values(&labels).inc();
        self.key_used_at.with_label_values(&labels).set(now());
    }

    pub(crate) fn key_id_told(&self, provider: &str, key_id: &str) {
        let key = key_hash(key_id);
        let labels = [provider, &key, &self.server];
        for old in self.recent_words.touch(labels.map(String::from).to_vec()) {
            let _ = self.key_told_at.remove_label_values(&old);
        }
        self.key_told_at.with_label_values(&labels).set(now());
    }

    pub(crate) fn key_id_invalid(&self, provider: &str, error: &str) {
        self.invalid_key_ids.with_label_values(&[provider, error]).inc();
    }

    pub(crate) fn reloaded(&self, is_ok: bool) {
        let labels = [if is_ok { "success" } else { "failure" }, &self.server];
        self.reloads.with_label_values(&labels).inc();
        self.reloaded_at.with_label_values(&labels).set(now());
    }

    /// Names the configuration in use by its digest.
    pub(crate) fn applied(&self, hash: &str) {
        self.configuration.reset();
        self.configuration.with_label_values(&[self.server.as_str(), hash]).set(1);
    }
}

/// All of these are alpha upstream, and their help says so.
fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, format!("[ALPHA] {help}"))
}

fn histogram(name: &str, help: &str, buckets: Vec<f64>) -> HistogramOpts {
    HistogramOpts::new(name, format!("[ALPHA] {help}")).buckets(buckets)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
