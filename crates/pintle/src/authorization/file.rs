//! `AuthorizationConfiguration`: read strictly, with upstream's defaults, and checked in upstream's words.

use crate::authorization::authorizer::{ConfiguredMode, RemoteAuthorizer};
use pintle_access::authorization_webhook::Settings;
use pintle_access::match_conditions::MatchConditions;
use pintle_object::config_file::{Fields, Form, Kind};
use pintle_object::content::dns1123_subdomain;
use pintle_object::field::Path;
use pintle_object::time::{format_duration, parse_duration};
use pintle_object::{FieldErrors, Value};
use pintle_server::authorizers::Mode;
use std::path::PathBuf;
use std::time::Duration;

/// Types as upstream lists them.
const TYPES: [Mode; 6] =
    [Mode::Abac, Mode::AlwaysAllow, Mode::AlwaysDeny, Mode::Node, Mode::Rbac, Mode::Webhook];
const TIMEOUT_MAX: Duration = Duration::from_secs(30);

const CONNECTION: Fields = &[("type", Form::Text), ("kubeConfigFile", Form::Text)];
const WEBHOOK: Fields = &[
    ("authorizedTTL", Form::Duration),
    ("cacheAuthorizedRequests", Form::Bool),
    ("unauthorizedTTL", Form::Duration),
    ("cacheUnauthorizedRequests", Form::Bool),
    ("timeout", Form::Duration),
    ("subjectAccessReviewVersion", Form::Text),
    ("matchConditionSubjectAccessReviewVersion", Form::Text),
    ("failurePolicy", Form::Text),
    ("connectionInfo", Form::Struct(CONNECTION)),
    ("matchConditions", Form::List(&[("expression", Form::Text)])),
];
const AUTHORIZER: Fields = &[("type", Form::Text), ("name", Form::Text), ("webhook", Form::Struct(WEBHOOK))];
const FILE: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1", "v1beta1", "v1alpha1"],
    name: "AuthorizationConfiguration",
    fields: &[("authorizers", Form::List(AUTHORIZER))],
};

/// The authorizers that a file asks for, in its order.
pub fn parse(text: &str) -> Result<Vec<ConfiguredMode>, String> {
    let document = FILE
        .read(text)
        .map_err(|error| format!("failed to load AuthorizationConfiguration from file: {error}"))?;
    let mut errors = FieldErrors::new();
    let entries = document.list_at(&["authorizers"]);
    let path = Path::root("authorizers");
    if entries.is_empty() {
        errors.required(&path, "at least one authorization mode must be defined");
    }
    let mut authorizers = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let earlier = entries.get(..index).unwrap_or_default();
        authorizers.extend(authorizer(entry, earlier, &path.index(index), &mut errors));
    }
    if !errors.is_empty() {
        return Err(joined(errors.iter().map(ToString::to_string).collect()));
    }
    check_names(entries)?;
    Ok(authorizers)
}

/// One entry; none if it is too wrong for further checks.
fn authorizer(
    entry: &Value,
    earlier: &[Value],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Option<ConfiguredMode> {
    let (kind, name) = (entry.str_at(&["type"]), entry.str_at(&["name"]));
    if kind.is_empty() {
        errors.required(&path.child("type"), "");
        return None;
    }
    let Some(mode) = Mode::parse(kind) else {
        errors.not_supported(&path.child("type"), kind, &TYPES.map(Mode::name));
        return None;
    };
    if mode != Mode::Webhook && earlier.iter().any(|other| other.str_at(&["type"]) == kind) {
        errors.duplicate(&path.child("type"), kind);
        return None;
    }
    let wrong = dns1123_subdomain(name);
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    } else if earlier.iter().any(|other| other.str_at(&["name"]) == name) {
        errors.duplicate(&path.child("name"), name);
    } else if !wrong.is_empty() {
        errors.invalid(
            &path.child("name"),
            name,
            &format!("authorizer name is invalid: {}", wrong.join(", ")),
        );
    }
    let webhook = entry.get("webhook").filter(|webhook| !webhook.is_null());
    match (mode, webhook) {
        (Mode::Webhook, None) => {
            errors.required(&path.child("webhook"), "required when type=Webhook");
            None
        }
        (Mode::Webhook, Some(webhook)) => {
            let webhook = remote(webhook, path, errors);
            Some(ConfiguredMode { mode, webhook: Some(webhook) })
        }
        (_, Some(_)) => {
            errors.invalid(&path.child("webhook"), "non-null", "may only be specified when type=Webhook");
            None
        }
        (_, None) => Some(ConfiguredMode { mode, webhook: None }),
    }
}

