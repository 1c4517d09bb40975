//! PodDisruptionBudget.

use super::{Rules, cells};
use pintle_object::Value;

pub struct PodDisruptionBudget;

impl Rules for PodDisruptionBudget {
    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let amount = |field: &str| match object.at(&["spec", field]) {
            Some(Value::Int(int)) => Value::from(int.to_string()),
            Some(Value::Text(text)) => Value::Text(text.clone()),
            _ => Value::from("N/A"),
        };
        vec![
            cells::name(object),
            amount("minAvailable"),
            amount("maxUnavailable"),
            cells::int(object, &["status", "disruptionsAllowed"]),
            cells::age(object, now_seconds),
        ]
    }
}
