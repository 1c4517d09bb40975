//! Specs and statuses of HorizontalPodAutoscaler, in autoscaling/v2.

use super::check;
use pintle_object::quantity::Quantity;
use pintle_object::{FieldErrors, GroupVersion, Path, Value, content};

const SPEC: Path<'static> = Path::root("spec");
const MIN_REPLICAS_MIN: i64 = 1;
const WINDOW_SECONDS_MAX: i64 = 3600;
const PERIOD_SECONDS_MAX: i64 = 1800;
const SELECT_POLICIES: [&str; 3] = ["Disabled", "Max", "Min"];

/// The types of metrics, and the fields that hold them, in the order in which fields are looked at.
const METRIC_TYPES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const METRIC_TYPE_NAMES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

pub fn spec(object: &Value, errors: &mut FieldErrors) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let min = spec.int_at(&["minReplicas"]);
    if let Some(min) = min.filter(|min| *min < MIN_REPLICAS_MIN) {
        let why = format!("must be greater than or equal to {MIN_REPLICAS_MIN}");
        errors.invalid(&SPEC.child("minReplicas"), min, &why);
    }
    let max = spec.int_at(&["maxReplicas"]).unwrap_or(0);
    let path = SPEC.child("maxReplicas");
    if max == 0 {
        errors.required(&path, "must be set and greater than 0");
    } else if max < 1 {
        errors.invalid(&path, max, "must be greater than or equal to 1");
    }
    if min.is_some_and(|min| max < min) {
        errors.invalid(&path, max, "must be greater than or equal to `minReplicas`");
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&Value::Null);
    reference(target, false, &SPEC.child("scaleTargetRef"), errors);
    metrics(spec, min, errors);
    if let Some(behavior) = check::present(spec, &["behavior"]) {
        let path = SPEC.child("behavior");
        for direction in ["scaleUp", "scaleDown"] {
            if let Some(rules) = check::present(behavior, &[direction]) {
                scaling_rules(rules, &path.child(direction), errors);
            }
        }
    }
}

pub fn status(object: &Value, errors: &mut FieldErrors) {
    let Some(status) = object.get("status") else { return };
    for field in ["currentReplicas", "desiredReplicas"] {
        check::non_negative_field(status, field, &Path::root("status"), errors);
    }
}

fn reference(reference: &Value, may_be_core: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["kind", "name"] {
        let text = reference.str_at(&[field]);
        if text.is_empty() {
            errors.required(&path.child(field), "");
        } else {
            check::invalid_all(content::path_segment_name(text), text, &path.child(field), errors);
        }
    }
    let version = reference.str_at(&["apiVersion"]);
    let path = path.child("apiVersion");
    match GroupVersion::parse(version) {
        None if !version.is_empty() => {
            let why = format!("unexpected GroupVersion string: {version}");
            errors.invalid(&path, version, &why);
        }
        parsed => {
            let is_core = parsed.is_none_or(|parsed| parsed.group.is_empty());
            // The one kind of the core group that scales.
            let is_controller = reference.str_at(&["kind"]) == "ReplicationController";
            if is_core && !may_be_core && !is_controller {
                errors.invalid(&path, version, "apiVersion must specify API group");
            }
        }
    }
}

fn metrics(spec: &Value, min: Option<i64>, errors: &mut FieldErrors) {
    let path = SPEC.child("metrics");
    let list = spec.list_at(&["metrics"]);
    for (index, one) in list.iter().enumerate() {
        metric(one, &path.index(index), errors);
    }
    let reaches_zero = list.iter().any(|metric| matches!(metric.str_at(&["type"]), "Object" | "External"));
    if min == Some(0) && !reaches_zero {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden(&path, why);
    }
}

fn metric(metric: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = metric.str_at(&["type"]);
    let expected = METRIC_TYPES.iter().find(|(name, _)| *name == kind).map(|(_, field)| *field);
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric source type");
    }
    if expected.is_none() {
        errors.not_supported(&path.child("type"), kind, &METRIC_TYPE_NAMES);
    }
    let present: Vec<&str> = METRIC_TYPES
        .iter()
        .map(|(_, field)| *field)
        .filter(|field| check::present(metric, &[field]).is_some())
        .collect();
    if let Some(first) = present.first() {
        source(first, metric.get(first).unwrap_or(&Value::Null), &path.child(first), errors);
    }
    match expected {
        Some(expected) if !present.contains(&expected) => {
            errors.required(&path.child(expected), "must populate information for the given metric source");
        }
        Some(_) => {}
        None => errors.not_supported(&path.child("type"), kind, &METRIC_TYPE_NAMES),
    }
    if present.len() != 1 {
        for other in present.iter().filter(|other| Some(**other) != expected) {
            errors.forbidden(&path.child(other), "must populate the given metric source only");
        }
    }
}

