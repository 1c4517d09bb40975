//! Conditions in the status of an object: read, and set in their place.

use pintle_object::time::Time;
use pintle_object::{Map, Value};

/// The condition of a type in `status.conditions`.
pub fn condition<'a>(object: &'a Value, ty: &str) -> Option<&'a Value> {
    let conditions = object.list_at(&["status", "conditions"]);
    conditions.iter().find(|condition| condition.str_at(&["type"]) == ty)
}

/// Whether the condition of a type exists and is `True`.
pub fn is_true(object: &Value, ty: &str) -> bool {
    condition(object, ty).is_some_and(|condition| condition.str_at(&["status"]) == "True")
}

/// Sets a condition in its place, or adds it; the time of the last transition stays while the status does.
pub fn set_condition(object: &mut Value, ty: &str, status: &str, reason: &str, message: &str, now: Time) {
    let old = condition(object, ty).filter(|condition| condition.str_at(&["status"]) == status);
    let since = old.map_or(now.to_seconds_text(), |old| old.str_at(&["lastTransitionTime"]).into());
    let mut next = Map::new();
    next.insert("type", ty);
    next.insert("status", status);
    next.insert("lastTransitionTime", since);
    next.insert("reason", reason);
    next.insert("message", message);
    let mut conditions = object.list_at(&["status", "conditions"]).to_vec();
    match conditions.iter_mut().find(|condition| condition.str_at(&["type"]) == ty) {
        Some(slot) => *slot = Value::Map(next),
        None => conditions.push(Value::Map(next)),
    }
    object.set(&["status", "conditions"], conditions);
}
