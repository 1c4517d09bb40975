//! ConfigMap.

use super::{Rules, cells};
use pintle_object::Value;

pub struct ConfigMap;

impl Rules for ConfigMap {
    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let count = |field: &str| object.map_at(&[field]).map_or(0, pintle_object::Map::len);
        let data = count("data") + count("binaryData");
        let data = Value::Int(i64::try_from(data).unwrap_or(i64::MAX));
        vec![cells::name(object), data, cells::age(object, now_seconds)]
    }
}
