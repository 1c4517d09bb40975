//! ReplicaSet.

use super::{Strategy, cells, pod, template_warnings};
use crate::validation::workload::{self, SPEC};
use crate::validation::{check, meta};
use pintle_object::{FieldErrors, Value};

pub struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "template"]);
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
        super::deployment::keep_selector(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        replica_status(new, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        template_warnings::named(self, new, old, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        cells::replicas(object, cells::selector(object, &["spec", "selector"]), now_seconds)
    }
}

fn validate_spec(spec: &Value, errors: &mut FieldErrors) {
    check::non_negative_field(spec, "replicas", &SPEC, errors);
    check::non_negative_field(spec, "minReadySeconds", &SPEC, errors);
    let selector = workload::selector(spec, true, "deployment", "invalid label selector", errors);
    if let Some(selector) = selector {
        let template = spec.get("template").unwrap_or(&Value::Null);
        if !selector.is_everything() {
            workload::matches(&selector, template, errors);
        }
        workload::template(template, "ReplicaSet", errors);
    }
}

/// Checks the counts of a status with replicas.
pub(super) fn replica_status(object: &Value, errors: &mut FieldErrors) {
    const FIELDS: [&str; 6] = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "terminatingReplicas",
        "observedGeneration",
    ];
    const PARTS: [&str; 3] = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    workload::status(object, &FIELDS, &PARTS, "readyReplicas", errors);
}
