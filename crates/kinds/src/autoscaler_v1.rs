//! HorizontalPodAutoscaler in `autoscaling/v1`: one CPU target, and the rest of `v2` in annotations.

use crate::validation::internal::{self, Form, Shape};
use pintle_object::{Map, Value, json};

const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
/// All of them.
pub const ANNOTATIONS: [&str; 4] = [BEHAVIOR, METRICS, CURRENT, CONDITIONS];
const CPU: &str = "targetCPUUtilizationPercentage";
const CURRENT_CPU: &str = "currentCPUUtilizationPercentage";

/// The v1 form of a v2 object: the first CPU utilization becomes a field, everything else an annotation. Current
/// metrics are all annotated: the field says less about CPU than they do.
pub fn from_v2(mut tree: Value) -> Value {
    let metrics = tree.remove(&["spec", "metrics"]);
    let behavior = tree.remove(&["spec", "behavior"]);
    let current = tree.remove(&["status", "currentMetrics"]);
    let conditions = tree.remove(&["status", "conditions"]);
    let (cpu, others) = take_cpu(metrics.as_ref(), "target");
    if let Some(percent) = cpu {
        tree.set(&["spec", CPU], percent);
    }
    let (current_cpu, _) = take_cpu(current.as_ref(), "current");
    if let Some(percent) = current_cpu {
        tree.set(&["status", CURRENT_CPU], percent);
    }
    let all_current = current.as_ref().and_then(Value::as_list).unwrap_or(&[]);
    let others = others.iter().map(|metric| flatten(metric, "target")).collect::<Vec<_>>();
    let all_current = all_current.iter().map(|metric| flatten(metric, "current")).collect::<Vec<_>>();
    annotate(&mut tree, METRICS, Value::List(others));
    annotate(&mut tree, CURRENT, Value::List(all_current));
    annotate(&mut tree, CONDITIONS, conditions.unwrap_or_default());
    if let Some(behavior) = behavior.filter(|behavior| !behavior.is_null()) {
        tree.set(&["metadata", "annotations", BEHAVIOR], internal::shown(&behavior, SCALING).0);
    }
    tree
}

/// The v2 form of a v1 object.
pub fn to_v2(mut tree: Value) -> Value {
    let mut metrics = Vec::new();
    let cpu = tree.remove(&["spec", CPU]).and_then(|value| value.as_i64());
    let others = unannotate(&mut tree, METRICS);
    metrics.extend(others.as_list().unwrap_or(&[]).iter().map(|metric| unflatten(metric, "target")));
    if let Some(percent) = cpu {
        metrics.push(cpu_metric("target", percent));
    }
    if !metrics.is_empty() {
        tree.set(&["spec", "metrics"], metrics);
    }
    let current_cpu = tree.remove(&["status", CURRENT_CPU]).and_then(|value| value.as_i64());
    let others = unannotate(&mut tree, CURRENT);
    let mut current: Vec<Value> =
        others.as_list().unwrap_or(&[]).iter().map(|metric| unflatten(metric, "current")).collect();
    if let Some(percent) = current_cpu.filter(|_| current.is_empty()) {
        current.push(cpu_metric("current", percent));
    }
    if !current.is_empty() {
        tree.set(&["status", "currentMetrics"], current);
    }
    let conditions = unannotate(&mut tree, CONDITIONS);
    if !conditions.is_null() {
        tree.set(&["status", "conditions"], conditions);
    }
    let behavior = unannotate(&mut tree, BEHAVIOR);
    if !behavior.is_null() {
        tree.set(&["spec", "behavior"], with_json_names(behavior));
    }
    tree
}

/// The first metric that is the utilization of CPU, and the metrics that are not.
fn take_cpu(metrics: Option<&Value>, side: &str) -> (Option<i64>, Vec<Value>) {
    let percent = |metric: &Value| {
        let is_cpu = metric.str_at(&["type"]) == "Resource" && metric.str_at(&["resource", "name"]) == "cpu";
        metric.int_at(&["resource", side, "averageUtilization"]).filter(|_| is_cpu)
    };
    let list = metrics.and_then(Value::as_list).unwrap_or(&[]);
    let others = list.iter().filter(|metric| percent(metric).is_none()).cloned().collect();
    (list.iter().find_map(percent), others)
}

