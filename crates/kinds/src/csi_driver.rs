//! CSIDriver.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Seen, Value};

pub struct CsiDriver;

const SPEC: Path<'static> = Path::root("spec");

const UPDATE_PERIOD_SECONDS_MIN: i64 = 10;
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

const TOKEN_IN_ATTRIBUTES: &str = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";

impl Strategy for CsiDriver {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.remove(&["metadata", "generation"]);
    }

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        spec(new, errors);
        for field in ["attachRequired", "volumeLifecycleModes"] {
            check::immutable(new.at(&["spec", field]), old.at(&["spec", field]), &SPEC.child(field), errors);
        }
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let requests = |driver: &'_ Value| driver.list_at(&["spec", "tokenRequests"]).to_vec();
        let shows_tokens = check::present(new, &["spec", "serviceAccountTokenInSecrets"]).is_none();
        let new_requests = requests(new);
        let is_changed = old.is_none_or(|old| requests(old) != new_requests);
        if shows_tokens && is_changed && !new_requests.is_empty() {
            out.push(String::from(TOKEN_IN_ATTRIBUTES));
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let flag = |field: &str, default: bool| {
            Value::from(object.at(&["spec", field]).and_then(Value::as_bool).unwrap_or(default))
        };
        vec![
            cells::name(object),
            flag("attachRequired", true),
            flag("podInfoOnMount", false),
            flag("storageCapacity", false),
            joined(object, "tokenRequests", |request| request.str_at(&["audience"]), cells::UNSET),
            flag("requiresRepublish", false),
            joined(object, "volumeLifecycleModes", |mode| mode.as_str().unwrap_or(""), cells::NONE),
            cells::age(object, now_seconds),
        ]
    }
}

fn joined<'a>(object: &'a Value, field: &str, text: impl Fn(&'a Value) -> &'a str, none: &str) -> Value {
    let texts: Vec<&str> = object.list_at(&["spec", field]).iter().map(text).collect();
    if texts.is_empty() { Value::from(none) } else { Value::from(texts.join(",")) }
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    for field in ["attachRequired", "podInfoOnMount", "storageCapacity"] {
        if check::present(object, &["spec", field]).is_none() {
            errors.required(&SPEC.child(field), "");
        }
    }
    let path = SPEC.child("fsGroupPolicy");
    match object.str_at(&["spec", "fsGroupPolicy"]) {
        "" => errors.required(&path, ""),
        "File" | "None" | "ReadWriteOnceWithFSType" => {}
        other => errors.not_supported(&path, other, &["File", "None", "ReadWriteOnceWithFSType"]),
    }
    token_requests(object.list_at(&["spec", "tokenRequests"]), &SPEC.child("tokenRequests"), errors);
    for mode in object.list_at(&["spec", "volumeLifecycleModes"]) {
        let mode = mode.as_str().unwrap_or("");
        if !matches!(mode, "Persistent" | "Ephemeral") {
            let path = SPEC.child("volumeLifecycleModes");
            errors.not_supported(&path, mode, &["Persistent", "Ephemeral"]);
        }
    }
    let period = object.int_at(&["spec", "nodeAllocatableUpdatePeriodSeconds"]);
    if let Some(seconds) = period.filter(|seconds| *seconds < UPDATE_PERIOD_SECONDS_MIN) {
        let path = SPEC.child("nodeAllocatableUpdatePeriodSeconds");
        errors.invalid(&path, seconds, "must be greater than or equal to 10 seconds");
    }
}

/// Tokens for volumes: one for an audience, and none that expires at once.
fn token_requests(requests: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, request) in requests.iter().enumerate() {
        let path = path.index(index);
        let audience = request.str_at(&["audience"]);
        if seen.contains(&audience) {
            errors.duplicate(&path.child("audience"), audience);
            continue;
        }
        seen.push(audience);
        let path = path.child("expirationSeconds");
        match request.int_at(&["expirationSeconds"]) {
            Some(seconds) if seconds < TOKEN_SECONDS_MIN => {
                errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
            }
            Some(seconds) if seconds > TOKEN_SECONDS_MAX => {
                errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
            }
            _ => {}
        }
    }
}

/// The name of a CSI driver: a domain of limited length.
pub(super) fn driver_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const LEN_MAX: usize = 63;
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > LEN_MAX {
        errors.too_long(path, LEN_MAX);
    }
    check::invalid_all(pintle_object::content::dns1123_subdomain(&name.to_lowercase()), name, path, errors);
}
