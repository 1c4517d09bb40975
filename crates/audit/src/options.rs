//! The `--audit-*` flags, checked with upstream's errors (package k8s.io/apiserver/pkg/server/options).

use crate::batch::Batching;
use std::path::PathBuf;
use std::time::Duration;

/// Of the policy and of both backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditOptions {
    pub policy_file: Option<PathBuf>,
    pub log: LogSettings,
    pub webhook: WebhookSettings,
}

/// Checked settings of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// `-` for standard output, empty for none.
    pub path: String,
    pub max_megabytes: u64,
    pub max_age_days: u64,
    pub max_backups: usize,
    pub is_compressed: bool,
    pub format: Format,
    pub mode: Mode,
    /// The most bytes of an event, where such events are cut.
    pub max_event_bytes: Option<usize>,
}

impl LogSettings {
    pub(crate) fn is_enabled(&self) -> bool {
        !self.path.is_empty()
    }
}

/// Checked settings of the webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookSettings {
    /// None: there is no webhook.
    pub config_file: Option<PathBuf>,
    pub initial_backoff: Duration,
    pub mode: Mode,
    /// The most bytes of an event, where such events are cut.
    pub max_event_bytes: Option<usize>,
}

/// The form of an event in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Json,
    /// One line of text.
    Legacy,
}

/// The part of a write that a request waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Until its events are stored or lost.
    #[default]
    Blocking,
    /// As `Blocking`, but the request fails when its first event cannot be stored.
    BlockingStrict,
    /// Nothing: events are buffered and written in batches.
    Batch(Batching),
}

const MODES: [&str; 3] = ["batch", "blocking", "blocking-strict"];
const FORMATS: [&str; 2] = ["legacy", "json"];
const VERSION: &str = "audit.k8s.io/v1";

/// The flags of the log, as they were given.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    pub path: String,
    pub max_age: i64,
    pub max_backup: i64,
    pub max_size: i64,
    pub is_compressed: bool,
    pub format: String,
    pub version: String,
    pub batch: BatchOptions,
    pub truncate: TruncateOptions,
}

/// The flags of the webhook, as they were given.
#[derive(Clone, Debug, Default)]
pub struct WebhookOptions {
    pub config_file: Option<PathBuf>,
    pub initial_backoff: Duration,
    pub version: String,
    pub batch: BatchOptions,
    pub truncate: TruncateOptions,
}

/// The flags of modes and batches.
#[derive(Clone, Debug, Default)]
pub struct BatchOptions {
    pub mode: String,
    pub buffer_size: i64,
    pub max_size: i64,
    pub max_wait: Duration,
    pub throttle_enable: bool,
    pub throttle_qps: f64,
    pub throttle_burst: i64,
}

/// The flags for events that are too large. No batch ever exceeds the size of one: events come one at a time where they
/// are cut, here as upstream.
#[derive(Clone, Debug, Default)]
pub struct TruncateOptions {
    pub is_enabled: bool,
    pub max_batch_size: i64,
    pub max_event_size: i64,
}