fn cpu_metric(side: &str, percent: i64) -> Value {
    let mut metric = Value::map();
    metric.set(&["type"], "Resource");
    metric.set(&["resource", "name"], "cpu");
    if side == "target" {
        metric.set(&["resource", side, "type"], "Utilization");
    }
    metric.set(&["resource", side, "averageUtilization"], percent);
    metric
}

/// Fields of a metric's target or current value, and their flat names in v1, by the metric's own field.
fn names(source: &str, side: &str) -> [(&'static str, &'static str); 3] {
    match (source, side) {
        ("resource" | "containerResource", "target") => [
            ("averageUtilization", "targetAverageUtilization"),
            ("averageValue", "targetAverageValue"),
            ("value", "targetValue"),
        ],
        ("resource" | "containerResource", _) => [
            ("averageUtilization", "currentAverageUtilization"),
            ("averageValue", "currentAverageValue"),
            ("value", "currentValue"),
        ],
        ("object", "target") => {
            [("value", "targetValue"), ("averageValue", "averageValue"), ("averageUtilization", "")]
        }
        ("object", _) => {
            [("value", "currentValue"), ("averageValue", "averageValue"), ("averageUtilization", "")]
        }
        (_, "target") => {
            [("averageValue", "targetAverageValue"), ("value", "targetValue"), ("averageUtilization", "")]
        }
        (_, _) => {
            [("averageValue", "currentAverageValue"), ("value", "currentValue"), ("averageUtilization", "")]
        }
    }
}

/// Amounts that v1 shows where v2 has none.
const ALWAYS_SHOWN: [(&str, &str, &str); 7] = [
    ("resource", "current", "currentAverageValue"),
    ("containerResource", "current", "currentAverageValue"),
    ("pods", "target", "targetAverageValue"),
    ("pods", "current", "currentAverageValue"),
    ("object", "target", "targetValue"),
    ("object", "current", "currentValue"),
    ("external", "current", "currentValue"),
];

const SOURCES: [&str; 5] = ["resource", "containerResource", "pods", "object", "external"];

/// v2's nested form of a metric as v1's flat one.
fn flatten(metric: &Value, side: &str) -> Value {
    let mut flat = metric.clone();
    for source in SOURCES {
        let Some(inner) = metric.get(source) else { continue };
        let mut out = Value::map();
        for field in ["name", "container"] {
            if let Some(value) = inner.get(field) {
                out.set(&[field], value.clone());
            }
        }
        if let Some(name) = inner.at(&["metric", "name"]) {
            out.set(&["metricName"], name.clone());
        }
        let selector = if source == "external" { "metricSelector" } else { "selector" };
        if let Some(value) = inner.at(&["metric", "selector"]) {
            out.set(&[selector], value.clone());
        }
        if let Some(object) = inner.get("describedObject") {
            out.set(&["target"], object.clone());
        }
        for (nested, name) in names(source, side).into_iter().filter(|(_, name)| !name.is_empty()) {
            if let Some(value) = inner.at(&[side, nested]) {
                out.set(&[name], value.clone());
            } else if ALWAYS_SHOWN.contains(&(source, side, name)) {
                out.set(&[name], "0");
            }
        }
        flat.set(&[source], out);
    }
    flat
}

/// v1's flat form of a metric as v2's nested one.
fn unflatten(metric: &Value, side: &str) -> Value {
    let mut nested = metric.clone();
    for source in SOURCES {
        let Some(inner) = metric.get(source) else { continue };
        let mut out = Value::map();
        for field in ["name", "container"] {
            if let Some(value) = inner.get(field) {
                out.set(&[field], value.clone());
            }
        }
        if let Some(name) = inner.get("metricName") {
            out.set(&["metric", "name"], name.clone());
        }
        if let Some(selector) = inner.get("metricSelector").or_else(|| inner.get("selector")) {
            out.set(&["metric", "selector"], selector.clone());
        }
        if let Some(object) = inner.get("target") {
            out.set(&["describedObject"], object.clone());
        }
        out.set(&[side], Map::new());
        for (name, flat) in names(source, side).into_iter().filter(|(_, flat)| !flat.is_empty()) {
            let Some(value) = inner.get(flat) else { continue };
            out.set(&[side, name], value.clone());
            if side == "target" {
                out.set(&[side, "type"], target_type(name));
            }
        }
        nested.set(&[source], out);
    }
    nested
}

fn target_type(field: &str) -> &'static str {
    match field {
        "averageUtilization" => "Utilization",
        "averageValue" => "AverageValue",
        _ => "Value",
    }
}

