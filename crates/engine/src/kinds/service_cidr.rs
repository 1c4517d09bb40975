//! ServiceCIDR.

use super::{Rules, cells};
use pintle_object::Value;

pub struct ServiceCIDR;

impl Rules for ServiceCIDR {
    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let cidrs: Vec<&str> = object.list_at(&["spec", "cidrs"]).iter().filter_map(Value::as_str).collect();
        vec![cells::name(object), Value::from(cidrs.join(",")), cells::age(object, now_seconds)]
    }
}
