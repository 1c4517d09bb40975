//! `--audit-*`: the settings of auditing.

use crate::flags::FlagValues;
use pintle_audit::{AuditOptions, BatchOptions, LogOptions, TruncateOptions, WebhookOptions};

/// Reads the flags; errors are upstream's.
pub fn read(given: &FlagValues) -> Result<AuditOptions, String> {
    let log = LogOptions {
        path: given.text("audit-log-path").into(),
        max_age: int(given, "audit-log-maxage")?,
        max_backup: int(given, "audit-log-maxbackup")?,
        max_size: int(given, "audit-log-maxsize")?,
        is_compressed: given.bool("audit-log-compress"),
        format: given.text("audit-log-format").into(),
        version: given.text("audit-log-version").into(),
        batch: batch(given, "log")?,
        truncate: truncate(given, "log")?,
    };
    let former = "audit-webhook-batch-initial-backoff";
    let backoff = "audit-webhook-initial-backoff";
    let backoff = if given.is_given(former) && !given.is_given(backoff) { former } else { backoff };
    let webhook = WebhookOptions {
        config_file: given.path("audit-webhook-config-file"),
        initial_backoff: given.duration(backoff)?,
        version: given.text("audit-webhook-version").into(),
        batch: batch(given, "webhook")?,
        truncate: truncate(given, "webhook")?,
    };
    match (log.check(), webhook.check()) {
        (Ok(log), Ok(webhook)) => {
            Ok(AuditOptions { policy_file: given.path("audit-policy-file"), log, webhook })
        }
        (log, webhook) => {
            let errors: Vec<String> = [log.err(), webhook.err()].into_iter().flatten().flatten().collect();
            Err(if let [one] = errors.as_slice() { one.clone() } else { format!("[{}]", errors.join(", ")) })
        }
    }
}

fn batch(given: &FlagValues, plugin: &str) -> Result<BatchOptions, String> {
    let name = |rest: &str| format!("audit-{plugin}-{rest}");
    let qps = given.text(&name("batch-throttle-qps"));
    Ok(BatchOptions {
        mode: given.text(&name("mode")).into(),
        buffer_size: int(given, &name("batch-buffer-size"))?,
        max_size: int(given, &name("batch-max-size"))?,
        max_wait: given.duration(&name("batch-max-wait"))?,
        throttle_enable: given.bool(&name("batch-throttle-enable")),
        throttle_qps: qps
            .parse()
            .map_err(|_| format!("--{}: {qps:?} is not a number", name("batch-throttle-qps")))?,
        throttle_burst: int(given, &name("batch-throttle-burst"))?,
    })
}

fn truncate(given: &FlagValues, plugin: &str) -> Result<TruncateOptions, String> {
    Ok(TruncateOptions {
        is_enabled: given.bool(&format!("audit-{plugin}-truncate-enabled")),
        max_batch_size: int(given, &format!("audit-{plugin}-truncate-max-batch-size"))?,
        max_event_size: int(given, &format!("audit-{plugin}-truncate-max-event-size"))?,
    })
}

fn int(given: &FlagValues, name: &str) -> Result<i64, String> {
    given.number(name, i64::MIN..=i64::MAX)
}