fn source(field: &str, source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let target = source.get("target").unwrap_or(&Value::Null);
    let target_path = path.child("target");
    let has = |field: &str| check::present(target, &[field]).is_some();
    match field {
        "object" => {
            let described = source.get("describedObject").unwrap_or(&Value::Null);
            reference(described, true, &path.child("describedObject"), errors);
            metric_name(source, path, errors);
            metric_target(target, &target_path, errors);
            if !has("value") && !has("averageValue") {
                let why = "must set either a target value or averageValue";
                errors.required(&target_path.child("averageValue"), why);
            }
        }
        "external" => {
            metric_name(source, path, errors);
            metric_target(target, &target_path, errors);
            if !has("value") && !has("averageValue") {
                let why = "must set either a target value for metric or a per-pod target";
                errors.required(&target_path.child("averageValue"), why);
            }
            if has("value") && has("averageValue") {
                let why = "may not set both a target value for metric and a per-pod target";
                errors.forbidden(&target_path.child("value"), why);
            }
        }
        "pods" => {
            metric_name(source, path, errors);
            metric_target(target, &target_path, errors);
            if !has("averageValue") {
                let why = "must specify a positive target averageValue";
                errors.required(&target_path.child("averageValue"), why);
            }
        }
        _ => resource_source(field, source, path, errors),
    }
}

/// Of pods' resources, or of those of one container.
fn resource_source(field: &str, source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = source.str_at(&["name"]);
    if name.is_empty() {
        errors.required(&path.child("name"), "must specify a resource name");
    } else if field == "containerResource" {
        super::resources::container_resource_name(name, &path.child("name"), errors);
    }
    if field == "containerResource" {
        let container = source.str_at(&["container"]);
        if container.is_empty() {
            errors.required(&path.child("container"), "must specify a container");
        } else {
            let messages = content::dns1123_label(container);
            check::invalid_all(messages, container, &path.child("container"), errors);
        }
    }
    let target = source.get("target").unwrap_or(&Value::Null);
    let path = path.child("target");
    metric_target(target, &path, errors);
    let has = |field: &str| check::present(target, &[field]).is_some();
    match (has("averageUtilization"), has("averageValue")) {
        (false, false) => {
            let why = "must set either a target raw value or a target utilization";
            errors.required(&path.child("averageUtilization"), why);
        }
        (true, true) => {
            let why = "may not set both a target raw value and a target utilization";
            errors.forbidden(&path.child("averageValue"), why);
        }
        _ => {}
    }
}

fn metric_name(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("metric");
    let path = path.child("name");
    let name = source.str_at(&["metric", "name"]);
    if name.is_empty() {
        errors.required(&path, "must specify a metric name");
    } else {
        check::invalid_all(content::path_segment_name(name), name, &path, errors);
    }
}

fn metric_target(target: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = target.str_at(&["type"]);
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.invalid(&path.child("type"), kind, why);
    }
    for field in ["value", "averageValue"] {
        if sign(target, field).is_some_and(|sign| sign != 1) {
            errors.invalid(&path.child(field), target.str_at(&[field]), "must be positive");
        }
    }
    if let Some(percent) = target.int_at(&["averageUtilization"]).filter(|percent| *percent < 1) {
        errors.invalid(&path.child("averageUtilization"), percent, "must be greater than 0");
    }
}

fn sign(object: &Value, field: &str) -> Option<i32> {
    let text = check::present(object, &[field])?.as_str()?;
    Quantity::parse(text).ok().map(|quantity| quantity.sign())
}

fn scaling_rules(rules: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(window) = rules.int_at(&["stabilizationWindowSeconds"]) {
        let path = path.child("stabilizationWindowSeconds");
        if window < 0 {
            errors.invalid(&path, window, "must be greater than or equal to zero");
        }
        if window > WINDOW_SECONDS_MAX {
            errors.invalid(&path, window, &format!("must be less than or equal to {WINDOW_SECONDS_MAX}"));
        }
    }
    if let Some(policy) = check::present(rules, &["selectPolicy"]).and_then(Value::as_str)
        && !SELECT_POLICIES.contains(&policy)
    {
        errors.not_supported(&path.child("selectPolicy"), policy, &SELECT_POLICIES);
    }
    let policies = rules.list_at(&["policies"]);
    let policies_path = path.child("policies");
    if policies.is_empty() {
        errors.required(&policies_path, "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        scaling_policy(policy, &policies_path.index(index), errors);
    }
    if sign(rules, "tolerance").is_some_and(|sign| sign < 0) {
        let shown = rules.str_at(&["tolerance"]);
        errors.invalid(&path.child("tolerance"), shown, "must be greater than or equal to 0");
    }
}

fn scaling_policy(policy: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = policy.str_at(&["type"]);
    if !matches!(kind, "Percent" | "Pods") {
        errors.not_supported(&path.child("type"), kind, &["Percent", "Pods"]);
    }
    for field in ["value", "periodSeconds"] {
        let number = policy.int_at(&[field]).unwrap_or(0);
        if number <= 0 {
            errors.invalid(&path.child(field), number, "must be greater than zero");
        }
    }
    let period = policy.int_at(&["periodSeconds"]).unwrap_or(0);
    if period > PERIOD_SECONDS_MAX {
        let why = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
        errors.invalid(&path.child("periodSeconds"), period, &why);
    }
}
