//! Deployment.

use super::{Context, Rules, cells, keep, keep_at, pod, set_default};
use pintle_object::{Map, Value};

pub struct Deployment;

impl Rules for Deployment {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "template"]);
        if object.str_at(&["spec", "strategy", "type"]) == "RollingUpdate" {
            set_default(object, &["spec", "strategy"], "rollingUpdate", Map::new());
            set_default(object, &["spec", "strategy", "rollingUpdate"], "maxUnavailable", "25%");
            set_default(object, &["spec", "strategy", "rollingUpdate"], "maxSurge", "25%");
        }
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_at(new, old, &["metadata", "labels"]);
    }

    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("spec") != old.get("spec")
            || new.at(&["metadata", "annotations"]) != old.at(&["metadata", "annotations"])
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["spec", "template", "spec"]);
        vec![
            cells::name(object),
            ready(object),
            cells::int(object, &["status", "updatedReplicas"]),
            cells::int(object, &["status", "availableReplicas"]),
            cells::age(object, now_seconds),
            names,
            images,
            cells::selector(object, &["spec", "selector"]),
        ]
    }
}

/// `ready/desired`
pub(super) fn ready(object: &Value) -> Value {
    let count = |path: &[&str]| object.int_at(path).unwrap_or(0);
    Value::from(format!("{}/{}", count(&["status", "readyReplicas"]), count(&["spec", "replicas"])))
}
