//! ValidatingAdmissionPolicy.

use super::{Context, Rules, cells, keep, keep_metadata};
use pintle_object::Value;

pub struct ValidatingAdmissionPolicy;

impl Rules for ValidatingAdmissionPolicy {
    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

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
            cells::len(object, &["spec", "validations"]),
            Value::from(kind),
            cells::age(object, now_seconds),
        ]
    }
}
