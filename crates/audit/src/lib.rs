//! Audit (`audit.k8s.io/v1`): which requests are recorded and how much of each (`policy`), the record of one request
//! (`record`, `event`), and where records go: a log file and a webhook, at once or in batches (`backend`).
//!
//! At most one thread of the runtime waits for a disk here, as long as one write takes (`log`), and none for a network;
//! every buffer is bounded, and an event that is lost is counted and logged.

mod backend;
mod batch;
mod counters;
mod event;
mod fields;
mod legacy;
mod line;
mod log;
mod options;
mod policy;
mod record;
mod source_ips;
mod throttle;
mod webhook;

#[cfg(test)]
mod tests;

pub use backend::{Backend, SHUTDOWN_MAX};
pub use counters::{BackendName, Counters};
pub use event::{AuditEvent, RequestFields, ResponseStatus};
pub use options::{
    AuditOptions, BatchOptions, Format, LogOptions, LogSettings, Mode, TruncateOptions, WebhookOptions,
    WebhookSettings,
};
pub use policy::{AuditPolicy, AuditStage, Level, RequestConfig, Stages};
pub use record::{Record, now};
pub use source_ips::source_ips;
