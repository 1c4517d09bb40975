//! IngressClass.

use super::{Rules, cells};
use pintle_object::Value;

pub struct IngressClass;

impl Rules for IngressClass {
    fn has_generation(&self) -> bool {
        true
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

/// `Kind.group/name`
fn parameters(object: &Value) -> String {
    let Some(parameters) = object.at(&["spec", "parameters"]).filter(|value| !value.is_null()) else {
        return cells::NONE.to_string();
    };
    let group = match parameters.str_at(&["apiGroup"]) {
        "" => String::new(),
        group => format!(".{group}"),
    };
    format!("{}{group}/{}", parameters.str_at(&["kind"]), parameters.str_at(&["name"]))
}
