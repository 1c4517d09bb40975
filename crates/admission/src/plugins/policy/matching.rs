//! Whether a policy or a binding is about a request: rules of resources, and selectors.

use crate::request::Request;
use pintle_engine::admission::Operation;
use pintle_object::selector::LabelSelector;
use pintle_object::{Map, Value};

/// Whether `spec.<field>` of a policy or binding selects a request; nothing said selects everything.
pub fn matches(request: &Request<'_>, object: &Value, of: &Value, field: &str) -> bool {
    let Some(spec) = of.at(&["spec", field]).filter(|spec| !spec.is_null()) else { return true };
    let is_exact = spec.str_at(&["matchPolicy"]) == "Exact";
    let any =
        |field: &str| spec.list_at(&[field]).iter().any(|rule| is_about(request, object, rule, is_exact));
    let rules = spec.list_at(&["resourceRules"]);
    (rules.is_empty() || any("resourceRules"))
        && !any("excludeResourceRules")
        && in_namespace(request, object, spec)
        && is_selected(request, object, spec)
}

fn is_about(request: &Request<'_>, object: &Value, rule: &Value, is_exact: bool) -> bool {
    let resource = &request.attributes.target.served.resource;
    let has = |field: &str, fits: &dyn Fn(&str) -> bool| {
        rule.list_at(&[field]).iter().filter_map(Value::as_str).any(|one| one == "*" || fits(one))
    };
    // A rule for one version is about the same objects in all others.
    let has_version = |version: &str| {
        *version == *resource.version
            || (!is_exact && request.engine.find(&resource.group, version, &resource.plural).is_some())
    };
    let names = rule.list_at(&["resourceNames"]);
    let name = request.known_name(object);
    let scope = rule.str_at(&["scope"]);
    let is_in_scope = match scope {
        "Namespaced" => resource.namespaced,
        "Cluster" => !resource.namespaced,
        _ => true,
    };
    has("operations", &|one| one == request.attributes.operation.as_str())
        && has("apiGroups", &|one| *one == *resource.group)
        && has("apiVersions", &has_version)
        && rule.list_at(&["resources"]).iter().filter_map(Value::as_str).any(|one| is_resource(request, one))
        && is_in_scope
        && (names.is_empty() || names.iter().any(|one| one.as_str() == Some(name)))
}

/// `pods`, `pods/status`, `pods/*`, `*/status`, `*`, `*/*`
fn is_resource(request: &Request<'_>, rule: &str) -> bool {
    let plural = &request.attributes.target.served.resource.plural;
    let (resource, subresource) = rule.split_once('/').unwrap_or((rule, ""));
    let is_all = rule == "*/*";
    is_all
        || ((resource == "*" || *resource == **plural)
            && (subresource == request.subresource()
                || (subresource == "*" && !request.subresource().is_empty())))
}

fn selector(spec: &Value, field: &str) -> Option<LabelSelector> {
    let selector = spec.get(field).filter(|selector| !selector.is_null())?;
    LabelSelector::from_value(Some(selector)).ok().filter(|selector| !selector.is_everything())
}

fn labels(of: &Value) -> Map {
    of.map_at(&["metadata", "labels"]).cloned().unwrap_or_default()
}

/// Namespaces are looked at themselves; what is in none is always meant.
fn in_namespace(request: &Request<'_>, object: &Value, spec: &Value) -> bool {
    let Some(selector) = selector(spec, "namespaceSelector") else { return true };
    if request.is_resource("", "namespaces") {
        let is_there = request.attributes.operation != Operation::Delete;
        let of = if is_there { Some(object) } else { request.attributes.old };
        return selector.matches(&of.map(labels).unwrap_or_default());
    }
    if request.namespace().is_empty() {
        return true;
    }
    let labels = request.stored_labels("", "namespaces", "", request.namespace());
    selector.matches(&labels.unwrap_or_default())
}

/// The object as it was or as it will be.
fn is_selected(request: &Request<'_>, object: &Value, spec: &Value) -> bool {
    let Some(selector) = selector(spec, "objectSelector") else { return true };
    let fits = |of: &Value| !of.is_null() && selector.matches(&labels(of));
    fits(object) || request.attributes.old.is_some_and(fits)
}
