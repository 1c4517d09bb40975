//! PodTemplate.

use super::{Context, Rules, cells, pod};
use pintle_object::Value;

pub struct PodTemplate;

impl Rules for PodTemplate {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["template"]);
    }

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("template") != old.get("template")
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, _now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["template", "spec"]);
        vec![cells::name(object), names, images, cells::labels(object, &["template", "metadata", "labels"])]
    }
}
