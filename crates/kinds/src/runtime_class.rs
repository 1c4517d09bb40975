//! RuntimeClass.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, internal_type, meta, node_labels, pod_spec, resources};
use pintle_object::{ByValue, FieldErrors, Path, Seen, Value, content};

pub struct RuntimeClass;

impl Strategy for RuntimeClass {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, NameRule::Subdomain, errors);
        handler(object, errors);
        overhead(object, errors);
        scheduling(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        meta::validate_update(new, old, errors);
        check::immutable(new.get("handler"), old.get("handler"), &Path::root("handler"), errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        let selector = new.map_at(&["scheduling", "nodeSelector"]);
        for why in selector.into_iter().flat_map(|map| map.keys()).filter_map(node_labels::deprecated) {
            out.push(format!("scheduling.nodeSelector: {why}"));
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::text(object, &["handler"]), cells::age(object, now_seconds)]
    }
}

fn handler(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("handler");
    match object.str_at(&["handler"]) {
        "" => errors.required(&path, ""),
        handler => check::invalid_all(content::dns1123_label(handler), handler, &path, errors),
    }
}

/// Checks the overhead of the class's pods like the limits of a container.
fn overhead(object: &Value, errors: &mut FieldErrors) {
    let Some(fixed) = object.at(&["overhead", "podFixed"]) else { return };
    let mut requirements = Value::map();
    requirements.set(&["limits"], fixed.clone());
    let path = Path::root("overhead");
    pod_spec::requirements(&requirements, resources::container_resource_name, &[], &path, errors);
}

/// Checks the scheduling of pods of the class: its node selector, and that no toleration is repeated.
fn scheduling(object: &Value, errors: &mut FieldErrors) {
    if let Some(selector) = object.map_at(&["scheduling", "nodeSelector"]) {
        content::labels(selector, &Path::root("scheduling.nodeSelector"), errors);
    }
    let path = Path::root("scheduling.tolerations");
    let tolerations = object.list_at(&["scheduling", "tolerations"]);
    pod_spec::tolerations(tolerations, &path, errors);
    let mut seen = Seen::new();
    for (index, one) in tolerations.iter().enumerate() {
        if seen.again(ByValue(one)) {
            errors.duplicate(&path.index(index), internal_type::shown(one, "Toleration"));
        }
    }
}
