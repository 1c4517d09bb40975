//! MutatingAdmissionPolicy.

use super::{Context, Rules, cells};
use pintle_object::Value;

pub struct MutatingAdmissionPolicy;

impl Rules for MutatingAdmissionPolicy {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let kind = match object.at(&["spec", "paramKind"]) {
            Some(kind) if !kind.is_null() => {
                format!("{}/{}", kind.str_at(&["apiVersion"]), kind.str_at(&["kind"]))
            }
            _ => cells::UNSET.to_string(),
        };
        vec![
            cells::name(object),
            cells::len(object, &["spec", "mutations"]),
            Value::from(kind),
            cells::age(object, now_seconds),
        ]
    }
}
