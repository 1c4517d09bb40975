//! DeviceClass.

use super::{Context, Strategy, cells};
use crate::validation::check::present;
use crate::validation::{device, meta, resources};
use pintle_object::{FieldErrors, Path, Value};

pub struct DeviceClass;

impl Strategy for DeviceClass {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        validate_spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(new, self.name_rule(), errors);
        meta::validate_update_strict(new, old, errors);
        validate_spec(new, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::age(object, now_seconds)]
    }
}

fn validate_spec(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    device::selectors(spec, &path, errors);
    device::class_configs(spec, &path, errors);
    let name = present(spec, &["extendedResourceName"]).and_then(Value::as_str);
    if let Some(name) = name.filter(|name| !resources::is_extended(name)) {
        let why = "must be a valid extended resource name";
        errors.invalid(&path.child("extendedResourceName"), name, why);
    }
}
