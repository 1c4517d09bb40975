//! ResourceSlice.

use super::{Context, Rules, cells};
use pintle_object::Value;

pub struct ResourceSlice;

impl Rules for ResourceSlice {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["spec", "nodeName"]),
            cells::text(object, &["spec", "driver"]),
            cells::text(object, &["spec", "pool", "name"]),
            cells::age(object, now_seconds),
        ]
    }
}
