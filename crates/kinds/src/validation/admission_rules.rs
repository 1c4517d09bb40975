//! Parts that webhook configurations and admission policies share: rules, selectors, conditions.

use super::check;
use pintle_cel::{Scope, Type};
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, Path, Seen, Value, content};

const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
const MATCH_CONDITIONS_MAX: usize = 64;

/// Names with this ending are those of configurations in files.
const STATIC_SUFFIX: &str = ".static.k8s.io";

/// The warning about a name that is kept for configurations in files.
pub fn warn_static_name(object: &Value, out: &mut Vec<String>) {
    if object.str_at(&["metadata", "name"]).ends_with(STATIC_SUFFIX) {
        out.push(format!(
            "metadata.name: names ending with \"{STATIC_SUFFIX}\" are reserved for static manifest-based \
             configurations and cannot be managed via the API"
        ));
    }
}

/// Checks that a field, if present, is one of a few texts.
pub fn one_of(object: &Value, field: &str, supported: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(text) = check::present(object, &[field]).and_then(Value::as_str)
        && !supported.contains(&text)
    {
        errors.not_supported(&path.child(field), text, supported);
    }
}

/// Checks the operations, groups, versions and resources of a rule.
pub fn rule(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let operations = rule.list_at(&["operations"]);
    let operations_path = path.child("operations");
    wildcard_list(rule, "operations", "operations", path, errors);
    for (index, operation) in operations.iter().enumerate() {
        let operation = operation.as_str().unwrap_or("");
        if !OPERATIONS.contains(&operation) {
            errors.not_supported(&operations_path.index(index), operation, &OPERATIONS);
        }
    }
    wildcard_list(rule, "apiGroups", "API groups", path, errors);
    wildcard_list(rule, "apiVersions", "API versions", path, errors);
    let versions_path = path.child("apiVersions");
    for (index, version) in rule.list_at(&["apiVersions"]).iter().enumerate() {
        if version.as_str() == Some("") || version.is_null() {
            errors.required(&versions_path.index(index), "");
        }
    }
    resources(rule, &path.child("resources"), errors);
    one_of(rule, "scope", &SCOPES, path, errors);
}

/// A rule that may name its objects.
fn named_rule(named: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let names_path = path.child("resourceNames");
    let mut seen = Seen::new();
    for (index, name) in named.list_at(&["resourceNames"]).iter().enumerate() {
        let (name, path) = (name.as_str().unwrap_or(""), names_path.index(index));
        check::invalid_all(content::path_segment_name(name), name, &path, errors);
        if seen.contains(&name) {
            errors.duplicate(&path, name);
        }
        seen.push(name);
    }
    rule(named, path, errors);
}

/// Checks the match resources of a policy or binding, whose defaults are set.
pub fn match_resources(resources: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    one_of(resources, "matchPolicy", &["Equivalent", "Exact"], path, errors);
    selectors(resources, path, errors);
    for field in ["resourceRules", "excludeResourceRules"] {
        let path = path.child(field);
        for (index, one) in resources.list_at(&[field]).iter().enumerate() {
            named_rule(one, &path.index(index), errors);
        }
    }
}

/// Refuses to mutate deletions.
pub fn mutable_operations(resources: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const MUTABLE: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
    let path = path.child("resourceRules");
    let path = path.child("operations");
    for rule in resources.list_at(&["resourceRules"]) {
        for operation in rule.list_at(&["operations"]) {
            let operation = operation.as_str().unwrap_or("");
            if !MUTABLE.contains(&operation) {
                errors.not_supported(&path, operation, &MUTABLE);
            }
        }
    }
}

pub fn selectors(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = check::present(object, &[field]) {
            validate_label_selector(selector, &path.child(field), false, errors);
        }
    }
}

/// The type of an expression, which must be one of these.
pub fn compiled(
    text: &str,
    scope: &Scope,
    wanted: &[Type],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Type {
    let (found, why) = pintle_cel::refusal(text, scope, wanted);
    if let Some(why) = why {
        errors.invalid(path, text, &why);
    }
    found
}

/// Conditions have names of their own, and expressions.
pub fn match_conditions(object: &Value, scope: &Scope, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("matchConditions");
    let list = object.list_at(&["matchConditions"]);
    if list.len() > MATCH_CONDITIONS_MAX {
        errors.too_many(&path, list.len(), MATCH_CONDITIONS_MAX);
        return;
    }
    let mut seen = Seen::new();
    for (index, condition) in list.iter().enumerate() {
        let path = path.index(index);
        let text = condition.str_at(&["expression"]).trim();
        if text.is_empty() {
            errors.required(&path.child("expression"), "");
        } else {
            compiled(text, scope, &[Type::Bool], &path.child("expression"), errors);
        }
        let name = condition.str_at(&["name"]);
        let path = path.child("name");
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        check::invalid_all(content::label_key(name), name, &path, errors);
        if seen.contains(&name) {
            errors.duplicate(&path, name);
        }
        seen.push(name);
    }
}

/// A list that is not empty, and holds the wildcard alone if at all.
fn wildcard_list(rule: &Value, field: &str, others: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let list = rule.list_at(&[field]);
    if list.is_empty() {
        errors.required(&path.child(field), "");
    }
    if list.len() > 1 && list.iter().any(|item| item.as_str() == Some("*")) {
        let shown = rule.get(field).unwrap_or(&Value::Null);
        let why = format!("if '*' is present, must not specify other {others}");
        errors.invalid(&path.child(field), shown, &why);
    }
}

/// `pods`, `pods/status`, `pods/*`, `*/status`, `*`, `*/*`; none that another one covers.
fn resources(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let list: Vec<&str> =
        rule.list_at(&["resources"]).iter().map(|resource| resource.as_str().unwrap_or("")).collect();
    if list.is_empty() {
        errors.required(path, "");
    }
    let (mut whole_resources, mut whole_subresources) = (Seen::new(), Seen::new());
    let mut has_plain = false;
    for (index, text) in list.iter().enumerate() {
        let path = path.index(index);
        if text.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let Some((resource, subresource)) = text.split_once('/') else {
            has_plain = *text != "*";
            continue;
        };
        if whole_resources.contains(&resource) {
            let why = format!("if '{resource}/*' is present, must not specify {text}");
            errors.invalid(&path, *text, &why);
        }
        if whole_subresources.contains(&subresource) {
            let why = format!("if '*/{subresource}' is present, must not specify {text}");
            errors.invalid(&path, *text, &why);
        }
        if subresource == "*" {
            whole_resources.push(resource);
        }
        if resource == "*" {
            whole_subresources.push(subresource);
        }
    }
    let shown = rule.get("resources").unwrap_or(&Value::Null);
    if list.len() > 1 && list.contains(&"*/*") {
        errors.invalid(path, shown, "if '*/*' is present, must not specify other resources");
    }
    if has_plain && list.contains(&"*") {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, shown, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_do_not_cover_each_other() {
        let cases = [
            (r#"{"resources":["pods","pods/status"]}"#, 0),
            (r#"{"resources":["*","pods"]}"#, 1),
            (r#"{"resources":["pods/*","pods/status"]}"#, 1),
            (r#"{"resources":["*/*","pods"]}"#, 1),
            (r#"{"resources":[""]}"#, 1),
            (r#"{}"#, 1),
        ];
        for (json, expected) in cases {
            let rule = pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
            let mut errors = FieldErrors::new();
            resources(&rule, &Path::root("resources"), &mut errors);
            assert_eq!(errors.len(), expected, "{json}");
        }
    }
}
