//! Events, by the rules of the version that they are written in.

use super::internal::{self, Form, Shape};
use super::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Value, content};

/// Reasons, actions and reporters are at most this long.
const TEXT_LEN_MAX: usize = 128;
const NOTE_LEN_MAX: usize = 1024;
const NOT_SAME_NAMESPACE: &str = "does not match event.namespace";

/// The fields of a reference, in the order of upstream's error texts.
const REFERENCE: Shape = &[
    ("Kind", "kind", Form::Text),
    ("Namespace", "namespace", Form::Text),
    ("Name", "name", Form::Text),
    ("UID", "uid", Form::Text),
    ("APIVersion", "apiVersion", Form::Text),
    ("ResourceVersion", "resourceVersion", Form::Text),
    ("FieldPath", "fieldPath", Form::Text),
];
const SOURCE: Shape = &[("Component", "component", Form::Text), ("Host", "host", Form::Text)];

/// All errors of a new event; `is_core`: a core v1 event, which has fewer rules.
pub fn create(event: &Value, is_core: bool, errors: &mut FieldErrors) {
    common(event, is_core, errors);
    if is_core {
        return;
    }
    meta::validate_strict(event, NameRule::Subdomain, errors);
    series(event, errors);
    if !is_set(event, &["eventTime"]) {
        errors.required(&Path::root("eventTime"), "");
    }
    let kind = event.str_at(&["type"]);
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid(&Path::root("type"), "", &format!("has invalid value: {kind}"));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count"] {
        if is_set(event, &[field]) {
            errors.invalid(&Path::root(field), "", "needs to be unset");
        }
    }
    for field in ["component", "host"] {
        if is_set(event, &["source", field]) {
            errors.invalid(&Path::root("source"), "", "needs to be unset");
        }
    }
}

/// All errors of an update: of an event in events.k8s.io only its series changes.
pub fn update(new: &Value, old: &Value, is_core: bool, errors: &mut FieldErrors) {
    common(new, is_core, errors);
    if is_core {
        return;
    }
    meta::validate_update_strict(new, old, errors);
    if new.get("series") != old.get("series") {
        series(new, errors);
    }
    structured(new, old, "involvedObject", REFERENCE, errors);
    for field in ["reason", "message"] {
        text(new, old, field, field, errors);
    }
    structured(new, old, "source", SOURCE, errors);
    for field in ["firstTimestamp", "lastTimestamp"] {
        check::immutable(new.get(field), old.get(field), &Path::root(field), errors);
    }
    let count = |event: &Value| event.int_at(&["count"]).unwrap_or(0);
    if count(new) != count(old) {
        errors.invalid(&Path::root("count"), count(new), check::IMMUTABLE);
    }
    for field in ["reason", "type"] {
        text(new, old, field, field, errors);
    }
    check::immutable(new.get("eventTime"), old.get("eventTime"), &Path::root("eventTime"), errors);
    text(new, old, "action", "action", errors);
    structured(new, old, "related", REFERENCE, errors);
    text(new, old, "reportingComponent", "reportingController", errors);
    text(new, old, "reportingInstance", "reportingInstance", errors);
}

/// Checks that both versions share; an event without a time is of the old sort.
fn common(event: &Value, is_core: bool, errors: &mut FieldErrors) {
    let namespace = event.str_at(&["metadata", "namespace"]);
    let involved = event.str_at(&["involvedObject", "namespace"]);
    let path = Path::root("involvedObject.namespace");
    if is_set(event, &["eventTime"]) {
        if involved.is_empty() && !matches!(namespace, "default" | "kube-system") {
            errors.invalid(&path, involved, NOT_SAME_NAMESPACE);
        }
        reporter(event, is_core, errors);
    } else {
        let agrees =
            if involved.is_empty() { matches!(namespace, "" | "default") } else { namespace == involved };
        if !agrees {
            errors.invalid(&path, involved, NOT_SAME_NAMESPACE);
        }
    }
    check::invalid_all(content::dns1123_subdomain(namespace), namespace, &Path::root("namespace"), errors);
}

fn reporter(event: &Value, is_core: bool, errors: &mut FieldErrors) {
    let controller = event.str_at(&["reportingComponent"]);
    let path = Path::root(if is_core { "reportingComponent" } else { "reportingController" });
    if controller.is_empty() {
        errors.required(&path, "");
    }
    check::invalid_all(content::label_key(controller), controller, &path, errors);
    for field in ["reportingInstance", "action", "reason"] {
        let text = event.str_at(&[field]);
        if text.is_empty() {
            errors.required(&Path::root(field), "");
        }
        limited(text, TEXT_LEN_MAX, field, errors);
    }
    limited(event.str_at(&["message"]), NOTE_LEN_MAX, "message", errors);
}

fn limited(text: &str, len_max: usize, field: &str, errors: &mut FieldErrors) {
    if text.len() > len_max {
        errors.invalid(&Path::root(field), "", &format!("can have at most {len_max} characters"));
    }
}

fn series(event: &Value, errors: &mut FieldErrors) {
    let Some(series) = check::present(event, &["series"]) else { return };
    if series.int_at(&["count"]).unwrap_or(0) < 2 {
        errors.invalid(&Path::root("series.count"), "", "should be at least 2");
    }
    if !is_set(series, &["lastObservedTime"]) {
        errors.required(&Path::root("series.lastObservedTime"), "");
    }
}

fn is_set(event: &Value, path: &[&str]) -> bool {
    match event.at(path) {
        None | Some(Value::Null | Value::Int(0)) => false,
        Some(Value::Text(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

fn text(new: &Value, old: &Value, field: &str, shown: &str, errors: &mut FieldErrors) {
    let text = new.str_at(&[field]);
    if text != old.str_at(&[field]) {
        errors.invalid(&Path::root(shown), text, check::IMMUTABLE);
    }
}

fn structured(new: &Value, old: &Value, field: &str, shape: Shape, errors: &mut FieldErrors) {
    if check::present(new, &[field]) == check::present(old, &[field]) {
        return;
    }
    match check::present(new, &[field]) {
        Some(value) => {
            errors.invalid(&Path::root(field), internal::shown(value, shape), check::IMMUTABLE);
        }
        None => errors.invalid(&Path::root(field), &Value::Null, check::IMMUTABLE),
    }
}
