//! VolumeAttributesClass.

use super::{Context, Strategy, cells, csi_driver, storage_class};
use crate::validation::{NameRule, meta};
use pintle_object::{FieldErrors, Path, Value};

pub struct VolumeAttributesClass;

impl Strategy for VolumeAttributesClass {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        csi_driver::driver_name(object.str_at(&["driverName"]), &Path::root("driverName"), errors);
        storage_class::parameters(object, true, &Path::root("parameters"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        if new.get("driverName") != old.get("driverName") {
            errors.forbidden(&Path::root("driverName"), "updates to driverName are forbidden.");
        }
        if new.get("parameters") != old.get("parameters") {
            errors.forbidden(&Path::root("parameters"), "updates to parameters are forbidden.");
        }
        self.validate(new, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::text(object, &["driverName"]), cells::age(object, now_seconds)]
    }
}
