//! ImagePolicyWebhook: a webhook allows or refuses the images of a pod.

use crate::plugin::{Outcome, Plugin};
use crate::request::Request;
use crate::settings::Setup;
use pintle_object::config_file::{Fields, Form};
use pintle_object::time::{Time, format_duration};
use pintle_object::{Map, Status, Value, json};
use pintle_outbound::{Backoff, Webhook};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const API_VERSION: &str = "imagepolicy.k8s.io/v1alpha1";
/// The part of a pod's annotation keys that marks those sent to the webhook.
const ANNOTATION: &str = ".image-policy.k8s.io/";
/// The prefix of the keys of audit annotations.
const AUDIT_PREFIX: &str = "imagepolicywebhook.image-policy.k8s.io/";
/// The number of answers in the cache: upstream's.
const ANSWERS_MAX: usize = 1024;
const TTL_MAX: Duration = Duration::from_secs(30 * 60);
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// The plugin's section of an AdmissionConfiguration.
pub const SECTION: Fields = &[("imagePolicy", Form::Struct(FIELDS))];
const FIELDS: Fields = &[
    ("kubeConfigFile", Form::Text),
    ("allowTTL", Form::Integer),
    ("denyTTL", Form::Integer),
    ("retryBackoff", Form::Integer),
    ("defaultAllow", Form::Bool),
];

/// The section `imagePolicy` of the plugin's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagePolicyConfiguration {
    kubeconfig: PathBuf,
    /// The times for which answers are cached.
    allow_ttl: Duration,
    deny_ttl: Duration,
    pause: Duration,
    /// Whether pods are allowed when the webhook fails.
    default_allow: bool,
}

impl ImagePolicyConfiguration {
    pub fn read(value: &Value) -> Result<ImagePolicyConfiguration, String> {
        let number = |field: &str| value.int_at(&["imagePolicy", field]).unwrap_or(0);
        let millis = Duration::from_millis;
        let seconds = Duration::from_secs;
        Ok(ImagePolicyConfiguration {
            kubeconfig: value.str_at(&["imagePolicy", "kubeConfigFile"]).into(),
            allow_ttl: duration(number("allowTTL"), seconds, seconds(1), TTL_MAX, seconds(300))?,
            deny_ttl: duration(number("denyTTL"), seconds, seconds(1), TTL_MAX, seconds(30))?,
            pause: duration(number("retryBackoff"), millis, Duration::from_nanos(1), PAUSE_MAX, millis(500))?,
            default_allow: value.bool_at(&["imagePolicy", "defaultAllow"]),
        })
    }

    fn open(&self) -> Result<Webhook, String> {
        if self.kubeconfig.as_os_str().is_empty() {
            return Err(String::from("imagePolicy.kubeConfigFile: there is none"));
        }
        Webhook::open(&self.kubeconfig, Backoff { first: self.pause, ..Backoff::WEBHOOK })
    }
}

