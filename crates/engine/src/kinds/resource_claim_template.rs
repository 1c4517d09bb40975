//! ResourceClaimTemplate.

use super::{Context, Rules, cells};
use pintle_object::Value;

pub struct ResourceClaimTemplate;

impl Rules for ResourceClaimTemplate {
    fn default(&self, object: &mut Value) {
        super::resource_claim::default_requests(object, &["spec", "spec"]);
    }

    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::age(object, now_seconds)]
    }
}
