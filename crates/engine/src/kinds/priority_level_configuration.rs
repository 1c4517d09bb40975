//! PriorityLevelConfiguration.

use super::{Context, Rules, cells, keep, keep_metadata};
use pintle_object::Value;

pub struct PriorityLevelConfiguration;

impl Rules for PriorityLevelConfiguration {
    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let number = |path: &[&str]| match object.int_at(path) {
            Some(int) => Value::Int(int),
            None => Value::from(cells::NONE),
        };
        let level = if object.map_at(&["spec", "exempt"]).is_some() { "exempt" } else { "limited" };
        let queuing = |field: &str| number(&["spec", "limited", "limitResponse", "queuing", field]);
        vec![
            cells::name(object),
            cells::text(object, &["spec", "type"]),
            number(&["spec", level, "nominalConcurrencyShares"]),
            queuing("queues"),
            queuing("handSize"),
            queuing("queueLengthLimit"),
            cells::age(object, now_seconds),
        ]
    }
}
