//! CSIDriver.

use super::{Context, Rules, cells};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Value};

pub struct CsiDriver;

const SPEC: Path<'static> = Path::root("spec");

impl Rules for CsiDriver {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.remove(&["metadata", "generation"]);
    }

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        let changed = |field: &str| new.at(&["spec", field]) != old.at(&["spec", field]);
        changed("tokenRequests") || changed("requiresRepublish") || changed("seLinuxMount")
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Any, errors);
        driver_name(object.str_at(&["metadata", "name"]), &Path::root("name"), errors);
        spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        spec(new, errors);
        for field in ["attachRequired", "volumeLifecycleModes"] {
            check::immutable(new.at(&["spec", field]), old.at(&["spec", field]), &SPEC.child(field), errors);
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let flag = |field: &str, default: bool| {
            Value::from(object.at(&["spec", field]).and_then(Value::as_bool).unwrap_or(default))
        };
        vec![
            cells::name(object),
            flag("attachRequired", true),
            flag("podInfoOnMount", false),
            flag("storageCapacity", false),
            joined(object, "tokenRequests", |request| request.str_at(&["audience"]), cells::UNSET),
            flag("requiresRepublish", false),
            joined(object, "volumeLifecycleModes", |mode| mode.as_str().unwrap_or(""), cells::NONE),
            cells::age(object, now_seconds),
        ]
    }
}

fn joined<'a>(object: &'a Value, field: &str, text: impl Fn(&'a Value) -> &'a str, none: &str) -> Value {
    let texts: Vec<&str> = object.list_at(&["spec", field]).iter().map(text).collect();
    if texts.is_empty() { Value::from(none) } else { Value::from(texts.join(",")) }
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    for field in ["attachRequired", "podInfoOnMount", "storageCapacity"] {
        if check::present(object, &["spec", field]).is_none() {
            errors.required(&SPEC.child(field), "");
        }
    }
}

/// The name of a CSI driver: a domain of limited length.
pub(super) fn driver_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const LEN_MAX: usize = 63;
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > LEN_MAX {
        errors.too_long(path, LEN_MAX);
    }
    check::invalid_all(pintle_object::content::dns1123_subdomain(&name.to_lowercase()), name, path, errors);
}