/// Reads the settings of an authorizer of the type Webhook; paths of errors are its authorizer's, as upstream's are.
fn remote(webhook: &Value, path: &Path<'_>, errors: &mut FieldErrors) -> RemoteAuthorizer {
    let timeout = nanos(webhook, "timeout");
    let max = i64::try_from(TIMEOUT_MAX.as_nanos()).unwrap_or(i64::MAX);
    if timeout == 0 {
        errors.required(&path.child("timeout"), "");
    } else if !(0..=max).contains(&timeout) {
        let shown = format_duration(timeout);
        errors.invalid(&path.child("timeout"), &shown, "must be > 0s and <= 30s");
    }
    let authorized_ttl = ttl(webhook, ("authorizedTTL", "cacheAuthorizedRequests", 300), path, errors);
    let unauthorized_ttl = ttl(webhook, ("unauthorizedTTL", "cacheUnauthorizedRequests", 30), path, errors);
    choice(webhook, "subjectAccessReviewVersion", &["v1", "v1beta1"], path, errors);
    check_conditions_version(webhook, path, errors);
    choice(webhook, "failurePolicy", &["NoOpinion", "Deny"], path, errors);
    let kubeconfig = kubeconfig(webhook, path, errors);
    let match_conditions = conditions(webhook);
    MatchConditions::compile(&match_conditions, &path.child("matchConditions"), errors);
    let settings = Settings {
        version: webhook.str_at(&["subjectAccessReviewVersion"]).into(),
        authorized_ttl,
        unauthorized_ttl,
        match_conditions,
        denies_on_error: webhook.str_at(&["failurePolicy"]) == "Deny",
    };
    RemoteAuthorizer { kubeconfig, timeout: duration(timeout), settings }
}

fn ttl(
    webhook: &Value,
    (field, switch, default_seconds): (&str, &str, u64),
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Duration {
    let ttl = nanos(webhook, field);
    if ttl < 0 {
        errors.invalid(&path.child(field), &format_duration(ttl), "must be > 0s");
    }
    match (webhook.get(switch), ttl) {
        (Some(Value::Bool(false)), _) => Duration::ZERO,
        (_, 0) => Duration::from_secs(default_seconds),
        _ => duration(ttl),
    }
}

fn choice(webhook: &Value, field: &str, choices: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    match webhook.str_at(&[field]) {
        "" => errors.required(&path.child(field), ""),
        text if choices.contains(&text) => {}
        text => errors.not_supported(&path.child(field), text, choices),
    }
}

fn conditions(webhook: &Value) -> Vec<String> {
    let conditions = webhook.list_at(&["matchConditions"]).iter();
    conditions.map(|condition| condition.str_at(&["expression"]).into()).collect()
}

fn check_conditions_version(webhook: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const VERSION: &str = "matchConditionSubjectAccessReviewVersion";
    match webhook.str_at(&[VERSION]) {
        "" if !webhook.list_at(&["matchConditions"]).is_empty() => {
            errors.required(&path.child(VERSION), "required if match conditions are specified");
        }
        "" | "v1" => {}
        text => errors.not_supported(&path.child(VERSION), text, &["v1"]),
    }
}

fn kubeconfig(webhook: &Value, path: &Path<'_>, errors: &mut FieldErrors) -> PathBuf {
    let connection = path.child("connectionInfo");
    let (kind, file) = (connection.child("type"), connection.child("kubeConfigFile"));
    let name = webhook.str_at(&["connectionInfo", "kubeConfigFile"]);
    match webhook.str_at(&["connectionInfo", "type"]) {
        "" => errors.required(&kind, ""),
        "KubeConfigFile" if name.is_empty() => errors.required(&file, ""),
        "KubeConfigFile" if !name.starts_with('/') => errors.invalid(&file, name, "must be an absolute path"),
        "KubeConfigFile" => match std::fs::metadata(name) {
            Ok(found) if found.is_file() => {}
            Ok(_) => errors.invalid(&file, name, "must be a regular file"),
            Err(error) => errors.invalid(&file, name, &format!("error loading file: {error}")),
        },
        // The server cannot ask itself.
        other => errors.not_supported(&kind, other, &["KubeConfigFile"]),
    }
    name.into()
}

/// Checks that authorizers other than webhooks have the name of their type.
fn check_names(entries: &[Value]) -> Result<(), String> {
    let mut wrong = Vec::new();
    for entry in entries {
        let (kind, name) = (entry.str_at(&["type"]), entry.str_at(&["name"]));
        let expected = kind.to_lowercase();
        if kind != Mode::Webhook.name() && name != expected {
            wrong.push(format!("expected name {expected} for authorizer {kind} instead of {name}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(joined(wrong)) }
}

fn joined(errors: Vec<String>) -> String {
    pintle_access::authorize::aggregated(errors)
}

fn nanos(webhook: &Value, field: &str) -> i64 {
    parse_duration(webhook.str_at(&[field])).unwrap_or(0)
}

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}
