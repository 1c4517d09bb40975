//! PriorityLevelConfiguration.

use super::{Context, Strategy, cells, keep, keep_metadata};
use crate::validation::{NameRule, flow_control, meta};
use pintle_object::{FieldErrors, Value};

pub struct PriorityLevelConfiguration;

impl Strategy for PriorityLevelConfiguration {
    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        flow_control::level(object, errors);
        flow_control::status(object, errors);
    }

    fn validate_update(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
    }

    fn validate_status(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        flow_control::status(new, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let number = |path: &[&str]| match object.int_at(path) {
            Some(int) => Value::Int(int),
            None => Value::from(cells::NONE),
        };
        let queuing = |field: &str| number(&["spec", "limited", "limitResponse", "queuing", field]);
        vec![
            cells::name(object),
            cells::text(object, &["spec", "type"]),
            number(&["spec", "limited", "nominalConcurrencyShares"]),
            queuing("queues"),
            queuing("handSize"),
            queuing("queueLengthLimit"),
            cells::age(object, now_seconds),
        ]
    }
}
