//! EventRateLimit: so many events a second and no more, for the server, a namespace, a user, or a source and object.

use crate::plugin::Plugin;
use crate::request::Request;
use crate::settings::Setup;
use pintle_object::config_file::{Fields, Form, Kind as FileKind};
use pintle_object::time::Time;
use pintle_object::{Reason, Status, Value};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The plugin's section of an AdmissionConfiguration.
pub const KIND: FileKind = FileKind {
    group: "eventratelimit.admission.k8s.io",
    versions: &["v1alpha1"],
    name: "Configuration",
    fields: &[("limits", Form::List(LIMIT))],
};
const LIMIT: Fields =
    &[("type", Form::Text), ("qps", Form::Integer), ("burst", Form::Integer), ("cacheSize", Form::Integer)];
/// Upstream's size of a cache that is given none.
const CACHE_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LimitKind {
    Server,
    Namespace,
    User,
    SourceAndObject,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    kind: LimitKind,
    qps: i64,
    burst: i64,
    /// Most keys that are remembered.
    cache_max: usize,
}

/// The limits, in the order of their checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRateLimits(Vec<Limit>);

impl EventRateLimits {
    pub fn read(value: &Value) -> Result<EventRateLimits, String> {
        let limits = value.list_at(&["limits"]).iter().enumerate();
        let limits = limits.map(|(index, limit)| Limit::read(limit, index)).collect::<Result<_, _>>()?;
        let configuration = EventRateLimits(limits);
        match configuration.0.is_empty() {
            true => Err(String::from("limits: Invalid value: null: must not be empty")),
            false => Ok(configuration),
        }
    }
}

impl Limit {
    fn read(value: &Value, index: usize) -> Result<Limit, String> {
        let kind = match value.str_at(&["type"]) {
            "Server" => LimitKind::Server,
            "Namespace" => LimitKind::Namespace,
            "User" => LimitKind::User,
            "SourceAndObject" => LimitKind::SourceAndObject,
            other => {
                let known = r#""Namespace", "Server", "SourceAndObject", "User""#;
                return Err(format!(
                    "limits[{index}].type: Unsupported value: {other:?}: supported values: {known}"
                ));
            }
        };
        let number = |field: &str| value.int_at(&[field]).unwrap_or(0);
        let positive = |field: &str| match number(field) {
            amount if amount > 0 => Ok(amount),
            amount => Err(format!("limits[{index}].{field}: Invalid value: {amount}: must be positive")),
        };
        let (burst, qps) = (positive("burst")?, positive("qps")?);
        let cache_max = match usize::try_from(number("cacheSize")) {
            Ok(0) => CACHE_MAX,
            Ok(size) => size,
            Err(_) => {
                let size = number("cacheSize");
                return Err(format!(
                    "limits[{index}].cacheSize: Invalid value: {size}: must not be negative"
                ));
            }
        };
        Ok(Limit { kind, qps, burst, cache_max })
    }
}

impl LimitKind {
    fn as_str(self) -> &'static str {
        match self {
            LimitKind::Server => "Server",
            LimitKind::Namespace => "Namespace",
            LimitKind::User => "User",
            LimitKind::SourceAndObject => "SourceAndObject",
        }
    }

    /// The key of the bucket that an event is counted in.
    fn key(self, request: &Request<'_>, event: &Value) -> String {
        match self {
            LimitKind::Server => String::new(),
            LimitKind::Namespace => request.namespace().into(),
            LimitKind::User => request.attributes.user.name.clone(),
            LimitKind::SourceAndObject => source_and_object(event),
        }
    }
}

fn source_and_object(event: &Value) -> String {
    let source = ["component", "host"].iter().map(|field| event.str_at(&["source", field]));
    let object = ["kind", "namespace", "name", "uid", "apiVersion"];
    source.chain(object.iter().map(|field| event.str_at(&["involvedObject", field]))).collect()
}

/// A bucket that fills with `qps` tokens a second and holds `burst`.
#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: f64,
}

