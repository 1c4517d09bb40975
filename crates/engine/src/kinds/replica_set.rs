//! ReplicaSet.

use super::{Rules, cells, pod};
use pintle_object::Value;

pub struct ReplicaSet;

impl Rules for ReplicaSet {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "template"]);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["spec", "template", "spec"]);
        vec![
            cells::name(object),
            cells::int(object, &["spec", "replicas"]),
            cells::int(object, &["status", "replicas"]),
            cells::int(object, &["status", "readyReplicas"]),
            cells::age(object, now_seconds),
            names,
            images,
            cells::selector(object, &["spec", "selector"]),
        ]
    }
}
