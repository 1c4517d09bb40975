//! The webhook backend: events as lists, posted to another server.

use crate::counters::{BackendName, Counters};
use crate::event::list;
use crate::line::Line;
use bytes::Bytes;
use pintle_outbound::{Backoff, Webhook};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Upstream's rule for further tries, which every failure is worth.
const BACKOFF_FACTOR: f64 = 1.5;
const BACKOFF_JITTER: f64 = 0.2;
const TRIES_MAX: u32 = 5;

/// A server that takes lists of events.
pub struct WebhookBackend {
    webhook: Webhook,
    counters: Arc<Counters>,
}

impl WebhookBackend {
    pub fn open(
        kubeconfig: &Path,
        initial_backoff: Duration,
        counters: Arc<Counters>,
    ) -> Result<WebhookBackend, String> {
        let backoff = Backoff {
            first: initial_backoff,
            factor: BACKOFF_FACTOR,
            jitter: BACKOFF_JITTER,
            tries_max: TRIES_MAX,
        };
        let webhook =
            Webhook::open(kubeconfig, backoff).map_err(|why| format!("initializing audit webhook: {why}"))?;
        Ok(WebhookBackend { webhook, counters })
    }

    /// Posts lines of JSON as one list, and tells whether they were taken; those that were not are counted and logged.
    pub async fn process(&self, lines: Vec<Line>) -> bool {
        let body = Bytes::from(list(lines.iter().map(Line::bytes)));
        match self.webhook.post(body).await {
            Ok(()) => true,
            Err(failure) => {
                self.counters.failed(BackendName::Webhook, &failure.to_string(), &lines);
                false
            }
        }
    }
}
