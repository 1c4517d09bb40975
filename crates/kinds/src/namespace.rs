//! Namespace: Active until deleted, and held by the finalizers of its spec.

use super::{Context, Strategy, cells, keep};
use crate::validation::{NameRule, meta};
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Map, Path, Value};

pub struct Namespace;

/// The finalizer that the namespace controller removes when a namespace is empty.
const FINALIZER: &str = "kubernetes";

/// The label by which namespaces are selected by name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const SPEC_FINALIZERS: Path<'static> = Path::root("spec.finalizers");

impl Strategy for Namespace {
    fn default(&self, object: &mut Value) {
        let name = object.str_at(&["metadata", "name"]).to_string();
        if !name.is_empty() {
            object.set(&["metadata", "labels", NAME_LABEL], name);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], [("phase", "Active")].into_iter().collect::<Map>());
        let finalizers = object.make_map(&["spec"]).entry("finalizers");
        if !matches!(finalizers, Value::List(_)) {
            *finalizers = Value::List(Vec::new());
        }
        if let Some(list) = finalizers.as_list_mut()
            && !list.iter().any(|finalizer| finalizer.as_str() == Some(FINALIZER))
        {
            list.push(Value::from(FINALIZER));
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        super::keep_at(new, old, &["spec", "finalizers"]);
        keep(new, old, "status");
    }

    fn prepare_subresource(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        for finalizer in finalizers(object) {
            meta::finalizer(finalizer, &SPEC_FINALIZERS, errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        meta::validate_update_strict(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        let phase = new.str_at(&["status", "phase"]);
        let path = Path::root("status.Phase");
        match (pintle_object::meta::is_deleting(new), phase) {
            (false, "Active") | (true, "Terminating") => {}
            (false, _) => {
                errors.invalid(&path, phase, "may only be 'Active' if `deletionTimestamp` is empty");
            }
            (true, _) => {
                errors.invalid(&path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
            }
        }
    }

    fn validate_subresource(&self, new: &Value, old: &Value, _subresource: &str, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        for (index, finalizer) in finalizers(new).enumerate() {
            meta::finalizer(finalizer, &SPEC_FINALIZERS.index(index), errors);
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::text(object, &["status", "phase"]), cells::age(object, now_seconds)]
    }

    fn may_go(&self, object: &Value) -> bool {
        object.list_at(&["spec", "finalizers"]).is_empty()
    }

    fn begin_deletion(&self, object: &mut Value, _now: Time) -> bool {
        object.set(&["status", "phase"], "Terminating");
        true
    }
}

fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object.list_at(&["spec", "finalizers"]).iter().map(|finalizer| finalizer.as_str().unwrap_or(""))
}
