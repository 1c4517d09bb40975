//! ComponentStatus.

use super::{Strategy, cells};
use pintle_object::Value;

pub struct ComponentStatus;

impl Strategy for ComponentStatus {
    fn cells(&self, object: &Value, _now_seconds: i64) -> Vec<Value> {
        let mut shown = ["Unknown", "", ""];
        for condition in object.list_at(&["conditions"]) {
            if condition.str_at(&["type"]) == "Healthy" {
                let is_healthy = condition.str_at(&["status"]) == "True";
                let word = if is_healthy { "Healthy" } else { "Unhealthy" };
                shown = [word, condition.str_at(&["message"]), condition.str_at(&["error"])];
                break;
            }
        }
        let mut row = vec![cells::name(object)];
        row.extend(shown.map(Value::from));
        row
    }
}
