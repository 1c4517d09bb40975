//! PodDisruptionBudget.

use super::{Context, Strategy, cells, keep, keep_at};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::{check, conditions, int_or_percent};
use pintle_object::{FieldErrors, Map, Path, Value};

pub struct PodDisruptionBudget;

const SPEC: Path<'static> = Path::root("spec");
const SPEC_SHAPE: Shape = &[
    ("MinAvailable", "minAvailable", Form::Nullable),
    ("Selector", "selector", Form::Nullable),
    ("MaxUnavailable", "maxUnavailable", Form::Nullable),
    ("UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy", Form::Nullable),
];
const POLICIES: [&str; 2] = ["AlwaysAllow", "IfHealthyBudget"];

impl Strategy for PodDisruptionBudget {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], Map::new());
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_at(new, old, &["metadata", "deletionTimestamp"]);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        let _ = old;
        spec(new, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        let _ = old;
        let path = Path::root("status");
        let Some(status) = new.get("status") else { return };
        conditions::validate(status.list_at(&["conditions"]), &path.child("conditions"), errors);
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            check::non_negative_field(status, field, &path, errors);
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let bound = |field: &str| match object.at(&["spec", field]) {
            Some(Value::Int(number)) => Value::from(number.to_string()),
            Some(Value::Text(text)) => Value::Text(text.clone()),
            _ => Value::from("N/A"),
        };
        vec![
            cells::name(object),
            bound("minAvailable"),
            bound("maxUnavailable"),
            cells::int(object, &["status", "disruptionsAllowed"]),
            cells::age(object, now_seconds),
        ]
    }
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    let Some(spec) = object.get("spec") else { return };
    let bound = |field: &str| check::present(spec, &[field]);
    if bound("minAvailable").is_some() && bound("maxUnavailable").is_some() {
        errors.invalid(
            &SPEC,
            internal::shown(spec, SPEC_SHAPE),
            "minAvailable and maxUnavailable cannot be both set",
        );
    }
    for field in ["minAvailable", "maxUnavailable"] {
        if let Some(value) = check::present(spec, &[field]) {
            int_or_percent::non_negative(value, &SPEC.child(field), errors);
            int_or_percent::at_most_all(value, &SPEC.child(field), errors);
        }
    }
    if let Some(selector) = check::present(spec, &["selector"]) {
        let path = SPEC.child("selector");
        pintle_object::selector::validate_label_selector(selector, &path, false, errors);
    }
    if let Some(policy) = check::present(spec, &["unhealthyPodEvictionPolicy"]).and_then(Value::as_str)
        && !POLICIES.contains(&policy)
    {
        errors.not_supported(&SPEC.child("unhealthyPodEvictionPolicy"), policy, &POLICIES);
    }
}
