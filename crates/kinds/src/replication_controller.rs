//! ReplicationController.

use super::{Context, Strategy, cells, keep, template_warnings};
use crate::validation::workload::{self, SPEC};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, LabelSelector, Value};

pub struct ReplicationController;

impl Strategy for ReplicationController {
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

    /// Completes labels of a status write from the template that stays.
    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        self.default(new);
    }

    fn name_rule(&self) -> NameRule {
        NameRule::LongName
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        validate_spec(object.get("spec").unwrap_or(&Value::Null), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        validate_spec(new.get("spec").unwrap_or(&Value::Null), errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        super::replica_set::replica_status(new, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let Some(old) = old else {
            template_warnings::name(new, out);
            return template_warnings::of_spec(new, out);
        };
        if self.raises_generation(new, old) {
            // Upstream looks at the template that is replaced.
            template_warnings::of_spec(old, out);
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        cells::replicas(object, cells::labels(object, &["spec", "selector"]), now_seconds)
    }
}

fn validate_spec(spec: &Value, errors: &mut FieldErrors) {
    check::non_negative_field(spec, "minReadySeconds", &SPEC, errors);
    let selector = spec.map_at(&["selector"]).filter(|selector| !selector.is_empty());
    if selector.is_none() {
        errors.required(&SPEC.child("selector"), "");
    }
    match spec.int_at(&["replicas"]) {
        None => errors.required(&SPEC.child("replicas"), ""),
        Some(_) => check::non_negative_field(spec, "replicas", &SPEC, errors),
    }
    let Some(template) = check::present(spec, &["template"]) else {
        return errors.required(&SPEC.child("template"), "");
    };
    if let Some(selector) = selector {
        workload::matches(&LabelSelector::from_labels(selector), template, errors);
    }
    workload::template(template, "ReplicationController", errors);
}
