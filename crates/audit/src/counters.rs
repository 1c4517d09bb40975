//! What is counted of auditing, for `apiserver_audit_*`, and the log's words for events that are lost.

use crate::line::Line;
use crate::policy::Level;
use std::sync::atomic::{AtomicU64, Ordering};

/// The part that lost an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    Buffered,
    Log,
    Truncate,
    Webhook,
}

impl Plugin {
    /// All of them.
    pub const ALL: [Plugin; 4] = [Plugin::Buffered, Plugin::Log, Plugin::Truncate, Plugin::Webhook];

    /// The label `plugin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Plugin::Buffered => "buffered",
            Plugin::Log => "log",
            Plugin::Truncate => "truncate",
            Plugin::Webhook => "webhook",
        }
    }
}

/// Upstream's counters.
#[derive(Debug, Default)]
pub struct Counters {
    events: AtomicU64,
    errors: [AtomicU64; 4],
    levels: [AtomicU64; 4],
    rejected: AtomicU64,
}

impl Counters {
    /// `apiserver_audit_event_total`
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// `apiserver_audit_error_total`
    pub fn errors(&self, plugin: Plugin) -> u64 {
        self.errors.get(plugin as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// `apiserver_audit_level_total`
    pub fn levels(&self, level: Level) -> u64 {
        self.levels.get(level as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// `apiserver_audit_requests_rejected_total`
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    pub(crate) fn observe_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn observe_level(&self, level: Level) {
        if let Some(count) = self.levels.get(level as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn observe_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts lost events, and says in the log of the server which they were.
    pub(crate) fn failed(&self, plugin: Plugin, why: &str, impacted: &[Line]) {
        let count = impacted.len();
        if let Some(errors) = self.errors.get(plugin as usize) {
            errors.fetch_add(count as u64, Ordering::Relaxed);
        }
        let events: Vec<String> = impacted.iter().map(Line::summary).collect();
        tracing::error!(
            "Error in audit plugin '{}' affecting {count} audit events: {why}\nImpacted events:\n{}",
            plugin.as_str(),
            events.join("\n")
        );
    }
}
