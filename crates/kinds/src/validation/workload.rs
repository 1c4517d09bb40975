//! Checks that the kinds which run pods from a template share.

use super::check::{non_negative_field, present};
use super::pod_spec;
use pintle_object::field::Shown;
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, LabelSelector, Path, Value};

pub const SPEC: Path<'static> = Path::root("spec");

const MISMATCH: &str = "`selector` does not match template `labels`";

/// Checks a selector that must choose something; returns it when it can be used.
pub fn selector(
    spec: &Value,
    is_required: bool,
    kind: &str,
    why_unusable: &str,
    errors: &mut FieldErrors,
) -> Option<LabelSelector> {
    let path = SPEC.child("selector");
    let given = present(spec, &["selector"]);
    match given {
        None if is_required => errors.required(&path, ""),
        None => {}
        Some(selector) => {
            validate_label_selector(selector, &path, false, errors);
            if is_empty(selector) {
                errors.invalid(
                    &path,
                    shown_selector(selector),
                    &format!("empty selector is invalid for {kind}"),
                );
            }
        }
    }
    match LabelSelector::from_value(given) {
        Ok(selector) => Some(selector),
        Err(_) => {
            errors.invalid(&path, shown_selector(given.unwrap_or(&Value::Null)), why_unusable);
            None
        }
    }
}

/// A selector in the order of its fields in Go, without empty ones.
pub fn shown_selector(selector: &Value) -> Shown {
    let json = |value: &Value| pintle_object::json::to_string(value);
    if selector.is_null() {
        return Shown(String::from("null"));
    }
    let mut fields = Vec::new();
    if let Some(labels) =
        selector.get("matchLabels").filter(|labels| labels.as_map().is_some_and(|map| !map.is_empty()))
    {
        fields.push(format!("\"matchLabels\":{}", json(labels)));
    }
    let expressions: Vec<String> = selector
        .list_at(&["matchExpressions"])
        .iter()
        .map(|expression| {
            let text = |field: &str| json(&Value::from(expression.str_at(&[field])));
            let values = expression
                .get("values")
                .filter(|values| !expression.list_at(&["values"]).is_empty() && !values.is_null());
            let values = values.map_or_else(String::new, |values| format!(",\"values\":{}", json(values)));
            format!("{{\"key\":{},\"operator\":{}{values}}}", text("key"), text("operator"))
        })
        .collect();
    if !expressions.is_empty() {
        fields.push(format!("\"matchExpressions\":[{}]", expressions.join(",")));
    }
    Shown(format!("{{{}}}", fields.join(",")))
}

pub fn is_empty(selector: &Value) -> bool {
    selector.map_at(&["matchLabels"]).is_none_or(pintle_object::Map::is_empty)
        && selector.list_at(&["matchExpressions"]).is_empty()
}

/// The template's labels are among those selected.
pub fn matches(selector: &LabelSelector, template: &Value, errors: &mut FieldErrors) {
    let labels = template.at(&["metadata", "labels"]).unwrap_or(&Value::Null);
    let empty = pintle_object::Map::new();
    if !selector.matches(labels.as_map().unwrap_or(&empty)) {
        let path = SPEC.child("template");
        errors.invalid(&path.child("metadata").child("labels"), labels, MISMATCH);
    }
}

/// A template whose pods run until they are deleted.
pub fn template(template: &Value, kind: &str, errors: &mut FieldErrors) {
    let path = SPEC.child("template");
    pod_spec::template(template, &path, errors);
    always_restarts(template, kind, errors);
}

pub fn always_restarts(template: &Value, kind: &str, errors: &mut FieldErrors) {
    let path = SPEC.child("template");
    let path = path.child("spec");
    let policy = template.str_at(&["spec", "restartPolicy"]);
    if policy != "Always" {
        errors.not_supported(&path.child("restartPolicy"), policy, &["Always"]);
    }
    if present(template, &["spec", "activeDeadlineSeconds"]).is_some() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&path.child("activeDeadlineSeconds"), &why);
    }
}

/// Counts in a status are not negative, and parts are not more than the whole.
pub fn status(object: &Value, fields: &[&str], parts: &[&str], ready: &str, errors: &mut FieldErrors) {
    let path = Path::root("status");
    let empty = Value::map();
    let status = object.get("status").unwrap_or(&empty);
    for field in fields {
        non_negative_field(status, field, &path, errors);
    }
    let count = |field: &str| status.int_at(&[field]).unwrap_or(0);
    for part in parts {
        if count(part) > count("replicas") {
            errors.invalid(&path.child(part), count(part), "cannot be greater than status.replicas");
        }
    }
    if parts.contains(&"availableReplicas") && count("availableReplicas") > count("readyReplicas") {
        let why = format!("cannot be greater than {ready}");
        errors.invalid(&path.child("availableReplicas"), count("availableReplicas"), &why);
    }
}

/// The counter of name collisions only grows.
pub fn collisions(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let count = |object: &Value| object.int_at(&["status", "collisionCount"]);
    if let Some(before) = count(old) {
        let path = Path::root("status.collisionCount");
        match count(new) {
            Some(after) if after >= before => {}
            after => errors.invalid(&path, after.unwrap_or(0), "cannot be decremented"),
        }
    }
}
