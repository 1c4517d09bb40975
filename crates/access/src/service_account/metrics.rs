//! The metrics of service accounts' tokens. (`k8s.io/kubernetes/pkg/serviceaccount`, `token/cache`.)

use pintle_metrics::{Counter, Gauge, Histogram, Registry};
use std::time::Instant;

/// The counters of tokens.
pub struct TokenMetrics {
    pub(super) legacy: Counter,
    pub(super) legacy_auto: Counter,
    pub(super) legacy_manual: Counter,
    pub(super) legacy_invalid: Counter,
    pub(super) stale: Counter,
    pub(super) valid: Counter,
    hits: TokenOutcome,
    misses: TokenOutcome,
    fetched: Counter,
    failed: Counter,
    fetching: Gauge,
}

struct TokenOutcome {
    count: Counter,
    duration: Histogram,
}

impl TokenMetrics {
    pub fn new(registry: &Registry) -> TokenMetrics {
        let requests = registry.counters("authentication_token_cache_request_total");
        let durations = registry.histograms("authentication_token_cache_request_duration_seconds");
        let outcome = |status: &str| TokenOutcome {
            count: requests.with(&[status]),
            duration: durations.with(&[status]),
        };
        let fetches = registry.counters("authentication_token_cache_fetch_total");
        let active = registry.gauges("authentication_token_cache_active_fetch_count");
        // Requests never wait for each other's verification.
        active.with(&["blocked"]);
        TokenMetrics {
            legacy: registry.counter("serviceaccount_legacy_tokens_total"),
            legacy_auto: registry.counter("serviceaccount_legacy_auto_token_uses_total"),
            legacy_manual: registry.counter("serviceaccount_legacy_manual_token_uses_total"),
            legacy_invalid: registry.counter("serviceaccount_invalid_legacy_auto_token_uses_total"),
            stale: registry.counter("serviceaccount_stale_tokens_total"),
            valid: registry.counter("serviceaccount_valid_tokens_total"),
            hits: outcome("hit"),
            misses: outcome("miss"),
            fetched: fetches.with(&["ok"]),
            failed: fetches.with(&["error"]),
            fetching: active.with(&["in_flight"]),
        }
    }

    /// Counts a token that was in the cache.
    pub(super) fn hit(&self, began: Instant) {
        self.hits.count.inc();
        self.hits.duration.observe(began.elapsed().as_secs_f64());
    }

    /// Counts a token that was not in the cache, and the outcome of its verification.
    pub(super) fn miss<T, E>(&self, began: Instant, look: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.fetching.inc();
        let result = look();
        self.fetching.dec();
        if result.is_ok() {
            self.fetched.inc()
        } else {
            self.failed.inc()
        }
        self.misses.count.inc();
        self.misses.duration.observe(began.elapsed().as_secs_f64());
        result
    }
}
