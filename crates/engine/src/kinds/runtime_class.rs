//! RuntimeClass.

use super::{Context, Rules, cells};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Value, content};

pub struct RuntimeClass;

impl Rules for RuntimeClass {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, NameRule::Subdomain, errors);
        let handler = object.str_at(&["handler"]);
        check::invalid_all(content::dns1123_label(handler), handler, &Path::root("handler"), errors);
        if let Some(selector) = object.map_at(&["scheduling", "nodeSelector"]) {
            content::labels(selector, &Path::root("scheduling.nodeSelector"), errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
        check::immutable(new.get("handler"), old.get("handler"), &Path::root("handler"), errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::text(object, &["handler"]), cells::age(object, now_seconds)]
    }
}
