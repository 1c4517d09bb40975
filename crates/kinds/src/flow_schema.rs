//! FlowSchema.

use super::{Context, Strategy, cells, keep, keep_metadata};
use crate::validation::{NameRule, flow_control, meta};
use pintle_object::{FieldErrors, Value};

pub struct FlowSchema;

impl Strategy for FlowSchema {
    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        flow_control::schema(object, errors);
        flow_control::status(object, errors);
    }

    fn validate_update(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
    }

    fn validate_status(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        flow_control::status(new, errors);
    }

    fn row_order(&self, object: &Value) -> Option<i64> {
        Some(object.int_at(&["spec", "matchingPrecedence"]).unwrap_or(0))
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let missing = object
            .list_at(&["status", "conditions"])
            .iter()
            .find(|condition| condition.str_at(&["type"]) == "Dangling")
            .map_or("?", |condition| condition.str_at(&["status"]));
        vec![
            cells::name(object),
            cells::text_or(object, &["spec", "priorityLevelConfiguration", "name"], cells::NONE),
            cells::int(object, &["spec", "matchingPrecedence"]),
            cells::text_or(object, &["spec", "distinguisherMethod", "type"], cells::NONE),
            cells::age(object, now_seconds),
            Value::from(missing),
        ]
    }
}
