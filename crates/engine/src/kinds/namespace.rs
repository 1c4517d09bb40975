//! Namespace: Active until deleted, and held by the finalizers of its spec.

use super::{Context, Rules, cells, keep};
use crate::validation::NameRule;
use pintle_object::{Map, Value};

pub struct Namespace;

/// The finalizer that the namespace controller removes when a namespace is empty.
const FINALIZER: &str = "kubernetes";

/// The label by which namespaces are selected by name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Rules for Namespace {
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

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::text(object, &["status", "phase"]), cells::age(object, now_seconds)]
    }

    fn may_go(&self, object: &Value) -> bool {
        object.list_at(&["spec", "finalizers"]).is_empty()
    }

    fn begin_deletion(&self, object: &mut Value) {
        object.set(&["status", "phase"], "Terminating");
    }
}
