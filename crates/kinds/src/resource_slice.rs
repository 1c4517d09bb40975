//! ResourceSlice.

use super::{Context, Strategy, cells};
use crate::validation::device::slice;
use crate::validation::meta;
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Value};

pub struct ResourceSlice;

impl Strategy for ResourceSlice {
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        stamp_taints(object, context);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        // The generation counts the client's changes, before disabled fields are dropped.
        if new.get("spec") != old.get("spec") {
            let generation = old.int_at(&["metadata", "generation"]).unwrap_or(0);
            new.set(&["metadata", "generation"], generation + 1);
        }
        stamp_taints(new, context);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        slice::spec(object, None, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        slice::spec(new, Some(old), errors);
    }

    fn raises_generation(&self, _new: &Value, _old: &Value) -> bool {
        false
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        let driver = new.str_at(&["spec", "driver"]);
        if driver.to_lowercase() != driver {
            let driver = pintle_object::field::quote(driver);
            out.push(format!(
                "spec.driver: driver names should be lowercase; {driver} contains uppercase characters"
            ));
        }
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

/// Sets the time of new taints.
fn stamp_taints(object: &mut Value, context: &Context<'_>) {
    let now = Time { seconds: context.now_seconds, nanos: 0 }.to_seconds_text();
    let devices = object.at_mut(&["spec", "devices"]).and_then(Value::as_list_mut);
    for device in devices.into_iter().flatten() {
        let taints = device.at_mut(&["taints"]).and_then(Value::as_list_mut);
        for taint in taints.into_iter().flatten() {
            if taint.str_at(&["timeAdded"]).is_empty() {
                taint.set(&["timeAdded"], now.as_str());
            }
        }
    }
}
