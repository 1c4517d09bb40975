//! IPAddress.

use super::{Rules, cells};
use pintle_object::Value;

pub struct IPAddress;

impl Rules for IPAddress {
    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), Value::from(parent(object)), cells::age(object, now_seconds)]
    }
}

/// `services/namespace/name`
fn parent(object: &Value) -> String {
    if object.map_at(&["spec", "parentRef"]).is_none() {
        return cells::NONE.to_string();
    }
    let at = |field: &str| object.str_at(&["spec", "parentRef", field]);
    let dot = if at("group").is_empty() { "" } else { "." };
    let mut shown = format!("{}{dot}{}", at("resource"), at("group")).to_lowercase();
    for part in [at("namespace"), at("name")].iter().filter(|part| !part.is_empty()) {
        shown.push('/');
        shown.push_str(part);
    }
    shown
}
