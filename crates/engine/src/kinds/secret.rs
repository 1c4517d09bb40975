//! Secret.

use super::{Rules, cells};
use pintle_object::Value;

pub struct Secret;

impl Rules for Secret {
    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["type"]),
            cells::len(object, &["data"]),
            cells::age(object, now_seconds),
        ]
    }
}
