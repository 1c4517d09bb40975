//! CustomResourceDefinition.

use super::{Context, Rules, keep, keep_metadata};
use crate::custom::{CLEANUP, set_condition};
use crate::meta;
use pintle_object::Value;
use pintle_object::time::Time;

pub struct CustomResourceDefinition;

impl Rules for CustomResourceDefinition {
    fn default(&self, object: &mut Value) {
        let singular = object.str_at(&["spec", "names", "kind"]).to_lowercase();
        let Some(names) = object.at_mut(&["spec", "names"]) else { return };
        if names.str_at(&["singular"]).is_empty() {
            names.set(&["singular"], singular);
        }
        if names.str_at(&["listKind"]).is_empty() && !names.str_at(&["kind"]).is_empty() {
            let list = format!("{}List", names.str_at(&["kind"]));
            names.set(&["listKind"], list);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.remove(&["status"]);
        add_stored_version(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
        add_stored_version(new);
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        let finalizers = new.at(&["metadata", "finalizers"]).cloned();
        keep(new, old, "spec");
        keep_metadata(new, old);
        match finalizers {
            Some(finalizers) => new.set(&["metadata", "finalizers"], finalizers),
            None => drop(new.remove(&["metadata", "finalizers"])),
        }
    }

    fn begin_deletion(&self, object: &mut Value, now: Time) -> bool {
        let mut finalizers: Vec<String> = meta::finalizers(object).into_iter().map(String::from).collect();
        if !finalizers.iter().any(|name| name == CLEANUP) {
            finalizers.push(CLEANUP.into());
        }
        meta::set_finalizers(object, &finalizers);
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        set_condition(object, "Terminating", "True", "InstanceDeletionPending", message, now);
        true
    }

    fn has_generation(&self) -> bool {
        true
    }
}

/// Objects may be stored in any version that ever was the one to store in.
fn add_stored_version(object: &mut Value) {
    let versions = object.list_at(&["spec", "versions"]);
    let storage = versions.iter().find(|version| version.bool_at(&["storage"]));
    let Some(name) = storage.map(|version| version.str_at(&["name"]).to_string()) else { return };
    let mut stored = object.list_at(&["status", "storedVersions"]).to_vec();
    if !stored.iter().any(|version| version.as_str() == Some(name.as_str())) {
        stored.push(Value::from(name));
        object.set(&["status", "storedVersions"], stored);
    }
}
