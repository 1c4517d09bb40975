//! Validation of claims for devices.

use super::{
    Bounds, CONFIGS_MAX, REQUESTS_MAX, by_field, by_itself, configuration, fully_qualified_name, label_name,
    list, selectors, tolerations,
};
use crate::validation::check::{self, present};
use pintle_object::{FieldErrors, Map, Path, Seen, Value, content};
use std::collections::BTreeMap;

const CONSTRAINTS_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;

/// The label of namespaces whose claims may ask for administrators' access.
const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";

const NO_REQUEST: &str =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/// Names of requests, and of the alternatives within them.
pub struct Names<'a>(BTreeMap<&'a str, Seen<&'a str>>);

impl<'a> Names<'a> {
    pub fn of(spec: &'a Value) -> Names<'a> {
        let requests = spec.list_at(&["devices", "requests"]).iter();
        Names(
            requests
                .map(|request| {
                    let alternatives = request.list_at(&["firstAvailable"]).iter();
                    (request.str_at(&["name"]), alternatives.map(|one| one.str_at(&["name"])).collect())
                })
                .collect(),
        )
    }

    fn has(&self, name: &str, alternative: Option<&str>) -> bool {
        // The last of a name counts, as in a map.
        self.0.get(name).is_some_and(|within| alternative.is_none_or(|one| within.contains(&one)))
    }
}

/// All errors of a claim's spec at a path.
pub fn spec(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("devices");
    let names = Names::of(spec);
    let requests = spec.list_at(&["devices", "requests"]);
    let bounds = Bounds::set(REQUESTS_MAX);
    list(requests, bounds, by_field("name"), &path.child("requests"), errors, request);
    let constraints = spec.list_at(&["devices", "constraints"]);
    let constraints_path = path.child("constraints");
    let bounds = Bounds::list(CONSTRAINTS_MAX);
    list(constraints, bounds, by_itself, &constraints_path, errors, |one, path, errors| {
        constraint(one, &names, path, errors);
    });
    let configs = spec.list_at(&["devices", "config"]);
    let bounds = Bounds::list(CONFIGS_MAX);
    list(configs, bounds, by_itself, &path.child("config"), errors, |config, path, errors| {
        request_references(config, &names, path, errors);
        configuration(config, path, errors);
    });
}

/// Requests with administrators' access belong in namespaces that are labelled for it.
pub fn admin_access(spec: &Value, labels: impl FnOnce() -> Option<Map>, errors: &mut FieldErrors) {
    let requests = spec.list_at(&["devices", "requests"]);
    let Some(index) = requests.iter().position(|request| request.bool_at(&["exactly", "adminAccess"])) else {
        return;
    };
    let is_labelled =
        labels().is_some_and(|labels| labels.get(ADMIN_LABEL).and_then(Value::as_str) == Some("true"));
    if !is_labelled {
        let path = Path::root("spec.devices.requests");
        let why = format!(
            "admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
        );
        errors.forbidden(&path.index(index).child("adminAccess"), &why);
    }
}

/// The requests that a list names, each a request of the claim.
pub(super) fn request_references(
    object: &Value,
    names: &Names<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let path = path.child("requests");
    let items = object.list_at(&["requests"]);
    list(items, Bounds::set(REQUESTS_MAX), by_itself, &path, errors, |name, path, errors| {
        request_reference(name.as_str().unwrap_or(""), names, path, errors);
    });
}

/// `request` or `request/alternative`.
pub(super) fn request_reference(name: &str, names: &Names<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let segments: Vec<&str> = name.split('/').collect();
    let (request, alternative) = match segments[..] {
        [request] => (request, None),
        [request, alternative] => (request, Some(alternative)),
        _ => return errors.invalid(path, name, NO_REQUEST),
    };
    for segment in segments {
        label_name(segment, path, errors);
    }
    if !names.has(request, alternative) {
        errors.invalid(path, name, NO_REQUEST);
    }
}

fn request(request: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    label_name(request.str_at(&["name"]), &path.child("name"), errors);
    let exactly = present(request, &["exactly"]);
    let alternatives = request.list_at(&["firstAvailable"]);
    match (exactly, alternatives.is_empty()) {
        (None, true) => {
            errors.required(path, "exactly one of `exactly` or `firstAvailable` is required");
        }
        (Some(_), false) => {
            let why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            errors.invalid(path, &Value::Null, why);
        }
        (None, false) => {
            let path = path.child("firstAvailable");
            let bounds = Bounds::set(ALTERNATIVES_MAX);
            list(alternatives, bounds, by_field("name"), &path, errors, |one, path, errors| {
                label_name(one.str_at(&["name"]), &path.child("name"), errors);
                wanted(one, path, errors);
            });
        }
        (Some(exactly), true) => wanted(exactly, &path.child("exactly"), errors),
    }
}

/// Which devices, and how many.
fn wanted(request: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let class = request.str_at(&["deviceClassName"]);
    let class_path = path.child("deviceClassName");
    if class.is_empty() {
        errors.required(&class_path, "");
    } else {
        check::invalid_all(content::dns1123_subdomain(class), class, &class_path, errors);
    }
    selectors(request, path, errors);
    let count = request.int_at(&["count"]).unwrap_or(0);
    let count_path = path.child("count");
    match request.str_at(&["allocationMode"]) {
        "All" if count != 0 => {
            errors.invalid(&count_path, count, "must not be specified when allocationMode is 'All'");
        }
        "ExactCount" if count <= 0 => errors.invalid(&count_path, count, "must be greater than zero"),
        "All" | "ExactCount" => {}
        other => errors.not_supported(&path.child("allocationMode"), other, &["All", "ExactCount"]),
    }
    tolerations(request, path, errors);
}

fn constraint(constraint: &Value, names: &Names<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    request_references(constraint, names, path, errors);
    let text = |field: &str| present(constraint, &[field]).and_then(Value::as_str);
    if let Some(name) = text("matchAttribute") {
        fully_qualified_name(name, &path.child("matchAttribute"), errors);
    } else if let Some(name) = text("distinctAttribute") {
        fully_qualified_name(name, &path.child("distinctAttribute"), errors);
    } else {
        // Upstream says so, though none is set.
        let why = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
        errors.required(path, why);
    }
}
