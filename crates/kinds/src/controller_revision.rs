//! ControllerRevision.

use super::{Context, Strategy, cells};
use crate::validation::{check, meta};
use pintle_object::{FieldErrors, GroupVersion, Path, Value};

pub struct ControllerRevision;

impl Strategy for ControllerRevision {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        if check::present(object, &["data"]).is_none() {
            errors.required(&Path::root("data"), "data is mandatory");
        }
        check::non_negative_field(object, "revision", &Path::EMPTY, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        self.validate(new, errors);
        check::immutable(new.get("data"), old.get("data"), &Path::root("data"), errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            Value::from(controller(object)),
            cells::int(object, &["revision"]),
            cells::age(object, now_seconds),
        ]
    }
}

/// `statefulset.apps/db`
fn controller(object: &Value) -> String {
    let owners = object.list_at(&["metadata", "ownerReferences"]);
    let Some(owner) = owners.iter().find(|owner| owner.bool_at(&["controller"])) else {
        return cells::NONE.to_string();
    };
    let group = GroupVersion::parse(owner.str_at(&["apiVersion"])).map(|gv| gv.group).unwrap_or_default();
    let kind = owner.str_at(&["kind"]).to_lowercase();
    let dot = if group.is_empty() { "" } else { "." };
    format!("{kind}{dot}{group}/{}", owner.str_at(&["name"]))
}
