//! DaemonSet.

use super::deployment::{amount, internal_strategy, keep_selector};
use super::{Context, Strategy, cells, keep, pod, set_default, template_warnings};
use crate::validation::workload::{self, SPEC};
use crate::validation::{check, int_or_percent, meta};
use pintle_object::{FieldErrors, LabelSelector, Map, Path, Value};

pub struct DaemonSet;

/// Counts the changes of the template; kept as an annotation since the field left the API.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Strategy for DaemonSet {
    fn refuse(&self, object: &Value) -> Result<(), String> {
        match object.at(&["metadata", "annotations", TEMPLATE_GENERATION]).and_then(Value::as_str) {
            Some(text) => int64(text).map(drop),
            None => Ok(()),
        }
    }

    /// Sets the annotation to zero in a body without it; its manager then owns the annotation.
    fn default(&self, object: &mut Value) {
        if template_generation(object) == 0 {
            set_template_generation(object, 0);
        }
        pod::default_template(object, &["spec", "template"]);
        if object.str_at(&["spec", "updateStrategy", "type"]) == "RollingUpdate" {
            let rolling: [&str; 3] = ["spec", "updateStrategy", "rollingUpdate"];
            set_default(object, &["spec", "updateStrategy"], "rollingUpdate", Map::new());
            set_default(object, &rolling, "maxUnavailable", 1);
            set_default(object, &rolling, "maxSurge", 0);
        } else if object.map_at(&["spec", "updateStrategy", "rollingUpdate"]).is_some() {
            // Upstream's internal form has no way to leave them out.
            set_default(object, &["spec", "updateStrategy", "rollingUpdate"], "maxUnavailable", 0);
            set_default(object, &["spec", "updateStrategy", "rollingUpdate"], "maxSurge", 0);
        }
    }

    fn field_annotations(&self) -> &'static [&'static str] {
        &[TEMPLATE_GENERATION]
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

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        set_template_generation(new, template_generation(old));
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        validate_spec(object.get("spec").unwrap_or(&Value::Null), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        keep_selector(new, old, errors);
        validate_spec(new.get("spec").unwrap_or(&Value::Null), errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        const FIELDS: [&str; 9] = [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ];
        meta::validate_update_strict(new, old, errors);
        workload::status(new, &FIELDS, &[], "", errors);
        workload::collisions(new, old, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let path = ["spec", "template"];
        if old.is_none_or(|old| new.at(&path) != old.at(&path)) {
            template_warnings::of_spec(new, out);
        }
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

/// A number as Go reads it, or Go's error.
fn int64(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let why = if is_number { "value out of range" } else { "invalid syntax" };
    let error = || format!("strconv.ParseInt: parsing {}: {why}", pintle_object::field::quote(text));
    text.parse().map_err(|_| error())
}

fn template_generation(object: &Value) -> i64 {
    object.str_at(&["metadata", "annotations", TEMPLATE_GENERATION]).parse().unwrap_or(0)
}

fn set_template_generation(object: &mut Value, generation: i64) {
    object.set(&["metadata", "annotations", TEMPLATE_GENERATION], generation.to_string());
}

fn validate_spec(spec: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("selector");
    let given = check::present(spec, &["selector"]);
    if let Some(selector) = given {
        pintle_object::selector::validate_label_selector(selector, &path, false, errors);
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    if let Ok(selector) = LabelSelector::from_value(given) {
        workload::matches(&selector, template, errors);
    }
    if let Some(selector) = given.filter(|selector| workload::is_empty(selector)) {
        let bad = workload::shown_selector(selector);
        errors.invalid(&path, bad, "empty selector is invalid for daemonset");
    }
    workload::template(template, "DaemonSet", errors);
    check::non_negative_field(spec, "minReadySeconds", &SPEC, errors);
    let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
    update_strategy(strategy, &SPEC.child("updateStrategy"), errors);
    check::non_negative_field(spec, "revisionHistoryLimit", &SPEC, errors);
}

fn update_strategy(strategy: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let rolling_path = path.child("rollingUpdate");
    match (strategy.str_at(&["type"]), check::present(strategy, &["rollingUpdate"])) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => errors.required(&rolling_path, ""),
        ("RollingUpdate", Some(rolling)) => rolling_update(rolling, &rolling_path, errors),
        _ => errors.not_supported(path, internal_strategy(strategy), &["RollingUpdate", "OnDelete"]),
    }
}

/// Old pods go before new ones come, or after: one of the two numbers is zero.
fn rolling_update(rolling: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let zero = Value::Int(0);
    let value = |field: &str| rolling.get(field).unwrap_or(&zero);
    let (unavailable, surge) = (value("maxUnavailable"), value("maxSurge"));
    let (unavailable_path, surge_path) = (path.child("maxUnavailable"), path.child("maxSurge"));
    int_or_percent::non_negative(unavailable, &unavailable_path, errors);
    int_or_percent::non_negative(surge, &surge_path, errors);
    match (amount(unavailable) != 0, amount(surge) != 0) {
        (true, true) => errors.invalid(&surge_path, surge, "may not be set when maxUnavailable is non-zero"),
        (false, false) => errors.required(&unavailable_path, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
    int_or_percent::at_most_all(unavailable, &unavailable_path, errors);
    int_or_percent::at_most_all(surge, &surge_path, errors);
}
