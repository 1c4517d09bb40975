//! ResourceClaimTemplate.

use super::{Context, Strategy, cells};
use crate::validation::check::IMMUTABLE;
use crate::validation::device::{claim, shape};
use crate::validation::{internal, meta, pod_shape};
use pintle_object::{FieldErrors, Map, Path, Value};

pub struct ResourceClaimTemplate;

impl Strategy for ResourceClaimTemplate {
    fn default(&self, object: &mut Value) {
        super::resource_claim::default_requests(object, &["spec", "spec"]);
    }

    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate_in_namespace(
        &self,
        object: &Value,
        labels: &dyn Fn() -> Option<Map>,
        errors: &mut FieldErrors,
    ) {
        claim::admin_access(object.at(&["spec", "spec"]).unwrap_or(&Value::Null), labels, errors);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        let path = Path::root("spec");
        let template = object.get("spec").unwrap_or(&Value::Null);
        meta::template(template, &path.child("metadata"), errors);
        let spec = template.get("spec").unwrap_or(&Value::Null);
        claim::spec(spec, &path.child("spec"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        let spec = new.at(&["spec", "spec"]).unwrap_or(&Value::Null);
        claim::spec(spec, &Path::root("spec.spec"), errors);
        if new.get("spec") != old.get("spec") {
            let template = new.get("spec").unwrap_or(&Value::Null);
            let spec = internal::shown(template.get("spec").unwrap_or(&Value::Null), shape::CLAIM_SPEC);
            errors.invalid(&Path::root("spec"), pod_shape::with_metadata(template, &spec), IMMUTABLE);
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::age(object, now_seconds)]
    }
}
