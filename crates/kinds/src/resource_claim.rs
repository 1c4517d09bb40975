//! ResourceClaim.

use super::{Context, Strategy, cells, keep, keep_metadata};
use crate::validation::check::IMMUTABLE;
use crate::validation::device::{allocation, claim, shape};
use crate::validation::{self, internal};
use pintle_object::meta;
use pintle_object::{FieldErrors, Map, Path, Value};

pub struct ResourceClaim;

impl Strategy for ResourceClaim {
    fn default(&self, object: &mut Value) {
        default_requests(object, &["spec"]);
    }

    fn validate_in_namespace(
        &self,
        object: &Value,
        labels: &dyn Fn() -> Option<Map>,
        errors: &mut FieldErrors,
    ) {
        claim::admin_access(object.get("spec").unwrap_or(&Value::Null), labels, errors);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        validation::meta::validate_strict(object, self.name_rule(), errors);
        claim::spec(object.get("spec").unwrap_or(&Value::Null), &Path::root("spec"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        validation::meta::validate_strict(new, self.name_rule(), errors);
        validation::meta::validate_update_strict(new, old, errors);
        if new.get("spec") != old.get("spec") {
            let shown = internal::shown(new.get("spec").unwrap_or(&Value::Null), shape::CLAIM_SPEC);
            errors.invalid(&Path::root("spec"), shown, IMMUTABLE);
        }
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        allocation::update(new, old, errors);
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
        drop_deallocated(new, old);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), Value::from(state(object)), cells::age(object, now_seconds)]
    }
}

/// Requests for an exact count ask for one device.
pub(super) fn default_requests(object: &mut Value, spec: &[&str]) {
    let path = [spec, &["devices", "requests"]].concat();
    for request in object.at_mut(&path).and_then(Value::as_list_mut).into_iter().flatten() {
        if let Some(exactly) = request.at_mut(&["exactly"]) {
            default_count(exactly);
        }
        let alternatives = request.at_mut(&["firstAvailable"]).and_then(Value::as_list_mut);
        alternatives.into_iter().flatten().for_each(default_count);
    }
}

fn default_count(request: &mut Value) {
    let is_exact = request.str_at(&["allocationMode"]) == "ExactCount";
    if is_exact && request.int_at(&["count"]).unwrap_or(0) == 0 {
        request.set(&["count"], 1);
    }
}

fn state(object: &Value) -> String {
    let mut states = Vec::new();
    let is_deleted = meta::is_deleting(object);
    if is_deleted {
        states.push("deleted");
    }
    if object.map_at(&["status", "allocation"]).is_some() {
        states.push("allocated");
        if !object.list_at(&["status", "reservedFor"]).is_empty() {
            states.push("reserved");
        }
    } else if !is_deleted {
        states.push("pending");
    }
    states.join(",")
}

/// A device that is no longer allocated has no status either.
fn drop_deallocated(new: &mut Value, old: &Value) {
    let allocated = |claim: &Value| -> Vec<Value> {
        let results = claim.list_at(&["status", "allocation", "devices", "results"]);
        results.iter().map(allocation::device_id).collect()
    };
    let (before, after) = (allocated(old), allocated(new));
    let devices = new.at_mut(&["status", "devices"]).and_then(Value::as_list_mut);
    let Some(devices) = devices else { return };
    devices.retain(|device| {
        let id = allocation::device_id(device);
        !before.contains(&id) || after.contains(&id)
    });
    if devices.is_empty() {
        new.remove(&["status", "devices"]);
    }
}
