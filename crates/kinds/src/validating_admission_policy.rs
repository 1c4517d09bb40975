//! ValidatingAdmissionPolicy.

use super::{Context, Strategy, cells, keep, keep_metadata};
use crate::validation::{NameRule, admission_policy, admission_rules, conditions, meta};
use pintle_object::{FieldErrors, Path, Value};

pub struct ValidatingAdmissionPolicy;

impl Strategy for ValidatingAdmissionPolicy {
    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, NameRule::Subdomain, errors);
        admission_policy::validating(object, errors);
    }

    fn validate_update(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
        admission_policy::type_checking(new, errors);
        let path = Path::root("status.conditions");
        conditions::validate(new.list_at(&["status", "conditions"]), &path, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        admission_rules::warn_static_name(new, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        cells::admission_policy(object, "validations", now_seconds)
    }
}