/// -1 is for no time at all, and 0 for the default.
fn duration(
    amount: i64,
    scale: fn(u64) -> Duration,
    least: Duration,
    most: Duration,
    default: Duration,
) -> Result<Duration, String> {
    match amount {
        -1 => return Ok(Duration::ZERO),
        0 => return Ok(default),
        _ => {}
    }
    let given = u64::try_from(amount).map(scale).unwrap_or_default();
    if given <= least || given > most {
        let text = |time: Duration| format_duration(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        let (least, most, given) = (text(least), text(most), text(given));
        return Err(format!("valid value is between {least} and {most}, got {given}"));
    }
    Ok(given)
}

/// The webhook's answer for one set of images, and its expiry.
#[derive(Clone)]
struct CachedAnswer {
    is_allowed: bool,
    reason: String,
    /// For the audit event, by keys without their prefix.
    annotations: Vec<(String, String)>,
    until_seconds: i64,
}

pub struct ImagePolicyWebhook {
    configuration: ImagePolicyConfiguration,
    webhook: Webhook,
    answers: Mutex<HashMap<String, CachedAnswer>>,
}

impl Plugin for ImagePolicyWebhook {
    fn judge<'a>(&'a self, request: &'a Request<'a>, pod: &'a Value) -> Outcome<'a> {
        let is_meant = matches!(request.subresource(), "" | "ephemeralcontainers")
            && request.is_resource("", "pods")
            && (request.is_create() || request.is_update());
        match is_meant {
            true => Outcome::later(self.ask_about(request, pod)),
            false => Outcome::Now(Ok(())),
        }
    }
}

impl ImagePolicyWebhook {
    /// The plugin cannot be on without a server to ask.
    pub fn new(setup: &Setup<'_>) -> Result<ImagePolicyWebhook, String> {
        let configuration = ImagePolicyConfiguration::read(setup.section)?;
        let webhook = configuration.open()?;
        Ok(ImagePolicyWebhook { configuration, webhook, answers: Mutex::default() })
    }

    /// Refuses a pod whose images the server does not allow.
    async fn ask_about(&self, request: &Request<'_>, pod: &Value) -> Result<(), Status> {
        let spec = spec(request, pod);
        let now = request.attributes.now;
        let key = json::to_string(&spec);
        let answer = match self.known(&key, now) {
            Some(answer) => answer,
            None => match self.ask(spec).await {
                Ok(status) => self.remember(key, &status, now),
                Err(why) if self.configuration.default_allow => {
                    tracing::debug!(
                        why,
                        "the image policy webhook failed, and the pod is allowed by default"
                    );
                    request.notes.annotate(format!("{AUDIT_PREFIX}failed-open"), "true".into());
                    return Ok(());
                }
                Err(why) => return Err(request.forbidden(pod, why)),
            },
        };
        for (key, value) in answer.annotations {
            request.notes.annotate(format!("{AUDIT_PREFIX}{key}"), value);
        }
        match (answer.is_allowed, answer.reason.as_str()) {
            (true, _) => Ok(()),
            (false, "") => Err(request.forbidden(pod, "one or more images rejected by webhook backend")),
            (false, reason) => {
                let why = format!("image policy webhook backend denied one or more images: {reason}");
                Err(request.forbidden(pod, why))
            }
        }
    }

    async fn ask(&self, spec: Value) -> Result<Value, String> {
        let mut review = Value::map();
        review.set(&["apiVersion"], API_VERSION);
        review.set(&["kind"], "ImageReview");
        review.set(&["metadata", "creationTimestamp"], Value::Null);
        review.set(&["spec"], spec);
        review.set(&["status", "allowed"], false);
        let answer = self.webhook.call(&review).await.map_err(|failure| failure.to_string())?;
        Ok(answer.get("status").cloned().unwrap_or_default())
    }

    fn known(&self, key: &str, now: Time) -> Option<CachedAnswer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|answer| answer.until_seconds > now.seconds).cloned()
    }

    fn remember(&self, key: String, status: &Value, now: Time) -> CachedAnswer {
        let is_allowed = status.bool_at(&["allowed"]);
        let ttl = if is_allowed { self.configuration.allow_ttl } else { self.configuration.deny_ttl };
        let until_seconds = now.seconds.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(0));
        let annotations = status.map_at(&["auditAnnotations"]).into_iter().flat_map(Map::iter);
        let annotations = annotations.map(|(key, value)| (key.into(), value.as_str().unwrap_or("").into()));
        let answer = CachedAnswer {
            is_allowed,
            reason: status.str_at(&["reason"]).into(),
            annotations: annotations.collect(),
            until_seconds,
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, answer| answer.until_seconds > now.seconds);
        }
        if answers.len() < ANSWERS_MAX {
            answers.insert(key, answer.clone());
        }
        answer
    }
}

/// The spec of an ImageReview: the images, and the annotations for the webhook.
fn spec(request: &Request<'_>, pod: &Value) -> Value {
    let lists: &[&str] = match request.subresource() {
        "" => &["containers", "initContainers"],
        _ => &["ephemeralContainers"],
    };
    let containers = lists.iter().flat_map(|list| pod.list_at(&["spec", list]));
    let images = containers.map(|container| {
        let mut image = Value::map();
        image.set(&["image"], container.str_at(&["image"]));
        image
    });
    let mut spec = Value::map();
    spec.set(&["containers"], images.collect::<Vec<Value>>());
    let annotations = pod.map_at(&["metadata", "annotations"]).into_iter().flat_map(Map::iter);
    for (key, value) in annotations.filter(|(key, _)| key.contains(ANNOTATION)) {
        spec.set(&["annotations", key], value.clone());
    }
    spec.set(&["namespace"], request.namespace());
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_bounds_a_default_and_a_way_to_say_none() {
        let seconds = Duration::from_secs;
        let check = |amount: i64, expected: Result<u64, &str>| {
            let found = duration(amount, seconds, seconds(1), TTL_MAX, seconds(300));
            assert_eq!(found, expected.map(seconds).map_err(String::from), "{amount}");
        };
        check(0, Ok(300));
        check(-1, Ok(0));
        check(30, Ok(30));
        check(1, Err("valid value is between 1s and 30m0s, got 1s"));
        check(1801, Err("valid value is between 1s and 30m0s, got 30m1s"));
    }

    #[test]
    fn a_server_is_needed() {
        let open = |text: &str| {
            let section = json::parse(text.as_bytes()).unwrap();
            ImagePolicyConfiguration::read(&section).and_then(|read| read.open().map(drop)).unwrap_err()
        };
        assert_eq!(open("{}"), "imagePolicy.kubeConfigFile: there is none");
        assert!(open(r#"{"imagePolicy":{"kubeConfigFile":"/no/such/file"}}"#).contains("/no/such/file"));
    }
}
