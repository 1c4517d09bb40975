//! PriorityClass.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Value};

pub struct PriorityClass;

const USER_VALUE_MAX: i64 = 1_000_000_000;
const SYSTEM_PREFIX: &str = "system-";

/// Name and value of the classes that every cluster has; none is the default of all pods.
const SYSTEM: [(&str, i64); 2] =
    [("system-node-critical", 2 * USER_VALUE_MAX + 1000), ("system-cluster-critical", 2 * USER_VALUE_MAX)];

impl Strategy for PriorityClass {
    fn undeletable(&self, name: &str) -> Option<&'static str> {
        let is_system = SYSTEM.iter().any(|(known, _)| *known == name);
        is_system.then_some("this is a system priority class and cannot be deleted")
    }

    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn raises_generation(&self, _new: &Value, _old: &Value) -> bool {
        false
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        let name = object.str_at(&["metadata", "name"]);
        let value = object.int_at(&["value"]).unwrap_or(0);
        if name.starts_with(SYSTEM_PREFIX) {
            if let Some(why) = wrong_system_class(name, value, object.bool_at(&["globalDefault"])) {
                let why = format!(
                    "priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {why}"
                );
                errors.forbidden(&Path::root("metadata.name"), &why);
            }
        } else if value > USER_VALUE_MAX {
            let why = format!("maximum allowed value of a user defined priority is {USER_VALUE_MAX}");
            errors.forbidden(&Path::root("value"), &why);
        }
        if let Some(policy) = check::present(object, &["preemptionPolicy"]).and_then(Value::as_str) {
            preemption_policy(policy, &Path::root("preemptionPolicy"), errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        if new.int_at(&["value"]).unwrap_or(0) != old.int_at(&["value"]).unwrap_or(0) {
            errors.forbidden(&Path::root("value"), "may not be changed in an update.");
        }
        let field = "preemptionPolicy";
        check::immutable(new.get(field), old.get(field), &Path::root(field), errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::int(object, &["value"]),
            Value::from(object.bool_at(&["globalDefault"])),
            cells::age(object, now_seconds),
            cells::text(object, &["preemptionPolicy"]),
        ]
    }
}

fn wrong_system_class(name: &str, value: i64, is_default: bool) -> Option<String> {
    let Some((_, known_value)) = SYSTEM.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if value != *known_value {
        return Some(format!("value of {name} PriorityClass must be {known_value}"));
    }
    is_default.then(|| format!("globalDefault of {name} PriorityClass must be false"))
}

pub(super) fn preemption_policy(policy: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match policy {
        "PreemptLowerPriority" | "Never" => {}
        "" => errors.required(path, ""),
        other => errors.not_supported(path, other, &["PreemptLowerPriority", "Never"]),
    }
}
