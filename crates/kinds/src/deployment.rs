//! Deployment.

use super::{Context, Strategy, cells, keep, keep_at, pod, set_default, template_warnings};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::workload::{self, SPEC};
use crate::validation::{check, int_or_percent, meta};
use pintle_object::field::Shown;
use pintle_object::{FieldErrors, Map, Path, Value};

pub struct Deployment;

impl Strategy for Deployment {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "template"]);
        if object.str_at(&["spec", "strategy", "type"]) == "RollingUpdate" {
            set_default(object, &["spec", "strategy"], "rollingUpdate", Map::new());
            set_default(object, &["spec", "strategy", "rollingUpdate"], "maxUnavailable", "25%");
            set_default(object, &["spec", "strategy", "rollingUpdate"], "maxSurge", "25%");
        }
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_at(new, old, &["metadata", "labels"]);
    }

    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("spec") != old.get("spec")
            || new.at(&["metadata", "annotations"]) != old.at(&["metadata", "annotations"])
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        validate_spec(object.get("spec").unwrap_or(&Value::Null), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        validate_spec(new.get("spec").unwrap_or(&Value::Null), errors);
        keep_selector(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        const FIELDS: [&str; 8] = [
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ];
        const PARTS: [&str; 3] = ["updatedReplicas", "readyReplicas", "availableReplicas"];
        meta::validate_update_strict(new, old, errors);
        workload::status(new, &FIELDS, &PARTS, "readyReplicas", errors);
        workload::collisions(new, old, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        template_warnings::named(self, new, old, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["spec", "template", "spec"]);
        vec![
            cells::name(object),
            ready(object),
            cells::int(object, &["status", "updatedReplicas"]),
            cells::int(object, &["status", "availableReplicas"]),
            cells::age(object, now_seconds),
            names,
            images,
            cells::selector(object, &["spec", "selector"]),
        ]
    }
}

/// `ready/desired`
pub(super) fn ready(object: &Value) -> Value {
    let count = |path: &[&str]| object.int_at(path).unwrap_or(0);
    Value::from(format!("{}/{}", count(&["status", "readyReplicas"]), count(&["spec", "replicas"])))
}

/// Which pods belong to a workload never changes.
pub(super) fn keep_selector(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let (now, before) =
        (check::present(new, &["spec", "selector"]), check::present(old, &["spec", "selector"]));
    if now != before {
        let bad = workload::shown_selector(now.unwrap_or(&Value::Null));
        errors.invalid(&SPEC.child("selector"), bad, check::IMMUTABLE);
    }
}

fn validate_spec(spec: &Value, errors: &mut FieldErrors) {
    check::non_negative_field(spec, "replicas", &SPEC, errors);
    let selector = workload::selector(spec, true, "deployment", "invalid label selector", errors);
    if let Some(selector) = selector {
        let template = spec.get("template").unwrap_or(&Value::Null);
        if !selector.is_everything() {
            workload::matches(&selector, template, errors);
        }
        workload::template(template, "ReplicaSet", errors);
    }
    strategy(spec.get("strategy").unwrap_or(&Value::Null), &SPEC.child("strategy"), errors);
    check::non_negative_field(spec, "minReadySeconds", &SPEC, errors);
    check::non_negative_field(spec, "revisionHistoryLimit", &SPEC, errors);
    if let Some(seconds) = spec.int_at(&["progressDeadlineSeconds"]) {
        let path = SPEC.child("progressDeadlineSeconds");
        check::non_negative(seconds, &path, errors);
        if seconds <= spec.int_at(&["minReadySeconds"]).unwrap_or(0) {
            errors.invalid(&path, seconds, "must be greater than minReadySeconds");
        }
    }
}

fn strategy(strategy: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let rolling_path = path.child("rollingUpdate");
    let rolling = check::present(strategy, &["rollingUpdate"]);
    match (strategy.str_at(&["type"]), rolling) {
        ("Recreate", Some(_)) => {
            errors.forbidden(&rolling_path, "may not be specified when strategy `type` is 'Recreate'");
        }
        ("Recreate", None) => {}
        ("RollingUpdate", None) => {
            errors.required(&rolling_path, "this should be defaulted and never be nil");
        }
        ("RollingUpdate", Some(rolling)) => rolling_update(rolling, &rolling_path, errors),
        _ => errors.not_supported(path, internal_strategy(strategy), &["Recreate", "RollingUpdate"]),
    }
}

fn rolling_update(rolling: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let zero = Value::Int(0);
    let value = |field: &str| rolling.get(field).unwrap_or(&zero);
    let (unavailable, surge) = (value("maxUnavailable"), value("maxSurge"));
    let unavailable_path = path.child("maxUnavailable");
    int_or_percent::non_negative(unavailable, &unavailable_path, errors);
    int_or_percent::non_negative(surge, &path.child("maxSurge"), errors);
    if amount(unavailable) == 0 && amount(surge) == 0 {
        errors.invalid(&unavailable_path, unavailable, "may not be 0 when `maxSurge` is 0");
    }
    int_or_percent::at_most_all(unavailable, &unavailable_path, errors);
}

/// The number, or the number before the percent sign; 0 for other values.
pub(super) fn amount(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        Value::Text(text) => int_or_percent::percentage(value).or_else(|| text.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

/// A strategy as upstream prints its internal form.
pub(super) fn internal_strategy(strategy: &Value) -> Shown {
    const ROLLING: Shape =
        &[("MaxUnavailable", "maxUnavailable", Form::Int), ("MaxSurge", "maxSurge", Form::Int)];
    const STRATEGY: Shape =
        &[("Type", "type", Form::Text), ("RollingUpdate", "rollingUpdate", Form::Pointer(ROLLING))];
    internal::shown(strategy, STRATEGY)
}
