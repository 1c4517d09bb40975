//! Placement of pods: scheduling gates, topology spread, tolerations, resource claims.

use crate::validation::check::{invalid_all, present};
use crate::validation::pod_spec::values::optional_one_of;
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, Path, Seen, Value, content};
use std::collections::BTreeMap;

pub fn readiness_gates(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, gate) in spec.list_at(&["readinessGates"]).iter().enumerate() {
        let kind = gate.str_at(&["conditionType"]);
        invalid_all(content::label_key(kind), kind, &path.index(index).child("conditionType"), errors);
    }
}

pub fn scheduling_gates(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, gate) in spec.list_at(&["schedulingGates"]).iter().enumerate() {
        let name = gate.str_at(&["name"]);
        invalid_all(content::label_key(name), name, &path.index(index), errors);
        if seen.contains(&name) {
            errors.duplicate(&path.index(index), name);
        }
        seen.push(name);
    }
}

pub fn spread(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let constraints = spec.list_at(&["topologySpreadConstraints"]);
    let pair = |one: &'_ Value| {
        (one.str_at(&["topologyKey"]).to_owned(), one.str_at(&["whenUnsatisfiable"]).to_owned())
    };
    // The last of several equal ones is the one that no later one repeats.
    let last: BTreeMap<_, usize> = constraints.iter().map(pair).zip(0..).collect();
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        let skew = constraint.int_at(&["maxSkew"]).unwrap_or(0);
        if skew <= 0 {
            errors.invalid(&path.child("maxSkew"), skew, "must be greater than zero");
        }
        let key = constraint.str_at(&["topologyKey"]);
        if key.is_empty() {
            errors.required(&path.child("topologyKey"), "can not be empty");
        } else {
            invalid_all(content::label_key(key), key, &path.child("topologyKey"), errors);
        }
        let action = constraint.str_at(&["whenUnsatisfiable"]);
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            let words = ["DoNotSchedule", "ScheduleAnyway"];
            errors.not_supported(&path.child("whenUnsatisfiable"), action, &words);
        }
        if last.get(&pair(constraint)).is_some_and(|last| *last > index) {
            let pair = format!("{{{key}, {action}}}");
            errors.duplicate(&path.child("{topologyKey, whenUnsatisfiable}"), &pair);
        }
        min_domains(constraint, action, &path.child("minDomains"), errors);
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            optional_one_of(constraint, field, &["Honor", "Ignore"], &path, errors);
        }
        label_keys(constraint, "matchLabelKeys", &path, errors);
        if let Some(selector) = present(constraint, &["labelSelector"]) {
            validate_label_selector(selector, &path.child("labelSelector"), false, errors);
        }
    }
}

fn min_domains(constraint: &Value, action: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(min) = constraint.int_at(&["minDomains"]) else { return };
    if min <= 0 {
        errors.invalid(path, min, "must be greater than zero");
    }
    if action != "DoNotSchedule" {
        let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        errors.invalid(path, min, &why);
    }
}

/// Keys of labels whose values a pod adds to a selector.
pub fn label_keys(object: &Value, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let keys = object.list_at(&[field]);
    if keys.is_empty() {
        return;
    }
    let path = path.child(field);
    if present(object, &["labelSelector"]).is_none() {
        return errors.forbidden(&path, "must not be specified when labelSelector is not set");
    }
    for (index, key) in keys.iter().enumerate() {
        let key = key.as_str().unwrap_or("");
        invalid_all(content::label_key(key), key, &path.index(index), errors);
    }
}

pub fn tolerations(list: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, toleration) in list.iter().enumerate() {
        validate_toleration(toleration, &path.index(index), errors);
    }
}

fn validate_toleration(toleration: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let at = |field: &str| toleration.str_at(&[field]);
    if !at("key").is_empty() {
        invalid_all(content::label_key(at("key")), at("key"), &path.child("key"), errors);
    }
    let operator_path = path.child("operator");
    if at("key").is_empty() && at("operator") != "Exists" {
        let why =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.invalid(&operator_path, at("operator"), why);
    }
    if toleration.int_at(&["tolerationSeconds"]).is_some() && at("effect") != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.invalid(&path.child("effect"), at("effect"), why);
    }
    match at("operator") {
        "" | "Equal" => {
            let messages = content::label_value(at("value"));
            if !messages.is_empty() {
                errors.invalid(&operator_path, at("value"), &messages.join(";"));
            }
        }
        "Exists" if !at("value").is_empty() => {
            errors.invalid(&operator_path, at("value"), "value must be empty when `operator` is 'Exists'");
        }
        "Exists" => {}
        // Comparisons are a feature that is off, which upstream does not say.
        other @ ("Lt" | "Gt") => {
            errors.not_supported(&operator_path, other, &["Equal", "Exists", "Lt", "Gt"]);
        }
        other => errors.not_supported(&operator_path, other, &["Equal", "Exists"]),
    }
    match at("effect") {
        "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
        other => {
            let words = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            errors.not_supported(&path.child("effect"), other, &words);
        }
    }
}

/// Checks a pod's claims of devices, and returns their names.
pub fn resource_claims<'a>(spec: &'a Value, path: &Path<'_>, errors: &mut FieldErrors) -> Vec<&'a str> {
    let (mut names, mut seen) = (Vec::new(), Seen::new());
    for (index, claim) in spec.list_at(&["resourceClaims"]).iter().enumerate() {
        let path = path.index(index);
        let name = claim.str_at(&["name"]);
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        } else {
            invalid_all(content::dns1123_label(name), name, &path.child("name"), errors);
            names.push(name);
            seen.push(name);
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        let given: Vec<&str> =
            sources.into_iter().filter(|field| present(claim, &[field]).is_some()).collect();
        match given.len() {
            0 => {
                let why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                errors.invalid(&path, claim, why);
            }
            1 => {}
            _ => {
                let why =
                    "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.invalid(&path, claim, why);
            }
        }
        for field in given {
            let name = claim.str_at(&[field]);
            invalid_all(content::dns1123_subdomain(name), name, &path.child(field), errors);
        }
    }
    names
}
