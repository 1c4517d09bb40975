//! NetworkPolicy.

use super::{Rules, cells};
use pintle_object::Value;

pub struct NetworkPolicy;

impl Rules for NetworkPolicy {
    fn default(&self, object: &mut Value) {
        if object.list_at(&["spec", "policyTypes"]).is_empty() && object.map_at(&["spec"]).is_some() {
            let mut types = vec![Value::from("Ingress")];
            if !object.list_at(&["spec", "egress"]).is_empty() {
                types.push(Value::from("Egress"));
            }
            object.set(&["spec", "policyTypes"], types);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::selector(object, &["spec", "podSelector"]),
            cells::age(object, now_seconds),
        ]
    }
}
