//! ControllerRevision.

use super::{Context, Rules, cells};
use pintle_object::{GroupVersion, Value};

pub struct ControllerRevision;

impl Rules for ControllerRevision {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

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
