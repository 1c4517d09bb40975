//! Affinity to nodes and pods.

use super::placement::label_keys;
use crate::validation::check::{invalid_all, present};
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, Path, Value, content};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub fn validate(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(affinity) = present(spec, &["affinity", "nodeAffinity"]) {
        node_affinity(affinity, &path.child("nodeAffinity"), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        if let Some(affinity) = present(spec, &["affinity", kind]) {
            pod_affinity(affinity, &path.child(kind), errors);
        }
    }
}

fn node_affinity(affinity: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(selector) = present(affinity, &[REQUIRED]) {
        node_selector(selector, &path.child(REQUIRED), errors);
    }
    let path = path.child(PREFERRED);
    for (index, term) in affinity.list_at(&[PREFERRED]).iter().enumerate() {
        let path = path.index(index);
        weight(term, &path, errors);
        if let Some(preference) = present(term, &["preference"]) {
            node_selector_term(preference, true, &path.child("preference"), errors);
        }
    }
}

/// Checks a selector of nodes: terms of which one must hold.
pub fn node_selector(selector: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let terms = selector.list_at(&["nodeSelectorTerms"]);
    let path = path.child("nodeSelectorTerms");
    if terms.is_empty() {
        return errors.required(&path, "must have at least one node selector term");
    }
    for (index, term) in terms.iter().enumerate() {
        node_selector_term(term, false, &path.index(index), errors);
    }
}

fn node_selector_term(term: &Value, allows_any_value: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let expressions = path.child("matchExpressions");
    for (index, requirement) in term.list_at(&["matchExpressions"]).iter().enumerate() {
        node_requirement(requirement, allows_any_value, &expressions.index(index), errors);
    }
    let fields = path.child("matchFields");
    for (index, requirement) in term.list_at(&["matchFields"]).iter().enumerate() {
        field_requirement(requirement, &fields.index(index), errors);
    }
}

fn node_requirement(requirement: &Value, allows_any_value: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let values = requirement.list_at(&["values"]);
    let values_path = path.child("values");
    match requirement.str_at(&["operator"]) {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&values_path, why);
        }
        "Gt" | "Lt" if values.len() != 1 => {
            let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            errors.required(&values_path, why);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    let key = requirement.str_at(&["key"]);
    invalid_all(content::label_key(key), key, &path.child("key"), errors);
    if allows_any_value {
        return;
    }
    for (index, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or("");
        invalid_all(content::label_value(value), value, &values_path.index(index), errors);
    }
}

fn field_requirement(requirement: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let values = requirement.list_at(&["values"]);
    let values_path = path.child("values");
    match requirement.str_at(&["operator"]) {
        "In" | "NotIn" if values.len() != 1 => {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&values_path, why);
        }
        "In" | "NotIn" => {}
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    let key = requirement.str_at(&["key"]);
    if key != "metadata.name" {
        return errors.invalid(&path.child("key"), key, "not a valid field selector key");
    }
    for (index, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or("");
        invalid_all(content::dns1123_subdomain(value), value, &values_path.index(index), errors);
    }
}

fn pod_affinity(affinity: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let required = path.child(REQUIRED);
    for (index, term) in affinity.list_at(&[REQUIRED]).iter().enumerate() {
        pod_affinity_term(term, &required.index(index), errors);
    }
    let preferred = path.child(PREFERRED);
    for (index, term) in affinity.list_at(&[PREFERRED]).iter().enumerate() {
        let path = preferred.index(index);
        weight(term, &path, errors);
        let term = term.get("podAffinityTerm").unwrap_or(&Value::Null);
        pod_affinity_term(term, &path.child("podAffinityTerm"), errors);
    }
}

fn pod_affinity_term(term: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["labelSelector", "namespaceSelector"] {
        if let Some(selector) = present(term, &[field]) {
            validate_label_selector(selector, &path.child(field), false, errors);
        }
    }
    for namespace in term.list_at(&["namespaces"]) {
        let namespace = namespace.as_str().unwrap_or("");
        invalid_all(content::dns1123_label(namespace), namespace, &path.child("namespace"), errors);
    }
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        label_keys(term, field, path, errors);
    }
    let key = term.str_at(&["topologyKey"]);
    if key.is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    invalid_all(content::label_key(key), key, &path.child("topologyKey"), errors);
}

fn weight(term: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let weight = term.int_at(&["weight"]).unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}