/// One limit, and the buckets of its keys.
struct Enforcer {
    limit: Limit,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Enforcer {
    /// Takes a token; false if the bucket is empty.
    fn take(&self, key: &str, now_seconds: f64) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(key) && buckets.len() >= self.limit.cache_max {
            forget_oldest(&mut buckets);
        }
        let (qps, burst) = (self.limit.qps as f64, self.limit.burst as f64);
        let full = Bucket { tokens: burst, filled: now_seconds };
        let bucket = buckets.entry(key.into()).or_insert(full);
        let gained = (now_seconds - bucket.filled).max(0.0) * qps;
        *bucket = Bucket { tokens: (bucket.tokens + gained).min(burst), filled: now_seconds };
        let is_allowed = bucket.tokens >= 1.0;
        if is_allowed {
            bucket.tokens -= 1.0;
        }
        is_allowed
    }
}

fn forget_oldest(buckets: &mut HashMap<String, Bucket>) {
    let oldest = buckets.iter().min_by(|(_, one), (_, other)| one.filled.total_cmp(&other.filled));
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        buckets.remove(&key);
    }
}

pub struct EventRateLimit(Vec<Enforcer>);

impl EventRateLimit {
    /// The plugin cannot be on without a limit.
    pub fn new(setup: &Setup<'_>) -> Result<EventRateLimit, String> {
        let limits = EventRateLimits::read(setup.section)?.0.into_iter();
        Ok(EventRateLimit(limits.map(|limit| Enforcer { limit, buckets: Mutex::default() }).collect()))
    }
}

impl Plugin for EventRateLimit {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let is_write = request.is_create() || request.is_update();
        if !request.is_resource("", "events") || !is_write || request.attributes.dry_run {
            return Ok(());
        }
        let now_seconds = seconds(request.attributes.now);
        let mut reached = Vec::new();
        // Every limit counts the event, even if another refuses it.
        for enforcer in &self.0 {
            let kind = enforcer.limit.kind;
            let key = kind.key(request, object);
            if !enforcer.take(&key, now_seconds) {
                reached.push(format!("limit reached on type {} for key {key}", kind.as_str()));
            }
        }
        if reached.is_empty() { Ok(()) } else { Err(too_many(&reached)) }
    }
}

fn seconds(time: Time) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}

fn too_many(reached: &[String]) -> Status {
    let why = match reached {
        [only] => only.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    Status::new(429, Reason::TooManyRequests, format!("Too many requests: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<EventRateLimits, String> {
        let json = format!(
            r#"{{"apiVersion":"eventratelimit.admission.k8s.io/v1alpha1","kind":"Configuration","limits":{json}}}"#
        );
        EventRateLimits::read(&pintle_object::json::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn limits_are_positive_and_known() {
        let check = |json: &str, expected: &str| assert_eq!(read(json), Err(expected.into()));
        assert_eq!(read(r#"[{"type":"User","qps":1,"burst":2}]"#).unwrap().0[0].cache_max, CACHE_MAX);
        check("[]", "limits: Invalid value: null: must not be empty");
        check(r#"[{"type":"User","qps":1}]"#, "limits[0].burst: Invalid value: 0: must be positive");
        check(
            r#"[{"type":"User","qps":1,"burst":1,"cacheSize":-1}]"#,
            "limits[0].cacheSize: Invalid value: -1: must not be negative",
        );
        assert!(read(r#"[{"type":"Host","qps":1,"burst":1}]"#).is_err());
        assert!(EventRateLimits::read(&Value::Null).is_err());
    }

    #[test]
    fn a_bucket_holds_a_burst_and_fills_again() {
        let limit = Limit { kind: LimitKind::User, qps: 2, burst: 3, cache_max: 2 };
        let enforcer = Enforcer { limit, buckets: Mutex::default() };
        let burst: Vec<bool> = (0..4).map(|_| enforcer.take("a", 10.0)).collect();
        assert_eq!(burst, [true, true, true, false]);
        assert!(enforcer.take("b", 10.0));
        assert!(enforcer.take("a", 10.5) && !enforcer.take("a", 10.5));
        // A third key makes the server forget the one that was quiet longest.
        assert!(enforcer.take("c", 11.0));
        assert!(!enforcer.buckets.lock().unwrap().contains_key("b"));
    }
}
