//! MutatingWebhookConfiguration and ValidatingWebhookConfiguration.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, admission_rules, meta, webhook};
use pintle_object::{FieldErrors, Value};

pub struct WebhookConfiguration;

impl Strategy for WebhookConfiguration {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("webhooks") != old.get("webhooks")
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, NameRule::Subdomain, errors);
        webhook::webhooks(object, errors);
    }

    fn validate_update(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        admission_rules::warn_static_name(new, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::len(object, &["webhooks"]), cells::age(object, now_seconds)]
    }
}
