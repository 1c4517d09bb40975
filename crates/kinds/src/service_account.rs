//! ServiceAccount.

use super::{Context, Strategy, cells};
use crate::validation::meta;
use pintle_object::{FieldErrors, Value};

pub struct ServiceAccount;

const ENFORCE_MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";

impl Strategy for ServiceAccount {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        bare_secret_references(object);
    }

    fn prepare_update(&self, new: &mut Value, _old: &Value, _context: &Context<'_>) {
        bare_secret_references(new);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let has = |object: &Value| object.at(&["metadata", "annotations", ENFORCE_MOUNTABLE]).is_some();
        if has(new) && !old.is_some_and(has) {
            out.push(format!(
                "metadata.annotations[{ENFORCE_MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
            ));
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::age(object, now_seconds)]
    }
}

/// References to secrets keep nothing but the name.
fn bare_secret_references(object: &mut Value) {
    for secret in object.at_mut(&["secrets"]).and_then(Value::as_list_mut).into_iter().flatten() {
        if let Some(map) = secret.as_map_mut() {
            map.retain(|key, _| key == "name");
        }
    }
}
