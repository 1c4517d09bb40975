//! ReplicationController.

use super::{Rules, cells};
use pintle_object::Value;

pub struct ReplicationController;

impl Rules for ReplicationController {
    /// Selector and labels come from the template's labels.
    fn default(&self, object: &mut Value) {
        let labels = object.at(&["spec", "template", "metadata", "labels"]).cloned();
        if let Some(labels) = labels.filter(|labels| labels.as_map().is_some_and(|map| !map.is_empty())) {
            let is_empty =
                |object: &Value, path: &[&str]| object.map_at(path).is_none_or(pintle_object::Map::is_empty);
            if is_empty(object, &["spec", "selector"]) {
                object.set(&["spec", "selector"], labels.clone());
            }
            if is_empty(object, &["metadata", "labels"]) {
                object.set(&["metadata", "labels"], labels);
            }
        }
        super::set_default(object, &["spec"], "replicas", 1);
        super::pod::default_template(object, &["spec", "template"]);
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
            cells::labels(object, &["spec", "selector"]),
        ]
    }
}
