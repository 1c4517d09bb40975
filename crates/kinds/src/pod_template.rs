//! PodTemplate.

use super::{Context, Strategy, cells, pod};
use crate::validation::{meta, pod_spec};
use pintle_object::{FieldErrors, Path, Value};

pub struct PodTemplate;

const TEMPLATE: Path<'static> = Path::root("template");

fn validate_template(object: &Value, errors: &mut FieldErrors) {
    let template = object.get("template").unwrap_or(&Value::Null);
    pod_spec::template(template, &TEMPLATE, errors);
}

impl Strategy for PodTemplate {
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

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        validate_template(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        validate_template(new, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        if old.is_none_or(|old| self.raises_generation(new, old)) {
            let template = new.get("template").unwrap_or(&Value::Null);
            pod_spec::warnings(template, &TEMPLATE, out);
        }
    }

    fn cells(&self, object: &Value, _now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["template", "spec"]);
        vec![cells::name(object), names, images, cells::labels(object, &["template", "metadata", "labels"])]
    }
}
