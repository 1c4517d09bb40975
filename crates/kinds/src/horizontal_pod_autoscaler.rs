//! HorizontalPodAutoscaler, in its stored version autoscaling/v2.

use super::{Strategy, autoscaler_v1, cells, set_default};
use crate::validation::{NameRule, autoscaler, meta};
use pintle_object::{FieldErrors, Map, Value};

pub struct HorizontalPodAutoscaler;

impl Strategy for HorizontalPodAutoscaler {
    fn default(&self, object: &mut Value) {
        if object.list_at(&["spec", "metrics"]).is_empty() && object.map_at(&["spec"]).is_some() {
            object.set(&["spec", "metrics"], vec![cpu_at_80_percent()]);
        }
        default_behavior(object);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        autoscaler::spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        autoscaler::spec(new, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        autoscaler::status(new, errors);
    }

    fn field_annotations(&self) -> &'static [&'static str] {
        &autoscaler_v1::ANNOTATIONS
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let target = |field: &str| object.str_at(&["spec", "scaleTargetRef", field]);
        let min = match object.int_at(&["spec", "minReplicas"]) {
            Some(min) => min.to_string(),
            None => cells::UNSET.to_string(),
        };
        vec![
            cells::name(object),
            Value::from(format!("{}/{}", target("kind"), target("name"))),
            Value::from(metrics(object)),
            Value::from(min),
            cells::int(object, &["spec", "maxReplicas"]),
            cells::int(object, &["status", "currentReplicas"]),
            cells::age(object, now_seconds),
        ]
    }
}

/// The number of metrics in a cell; further ones are counted.
const METRICS_SHOWN_MAX: usize = 2;

fn cpu_at_80_percent() -> Value {
    let target: Map =
        [("averageUtilization", Value::from(80)), ("type", Value::from("Utilization"))].into_iter().collect();
    let resource: Map = [("name", Value::from("cpu")), ("target", Value::Map(target))].into_iter().collect();
    Value::Map([("resource", Value::Map(resource)), ("type", Value::from("Resource"))].into_iter().collect())
}

/// Scaling rules that are given in part get the rest of the defaults.
fn default_behavior(object: &mut Value) {
    let policy = |kind: &str, value: i64| {
        let fields =
            [("periodSeconds", Value::Int(15)), ("type", Value::from(kind)), ("value", Value::Int(value))];
        Value::Map(fields.into_iter().collect())
    };
    let Some(behavior) = object.at_mut(&["spec", "behavior"]).filter(|behavior| behavior.as_map().is_some())
    else {
        return;
    };
    for (direction, window, policies) in [
        ("scaleUp", Some(0), vec![policy("Pods", 4), policy("Percent", 100)]),
        ("scaleDown", None, vec![policy("Percent", 100)]),
    ] {
        behavior.make_map(&[direction]);
        if let Some(window) = window {
            set_default(behavior, &[direction], "stabilizationWindowSeconds", window);
        }
        set_default(behavior, &[direction], "selectPolicy", "Max");
        if behavior.at(&[direction, "policies"]).is_none_or(Value::is_null) {
            behavior.set(&[direction, "policies"], policies);
        }
    }
}

fn metrics(object: &Value) -> String {
    let specs = object.list_at(&["spec", "metrics"]);
    if specs.is_empty() {
        return cells::NONE.to_string();
    }
    let statuses = object.list_at(&["status", "currentMetrics"]);
    let shown: Vec<String> = specs
        .iter()
        .enumerate()
        .take(METRICS_SHOWN_MAX)
        .map(|(index, spec)| metric(spec, statuses.get(index).unwrap_or(&Value::Null)))
        .collect();
    let shown = shown.join(", ");
    match specs.len().saturating_sub(METRICS_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// `current/target` of one metric, `cpu: 10%/80%` of a resource.
fn metric(spec: &Value, status: &Value) -> String {
    let field = match spec.str_at(&["type"]) {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return String::from("<unknown type>"),
    };
    let current = |value: &str| match status.str_at(&[field, "current", value]) {
        "" => cells::UNKNOWN.to_string(),
        text => text.to_string(),
    };
    let target = |value: &str| spec.str_at(&[field, "target", value]);
    let average = target("averageValue");
    match field {
        "pods" => format!("{}/{average}", current("averageValue")),
        "external" | "object" if average.is_empty() => format!("{}/{}", current("value"), target("value")),
        "external" | "object" => format!("{}/{average} (avg)", current("averageValue")),
        _ => {
            let name = spec.str_at(&[field, "name"]);
            if !average.is_empty() {
                return format!("{name}: {}/{average}", current("averageValue"));
            }
            let percent = |value: Option<i64>, none: &str| {
                value.map_or_else(|| none.to_string(), |value| format!("{value}%"))
            };
            let now = percent(status.int_at(&[field, "current", "averageUtilization"]), cells::UNKNOWN);
            let wanted = percent(spec.int_at(&[field, "target", "averageUtilization"]), "<auto>");
            format!("{name}: {now}/{wanted}")
        }
    }
}
