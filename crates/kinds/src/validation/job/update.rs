//! Fields that an update of a job may not change.

use super::{CONTROLLER_UID, JOB_NAME, SPEC, policy, selected_spec, status};
use crate::validation::check::{IMMUTABLE, immutable, present};
use crate::validation::job::indexes::is_indexed;
use crate::validation::{internal, meta, pod_shape, workload};
use pintle_object::field::Shown;
use pintle_object::{FieldErrors, Value};

/// Metadata of a template and directives for the scheduler: free while a suspended job has no pods.
const MUTABLE_WHEN_SUSPENDED: [[&str; 2]; 5] = [
    ["metadata", "labels"],
    ["metadata", "annotations"],
    ["spec", "nodeSelector"],
    ["spec", "tolerations"],
    ["spec", "schedulingGates"],
];

/// All errors of an update.
pub fn update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let had = |label: &str| old.at(&["spec", "template", "metadata", "labels", label]).is_some();
    super::job(new, had(JOB_NAME) && had(CONTROLLER_UID), errors);
    meta::validate_update_strict(new, old, errors);
    let null = Value::Null;
    let (spec, before) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    selected_spec(spec, errors);
    completions(spec, before, errors);
    shown_immutable(spec, before, "selector", workload::shown_selector, errors);
    template(new, old, errors);
    immutable(
        present(spec, &["completionMode"]),
        present(before, &["completionMode"]),
        &SPEC.child("completionMode"),
        errors,
    );
    shown_immutable(spec, before, "podFailurePolicy", policy::shown_failure, errors);
    for field in ["backoffLimitPerIndex", "managedBy"] {
        immutable(present(spec, &[field]), present(before, &[field]), &SPEC.child(field), errors);
    }
    let shown = |policy: &Value| internal::shown(policy, policy::SUCCESS_POLICY);
    shown_immutable(spec, before, "successPolicy", shown, errors);
}

fn shown_immutable(
    spec: &Value,
    before: &Value,
    field: &str,
    show: impl Fn(&Value) -> Shown,
    errors: &mut FieldErrors,
) {
    let (new, old) = (present(spec, &[field]), present(before, &[field]));
    if new != old {
        let shown = new.map_or_else(|| Shown(String::from("null")), show);
        errors.invalid(&SPEC.child(field), shown, IMMUTABLE);
    }
}

/// An indexed job is scaled by completions and parallelism together.
fn completions(spec: &Value, before: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("completions");
    let (new, old) = (present(spec, &["completions"]), present(before, &["completions"]));
    if !is_indexed(spec) {
        immutable(new, old, &path, errors);
    } else if let Some(new) = new.filter(|_| new != old)
        && Some(new) != present(spec, &["parallelism"])
    {
        errors.invalid(&path, new, "can only be modified in tandem with spec.parallelism");
    }
}

/// Checks that the template is unchanged, except for scheduling fields while there are no pods.
fn template(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let null = Value::Null;
    let (template, mut before) = (
        new.at(&["spec", "template"]).unwrap_or(&null),
        old.at(&["spec", "template"]).cloned().unwrap_or_default(),
    );
    let path = SPEC.child("template");
    let has_no_pods = old.bool_at(&["spec", "suspend"])
        && (present(old, &["status", "startTime"]).is_none() || status::is_true(old, "Suspended"));
    if !has_no_pods {
        if *template != before {
            errors.invalid(&path, pod_shape::shown_template(template), IMMUTABLE);
        }
        return;
    }
    for field in MUTABLE_WHEN_SUSPENDED {
        crate::keep_at(&mut before, template, &field);
    }
    keep_affinity(&mut before, template);
    keep_resources(&mut before, template);
    let spec = template.get("spec").unwrap_or(&null);
    if Some(spec) != before.get("spec") {
        errors.invalid(&path.child("spec"), pod_shape::shown_spec(spec), IMMUTABLE);
    }
}

/// Affinity to nodes may change, and nothing else of the affinity.
fn keep_affinity(before: &mut Value, template: &Value) {
    const AFFINITY: [&str; 2] = ["spec", "affinity"];
    let has = |template: &Value| present(template, &AFFINITY).is_some();
    if has(template) {
        if !has(before) {
            before.set(&AFFINITY, Value::map());
        }
        crate::keep_at(before, template, &["spec", "affinity", "nodeAffinity"]);
    } else if has(before) {
        before.remove(&["spec", "affinity", "nodeAffinity"]);
        if before.map_at(&AFFINITY).is_some_and(pintle_object::Map::is_empty) {
            before.remove(&AFFINITY);
        }
    }
}

/// Resources of containers that have kept their names may change.
fn keep_resources(before: &mut Value, template: &Value) {
    for list in ["containers", "initContainers"] {
        let containers = before.at_mut(&["spec", list]).and_then(Value::as_list_mut);
        for (container, new) in containers.into_iter().flatten().zip(template.list_at(&["spec", list])) {
            if container.str_at(&["name"]) == new.str_at(&["name"]) {
                crate::keep_at(container, new, &["resources"]);
            }
        }
    }
}
