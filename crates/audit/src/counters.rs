//! The counters of `apiserver_audit_*`, and the log messages for events that are lost.

use crate::line::Line;
use crate::policy::Level;
use pintle_metrics::{Counter, Registry, Series};
use std::sync::OnceLock;

/// The part that lost an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendName {
    Buffered,
    Log,
    Truncate,
    Webhook,
}

impl BackendName {
    /// The label `plugin`.
    pub fn as_str(self) -> &'static str {
        match self {
            BackendName::Buffered => "buffered",
            BackendName::Log => "log",
            BackendName::Truncate => "truncate",
            BackendName::Webhook => "webhook",
        }
    }
}

/// Upstream's counters. Series of labels that count nothing are not there, as upstream's.
pub struct Counters {
    events: Counter,
    errors: Series<Counter>,
    levels: Series<Counter>,
    /// Those of `levels` that were counted.
    known_levels: [OnceLock<Counter>; 4],
    rejected: Counter,
}

impl Counters {
    pub fn new(registry: &Registry) -> Counters {
        Counters {
            events: registry.counter("apiserver_audit_event_total"),
            errors: registry.counters("apiserver_audit_error_total"),
            levels: registry.counters("apiserver_audit_level_total"),
            known_levels: Default::default(),
            rejected: registry.counter("apiserver_audit_requests_rejected_total"),
        }
    }

    pub(crate) fn observe_event(&self) {
        self.events.inc();
    }

    pub(crate) fn observe_level(&self, level: Level) {
        if let Some(known) = self.known_levels.get(level as usize) {
            known.get_or_init(|| self.levels.with(&[level.as_str()])).inc();
        }
    }

    pub(crate) fn observe_rejected(&self) {
        self.rejected.inc();
    }

    /// Counts lost events, and writes their legacy forms to the server's log.
    pub(crate) fn failed(&self, plugin: BackendName, why: &str, impacted: &[Line]) {
        let count = impacted.len();
        self.errors.with(&[plugin.as_str()]).add(count as u64);
        let events: Vec<String> = impacted.iter().map(Line::summary).collect();
        tracing::error!(
            "Error in audit plugin '{}' affecting {count} audit events: {why}\nImpacted events:\n{}",
            plugin.as_str(),
            events.join("\n")
        );
    }
}

/// Counts, for tests.
#[cfg(test)]
impl Counters {
    pub fn events(&self) -> u64 {
        self.events.get()
    }

    pub fn errors(&self, plugin: BackendName) -> u64 {
        self.errors.with(&[plugin.as_str()]).get()
    }

    pub fn levels(&self, level: Level) -> u64 {
        self.levels.with(&[level.as_str()]).get()
    }

    pub fn rejected(&self) -> u64 {
        self.rejected.get()
    }
}

#[cfg(test)]
impl Default for Counters {
    fn default() -> Counters {
        Counters::new(&Registry::default())
    }
}