impl LogOptions {
    /// Checks what was given; nothing where there is no log.
    pub fn check(self) -> Result<LogSettings, Vec<String>> {
        if self.path.is_empty() {
            return Ok(LogSettings::default());
        }
        let mut errors = Vec::new();
        let mode = self.batch.check("log").map_err(|error| errors.push(error)).unwrap_or_default();
        let max_event_bytes = self.truncate.check("log").map_err(|error| errors.push(error)).unwrap_or(None);
        errors.extend(check_version(&self.version).err());
        if !FORMATS.contains(&self.format.as_str()) {
            let allowed = FORMATS.join(",");
            errors.push(format!("invalid audit log format {}, allowed formats are {allowed:?}", self.format));
        }
        let sizes = [("maxage", self.max_age), ("maxbackup", self.max_backup), ("maxsize", self.max_size)];
        for (flag, value) in sizes.into_iter().filter(|(_, value)| *value < 0) {
            errors.push(format!("--audit-log-{flag} {value} can't be a negative number"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(LogSettings {
            path: self.path,
            max_megabytes: self.max_size.unsigned_abs(),
            max_age_days: self.max_age.unsigned_abs(),
            max_backups: usize::try_from(self.max_backup).unwrap_or(0),
            is_compressed: self.is_compressed,
            format: if self.format == "legacy" { Format::Legacy } else { Format::Json },
            mode,
            max_event_bytes,
        })
    }
}

impl WebhookOptions {
    /// Checks what was given; nothing where there is no webhook.
    pub fn check(self) -> Result<WebhookSettings, Vec<String>> {
        if self.config_file.is_none() {
            return Ok(WebhookSettings::default());
        }
        let mut errors = Vec::new();
        let mode = self.batch.check("webhook").map_err(|error| errors.push(error)).unwrap_or_default();
        let max_event_bytes =
            self.truncate.check("webhook").map_err(|error| errors.push(error)).unwrap_or(None);
        errors.extend(check_version(&self.version).err());
        if !errors.is_empty() {
            return Err(errors);
        }
        let (config_file, initial_backoff) = (self.config_file, self.initial_backoff);
        Ok(WebhookSettings { config_file, initial_backoff, mode, max_event_bytes })
    }
}

impl BatchOptions {
    /// The mode; what it does not use is not checked.
    fn check(&self, plugin: &str) -> Result<Mode, String> {
        match self.mode.as_str() {
            "blocking" => return Ok(Mode::Blocking),
            "blocking-strict" => return Ok(Mode::BlockingStrict),
            "batch" => {}
            other => {
                let allowed = MODES.join(",");
                return Err(format!("invalid audit {plugin} mode {other}, allowed modes are {allowed:?}"));
            }
        }
        let positive = |what: &str, value: i64| match usize::try_from(value) {
            Ok(size) if size > 0 => Ok(size),
            _ => Err(format!("invalid audit batch {plugin} {what} {value}, must be a positive number")),
        };
        let buffer_size = positive("buffer size", self.buffer_size)?;
        let max_size = positive("max batch size", self.max_size)?;
        let throttle = match self.throttle_enable {
            true if self.throttle_qps > 0.0 => {
                let burst = positive("throttle burst", self.throttle_burst)?;
                // Of a rate below one in a lifetime nobody sees the second.
                let interval = Duration::try_from_secs_f64(1.0 / self.throttle_qps).unwrap_or(Duration::MAX);
                Some((interval.min(THROTTLE_MAX), u32::try_from(burst).unwrap_or(u32::MAX)))
            }
            true => {
                let qps = self.throttle_qps;
                return Err(format!(
                    "invalid audit batch {plugin} throttle QPS {qps}, must be a positive number"
                ));
            }
            false => None,
        };
        let max_wait = self.max_wait;
        Ok(Mode::Batch(Batching { buffer_size, max_size, max_wait, throttle, is_concurrent: false }))
    }
}

/// The longest time between two batches.
const THROTTLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl TruncateOptions {
    /// The most bytes of an event; none where events are not cut.
    fn check(&self, plugin: &str) -> Result<Option<usize>, String> {
        let (event, batch) = (self.max_event_size, self.max_batch_size);
        if event <= 0 {
            return Err(format!(
                "invalid audit truncate {plugin} max event size {event}, must be a positive number"
            ));
        }
        if batch < event {
            return Err(format!(
                "invalid audit truncate {plugin} max batch size {batch}, must be greater than max event size ({event})"
            ));
        }
        Ok(self.is_enabled.then(|| usize::try_from(event).unwrap_or(usize::MAX)))
    }
}

fn check_version(version: &str) -> Result<(), String> {
    if version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {version}"));
    }
    if version != VERSION {
        return Err(format!("invalid group version, allowed versions are [{VERSION:?}]"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LogOptions {
        LogOptions {
            path: "/var/log/audit.log".into(),
            max_age: 366,
            max_backup: 100,
            max_size: 100,
            format: "json".into(),
            version: VERSION.into(),
            batch: BatchOptions {
                mode: "batch".into(),
                buffer_size: 10_000,
                max_size: 1,
                throttle_qps: 2.0,
                throttle_burst: 3,
                ..BatchOptions::default()
            },
            truncate: TruncateOptions {
                is_enabled: true,
                max_batch_size: 10_485_760,
                max_event_size: 102_400,
            },
            ..LogOptions::default()
        }
    }

    #[test]
    fn settings_that_fit_are_taken() {
        let settings = log().check().unwrap();
        assert_eq!((settings.max_megabytes, settings.max_event_bytes), (100, Some(102_400)));
        assert!(matches!(settings.mode, Mode::Batch(Batching { buffer_size: 10_000, throttle: None, .. })));
        let mut throttled = log();
        throttled.batch.throttle_enable = true;
        let Mode::Batch(batching) = throttled.check().unwrap().mode else { panic!("no batches") };
        assert_eq!(batching.throttle, Some((Duration::from_millis(500), 3)));
        assert_eq!(
            LogOptions { path: String::new(), max_age: -1, ..log() }.check(),
            Ok(LogSettings::default())
        );
        let unused = BatchOptions { mode: "blocking".into(), buffer_size: -1, ..BatchOptions::default() };
        assert!(LogOptions { batch: unused, ..log() }.check().is_ok());
    }

    #[test]
    fn settings_that_do_not_fit_are_refused_with_upstreams_words() {
        let check = |change: &dyn Fn(&mut LogOptions), expected: &[&str]| {
            let mut options = log();
            change(&mut options);
            assert_eq!(options.check().unwrap_err(), expected);
        };
        check(
            &|log| log.batch.mode = "often".into(),
            &["invalid audit log mode often, allowed modes are \"batch,blocking,blocking-strict\""],
        );
        check(
            &|log| log.batch.buffer_size = -1,
            &["invalid audit batch log buffer size -1, must be a positive number"],
        );
        check(
            &|log| log.batch.max_size = 0,
            &["invalid audit batch log max batch size 0, must be a positive number"],
        );
        check(
            &|log| (log.batch.throttle_enable, log.batch.throttle_qps) = (true, -0.5),
            &["invalid audit batch log throttle QPS -0.5, must be a positive number"],
        );
        check(
            &|log| (log.batch.throttle_enable, log.batch.throttle_burst) = (true, 0),
            &["invalid audit batch log throttle burst 0, must be a positive number"],
        );
        check(
            &|log| log.truncate.max_event_size = 0,
            &["invalid audit truncate log max event size 0, must be a positive number"],
        );
        check(
            &|log| log.truncate.max_batch_size = 1,
            &["invalid audit truncate log max batch size 1, must be greater than max event size (102400)"],
        );
        check(
            &|log| (log.format, log.max_age, log.max_backup, log.max_size) = ("xml".into(), -1, -2, -3),
            &[
                "invalid audit log format xml, allowed formats are \"legacy,json\"",
                "--audit-log-maxage -1 can't be a negative number",
                "--audit-log-maxbackup -2 can't be a negative number",
                "--audit-log-maxsize -3 can't be a negative number",
            ],
        );
        check(
            &|log| log.version = "audit.k8s.io/v1beta1".into(),
            &["invalid group version, allowed versions are [\"audit.k8s.io/v1\"]"],
        );
        check(&|log| log.version = "a/b/c".into(), &["unexpected GroupVersion string: a/b/c"]);
        let webhook = WebhookOptions {
            config_file: Some("f".into()),
            batch: BatchOptions { mode: "x".into(), ..log().batch },
            version: VERSION.into(),
            truncate: log().truncate,
            ..WebhookOptions::default()
        };
        assert_eq!(
            webhook.check().unwrap_err(),
            ["invalid audit webhook mode x, allowed modes are \"batch,blocking,blocking-strict\""]
        );
    }
}
