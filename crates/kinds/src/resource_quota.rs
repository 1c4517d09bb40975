//! ResourceQuota.

use super::{Strategy, cells};
use crate::validation::{check, meta, resources};
use pintle_object::{FieldErrors, Path, Value};
use std::cmp::Ordering;

pub struct ResourceQuota;

impl Strategy for ResourceQuota {
    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        validate_spec(object, errors);
        validate_status(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        validate_spec(new, errors);
        if scope_set(new) != scope_set(old) {
            let scopes = new.at(&["spec", "scopes"]).unwrap_or(&Value::Null);
            errors.invalid(&Path::root("spec.scopes"), scopes, check::IMMUTABLE);
        }
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        validate_status(new, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        if old.is_some() {
            return;
        }
        for resource in ["cpu", "memory", "ephemeral-storage"] {
            let (request, limit) = (format!("requests.{resource}"), format!("limits.{resource}"));
            let hard = |name: &str| new.at(&["spec", "hard", name]);
            if let (Some(requested), Some(limited)) = (hard(&request), hard(&limit))
                && resources::quantity(requested).cmp(&resources::quantity(limited)) == Ordering::Greater
            {
                let (requested, limited) = (requested.as_str().unwrap_or(""), limited.as_str().unwrap_or(""));
                out.push(format!(
                    "ResourceQuota {request} ({requested}) should be less than {limit} ({limited})"
                ));
            }
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (resource, hard) in object.map_at(&["status", "hard"]).into_iter().flat_map(|map| map.iter()) {
            let used = match object.str_at(&["status", "used", resource]) {
                "" => "0",
                used => used,
            };
            let shown = format!("{resource}: {used}/{}", hard.as_str().unwrap_or("0"));
            let list = if resource.starts_with("limits") { &mut limits } else { &mut requests };
            list.push(shown);
        }
        vec![
            cells::name(object),
            Value::from(requests.join(", ")),
            Value::from(limits.join(", ")),
            cells::age(object, now_seconds),
        ]
    }
}

/// Scopes of which a quota has one at most.
const CONFLICTS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];

fn validate_spec(object: &Value, errors: &mut FieldErrors) {
    let spec = Path::root("spec");
    amounts(object, &["spec", "hard"], &spec.child("hard"), errors);
    let scopes = object.list_at(&["spec", "scopes"]);
    let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str().unwrap_or("")).collect();
    let path = spec.child("scopes");
    let shown = Value::List(scopes.to_vec());
    for scope in &names {
        scope_fits(object, scope, &path, &shown, &path, &shown, errors);
    }
    conflicts(&names, &path, &shown, errors);
    validate_scope_selector(object, errors);
}

fn validate_scope_selector(object: &Value, errors: &mut FieldErrors) {
    let Some(selector) = check::present(object, &["spec", "scopeSelector"]) else { return };
    let path = Path::root("spec.scopeSelector.matchExpressions");
    let mut names = Vec::new();
    for requirement in selector.list_at(&["matchExpressions"]) {
        let scope = requirement.str_at(&["scopeName"]);
        names.push(scope);
        scope_fits(object, scope, &path.child("scopeName"), &Value::from(scope), &path, selector, errors);
        validate_requirement(requirement, &path, errors);
    }
    let scopes = object.at(&["spec", "scopes"]).unwrap_or(&Value::Null);
    conflicts(&names, &path, scopes, errors);
}

fn validate_requirement(requirement: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let operator = requirement.str_at(&["operator"]);
    let needs_exists = matches!(
        requirement.str_at(&["scopeName"]),
        "BestEffort" | "NotBestEffort" | "Terminating" | "NotTerminating" | "CrossNamespacePodAffinity"
    );
    if needs_exists && operator != "Exists" {
        let why = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
        errors.invalid(&path.child("operator"), operator, why);
    }
    let values = requirement.list_at(&["values"]);
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.required(&path.child("values"), why);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector";
            errors.invalid(&path.child("values"), &Value::List(values.to_vec()), why);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => errors.invalid(&path.child("operator"), operator, "not a valid selector operator"),
    }
}

/// A scope is known, and means something for every resource that the quota limits.
fn scope_fits(
    object: &Value,
    scope: &str,
    path: &Path<'_>,
    shown: &Value,
    all_path: &Path<'_>,
    all_shown: &Value,
    errors: &mut FieldErrors,
) {
    const SCOPES: [&str; 7] = [
        "Terminating",
        "NotTerminating",
        "BestEffort",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
        "VolumeAttributesClass",
    ];
    if !SCOPES.contains(&scope) {
        errors.invalid(path, shown, "unsupported scope");
        return;
    }
    for resource in object.map_at(&["spec", "hard"]).into_iter().flat_map(|hard| hard.keys()) {
        if errors.is_full() {
            return;
        }
        if resources::is_standard_for_quota(resource) && !is_meaningful(scope, resource) {
            errors.invalid(all_path, all_shown, "unsupported scope applied to resource");
        }
    }
}

fn is_meaningful(scope: &str, resource: &str) -> bool {
    let is_compute = matches!(
        resource,
        "cpu" | "memory" | "limits.cpu" | "limits.memory" | "requests.cpu" | "requests.memory"
    );
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => resource == "pods" || is_compute,
        _ => true,
    }
}

fn conflicts(names: &[&str], path: &Path<'_>, shown: &Value, errors: &mut FieldErrors) {
    for pair in CONFLICTS {
        if pair.iter().all(|scope| names.contains(scope)) {
            errors.invalid(path, shown, "conflicting scopes");
        }
    }
}

fn validate_status(object: &Value, errors: &mut FieldErrors) {
    let status = Path::root("status");
    amounts(object, &["status", "hard"], &status.child("hard"), errors);
    amounts(object, &["status", "used"], &status.child("used"), errors);
}

fn amounts(object: &Value, at: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    for (name, value) in object.map_at(at).into_iter().flat_map(|map| map.iter()) {
        resources::quota_resource_name(name, &path.key(name), errors);
        resources::resource_amount(name, value, &path.key(name), errors);
    }
}

fn scope_set(object: &Value) -> Vec<&str> {
    let mut scopes: Vec<&str> =
        object.list_at(&["spec", "scopes"]).iter().filter_map(Value::as_str).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}
