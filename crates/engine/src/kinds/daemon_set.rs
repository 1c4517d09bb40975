//! DaemonSet.

use super::{Context, Rules, cells, keep, pod, set_default};
use pintle_object::{Map, Value};

pub struct DaemonSet;

/// Counts the changes of the template; kept as an annotation since the field left the API.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Rules for DaemonSet {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "template"]);
        if object.str_at(&["spec", "updateStrategy", "type"]) == "RollingUpdate" {
            let rolling: [&str; 3] = ["spec", "updateStrategy", "rollingUpdate"];
            set_default(object, &["spec", "updateStrategy"], "rollingUpdate", Map::new());
            set_default(object, &rolling, "maxUnavailable", 1);
            set_default(object, &rolling, "maxSurge", 0);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.remove(&["status"]);
        set_template_generation(object, template_generation(object).max(1));
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
        let changed = new.at(&["spec", "template"]) != old.at(&["spec", "template"]);
        set_template_generation(new, template_generation(old) + i64::from(changed));
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["spec", "template", "spec"]);
        let count = |field: &str| cells::int(object, &["status", field]);
        vec![
            cells::name(object),
            count("desiredNumberScheduled"),
            count("currentNumberScheduled"),
            count("numberReady"),
            count("updatedNumberScheduled"),
            count("numberAvailable"),
            cells::labels(object, &["spec", "template", "spec", "nodeSelector"]),
            cells::age(object, now_seconds),
            names,
            images,
            cells::selector(object, &["spec", "selector"]),
        ]
    }
}

fn template_generation(object: &Value) -> i64 {
    object.str_at(&["metadata", "annotations", TEMPLATE_GENERATION]).parse().unwrap_or(0)
}

fn set_template_generation(object: &mut Value, generation: i64) {
    object.set(&["metadata", "annotations", TEMPLATE_GENERATION], generation.to_string());
}