/// Keeps a value in an annotation; nothing is kept of an empty one.
fn annotate(tree: &mut Value, annotation: &str, value: Value) {
    let is_empty = match &value {
        Value::Null => true,
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    };
    if !is_empty {
        let mut text = Vec::new();
        write_in_order(&value, &mut text);
        tree.set(&["metadata", "annotations", annotation], String::from_utf8_lossy(&text).into_owned());
    }
}

/// Fields of v1's metrics and conditions in an order that fits the order of each Go type.
const ORDER: [&str; 29] = [
    "kind",
    "type",
    "object",
    "pods",
    "resource",
    "containerResource",
    "external",
    "target",
    "name",
    "apiVersion",
    "metricName",
    "metricSelector",
    "targetAverageUtilization",
    "currentAverageUtilization",
    "targetValue",
    "currentValue",
    "targetAverageValue",
    "currentAverageValue",
    "selector",
    "averageValue",
    "container",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
    "matchLabels",
    "matchExpressions",
    "operator",
    "values",
];

/// Upstream writes its annotations in the order of Go's fields; labels are a map, which is sorted.
fn write_in_order(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::List(list) => {
            out.push(b'[');
            for (place, item) in list.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_in_order(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            let place = |key: &str| ORDER.iter().position(|known| *known == key);
            let mut fields: Vec<(&str, &Value)> = map.iter().collect();
            fields.sort_by_key(|(key, _)| place(key));
            out.push(b'{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::write_string(out, key);
                out.push(b':');
                match key {
                    "matchLabels" => json::write_value(out, value),
                    _ => write_in_order(value, out),
                }
            }
            out.push(b'}');
        }
        other => json::write_value(out, other),
    }
}

/// Scaling rules in the annotation, which has the names of Go's fields.
const SCALING: Shape =
    &[("ScaleUp", "scaleUp", Form::Pointer(RULES)), ("ScaleDown", "scaleDown", Form::Pointer(RULES))];
const RULES: Shape = &[
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds", Form::Nullable),
    ("SelectPolicy", "selectPolicy", Form::Nullable),
    ("Policies", "policies", Form::List(POLICY)),
    ("Tolerance", "tolerance", Form::Nullable),
];
const POLICY: Shape = &[
    ("Type", "type", Form::Text),
    ("Value", "value", Form::Int),
    ("PeriodSeconds", "periodSeconds", Form::Int),
];

/// Fields by the names of the API instead of Go's, without nulls.
fn with_json_names(value: Value) -> Value {
    match value {
        Value::Map(map) => {
            let mut out = Map::new();
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                let mut chars = key.chars();
                let first = chars.next().map(|first| first.to_ascii_lowercase());
                let name: String = first.into_iter().chain(chars).collect();
                out.insert(name, with_json_names(value.clone()));
            }
            Value::Map(out)
        }
        Value::List(list) => Value::List(list.into_iter().map(with_json_names).collect()),
        other => other,
    }
}

/// Takes a value out of its annotation; unreadable ones are dropped, as upstream does.
fn unannotate(tree: &mut Value, annotation: &str) -> Value {
    let Some(text) = tree.remove(&["metadata", "annotations", annotation]) else { return Value::Null };
    if tree.map_at(&["metadata", "annotations"]).is_some_and(Map::is_empty) {
        tree.remove(&["metadata", "annotations"]);
    }
    json::parse(text.as_str().unwrap_or("").as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v2_object_survives_the_way_through_v1() {
        let check = |text: &str| {
            let tree = json::parse(text.as_bytes()).unwrap();
            assert_eq!(to_v2(from_v2(tree.clone())), tree, "{text}");
        };
        check(r#"{"metadata":{"name":"a"},"spec":{"maxReplicas":3}}"#);
        check(
            r#"{"metadata":{"name":"a"},"spec":{"metrics":[{"resource":{"name":"cpu","target":{"averageUtilization":50,"type":"Utilization"}},"type":"Resource"}]}}"#,
        );
        check(
            r#"{"metadata":{"name":"a"},"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":5}},"metrics":[{"pods":{"metric":{"name":"m"},"target":{"averageValue":"1","type":"AverageValue"}},"type":"Pods"},{"object":{"describedObject":{"kind":"Service","name":"s"},"metric":{"name":"n"},"target":{"type":"Value","value":"2"}},"type":"Object"}]}}"#,
        );
    }
}
