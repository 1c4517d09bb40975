//! IngressClass.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Value, content};

pub struct IngressClass;

const SPEC: Path<'static> = Path::root("spec");
const CONTROLLER_LEN_MAX: usize = 250;

impl Strategy for IngressClass {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        let controller = |class: &Value| class.str_at(&["spec", "controller"]).to_string();
        if controller(new) != controller(old) {
            errors.invalid(&SPEC.child("controller"), &controller(new), check::IMMUTABLE);
        }
        meta::validate_strict(new, NameRule::Subdomain, errors);
        spec(new, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["spec", "controller"]),
            Value::from(parameters(object)),
            cells::age(object, now_seconds),
        ]
    }
}

fn parameters(object: &Value) -> String {
    let Some(parameters) = check::present(object, &["spec", "parameters"]) else {
        return cells::NONE.to_string();
    };
    let (kind, name) = (parameters.str_at(&["kind"]), parameters.str_at(&["name"]));
    match parameters.str_at(&["apiGroup"]) {
        "" => format!("{kind}/{name}"),
        group => format!("{kind}.{group}/{name}"),
    }
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    let controller = object.str_at(&["spec", "controller"]);
    let path = SPEC.child("controller");
    if controller.is_empty() {
        errors.required(&path, "");
    } else {
        if controller.len() > CONTROLLER_LEN_MAX {
            errors.too_long(&path, CONTROLLER_LEN_MAX);
        }
        check::domain_prefixed_path(controller, &path, errors);
    }
    if let Some(parameters) = check::present(object, &["spec", "parameters"]) {
        parameters_reference(parameters, &SPEC.child("parameters"), errors);
    }
}

/// A reference to an object of the cluster, or of the namespace that it names.
fn parameters_reference(parameters: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(group) = check::present(parameters, &["apiGroup"]).and_then(Value::as_str) {
        check::invalid_all(content::dns1123_subdomain(group), group, &path.child("apiGroup"), errors);
    }
    for field in ["kind", "name"] {
        let text = parameters.str_at(&[field]);
        if text.is_empty() {
            errors.required(&path.child(field), "");
        } else {
            check::invalid_all(content::path_segment_name(text), text, &path.child(field), errors);
        }
    }
    let namespace = check::present(parameters, &["namespace"]).and_then(Value::as_str);
    match check::present(parameters, &["scope"]).and_then(Value::as_str) {
        None => errors.required(&path.child("scope"), ""),
        Some("Cluster") => {
            if namespace.is_some() {
                let why = "`parameters.scope` is set to 'Cluster'";
                errors.forbidden(&path.child("namespace"), why);
            }
        }
        Some("Namespace") => match namespace {
            None => errors.required(&path.child("namespace"), "`parameters.scope` is set to 'Namespace'"),
            Some(name) => {
                check::invalid_all(content::dns1123_label(name), name, &path.child("namespace"), errors);
            }
        },
        Some(other) => errors.not_supported(&path.child("scope"), other, &["Cluster", "Namespace"]),
    }
}
