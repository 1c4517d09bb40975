//! MutatingAdmissionPolicy.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, admission_policy, admission_rules, meta};
use pintle_object::{FieldErrors, Value};

pub struct MutatingAdmissionPolicy;

impl Strategy for MutatingAdmissionPolicy {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, NameRule::Subdomain, errors);
        admission_policy::mutating(object, errors);
    }

    fn validate_update(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        admission_rules::warn_static_name(new, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        cells::admission_policy(object, "mutations", now_seconds)
    }
}
