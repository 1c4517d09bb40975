//! Role and ClusterRole.

use super::{Context, Strategy};
use crate::validation::{NameRule, meta};
use pintle_object::{FieldErrors, Path, Value};

/// The rules of a role; one in a namespace cannot be about URLs.
pub struct Role {
    pub is_namespaced: bool,
}

impl Strategy for Role {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::PathSegment, errors);
        let path = Path::root("rules");
        for (index, rule) in object.list_at(&["rules"]).iter().enumerate() {
            policy_rule(rule, self.is_namespaced, &path.index(index), errors);
        }
        aggregation(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        meta::validate_update_strict(new, old, errors);
    }
}

/// Checks a rule: it has verbs, and resources or URLs.
fn policy_rule(rule: &Value, is_namespaced: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_empty = |field: &str| rule.list_at(&[field]).is_empty();
    if is_empty("verbs") {
        errors.required(&path.child("verbs"), "verbs must contain at least one value");
    }
    if let Some(urls) = rule.get("nonResourceURLs").filter(|_| !is_empty("nonResourceURLs")) {
        let path = path.child("nonResourceURLs");
        if is_namespaced {
            errors.invalid(&path, urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if !is_empty("apiGroups") || !is_empty("resources") || !is_empty("resourceNames") {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(&path, urls, why);
        }
        return;
    }
    if is_empty("apiGroups") {
        errors.required(&path.child("apiGroups"), "resource rules must supply at least one api group");
    }
    if is_empty("resources") {
        errors.required(&path.child("resources"), "resource rules must supply at least one resource");
    }
}

fn aggregation(object: &Value, errors: &mut FieldErrors) {
    let Some(rule) = object.get("aggregationRule").filter(|rule| !rule.is_null()) else { return };
    let path = Path::root("aggregationRule");
    let path = path.child("clusterRoleSelectors");
    let selectors = rule.list_at(&["clusterRoleSelectors"]);
    if selectors.is_empty() {
        errors.required(&path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for (index, selector) in selectors.iter().enumerate() {
        let path = path.index(index);
        let before = errors.len();
        pintle_object::selector::validate_label_selector(selector, &path, false, errors);
        if errors.len() > before {
            errors.invalid(&path, &Value::Null, "invalid label selector.");
        }
    }
}
