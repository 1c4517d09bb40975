//! The plainest kind: metadata is all that is checked.

use super::Rules;
use pintle_object::{FieldErrors, Value};

/// Rules of a kind that has none of its own.
pub struct Plain;

impl Rules for Plain {
    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        let _ = (object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        let _ = (new, old, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let _ = now_seconds;
        let text = |path: &[&str]| Value::from(object.str_at(path));
        vec![text(&["metadata", "name"]), text(&["metadata", "creationTimestamp"])]
    }
}
