//! ServiceAccount.

use super::{Context, Rules, cells};
use pintle_object::Value;

pub struct ServiceAccount;

impl Rules for ServiceAccount {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        bare_secret_references(object);
    }

    fn prepare_update(&self, new: &mut Value, _old: &Value, _context: &Context<'_>) {
        bare_secret_references(new);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::len(object, &["secrets"]), cells::age(object, now_seconds)]
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
