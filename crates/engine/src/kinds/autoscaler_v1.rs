//! HorizontalPodAutoscaler in `autoscaling/v1`: one CPU target, and the rest of `v2` in annotations.

use pintle_object::{Map, Value, json};

const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
/// All of them.
pub const ANNOTATIONS: [&str; 4] = [BEHAVIOR, METRICS, CURRENT, CONDITIONS];
const CPU: &str = "targetCPUUtilizationPercentage";
const CURRENT_CPU: &str = "currentCPUUtilizationPercentage";

/// The v1 form of a v2 object: the first CPU utilization becomes a field, everything else an annotation.
pub fn from_v2(mut tree: Value) -> Value {
    let metrics = tree.remove(&["spec", "metrics"]);
    let behavior = tree.remove(&["spec", "behavior"]);
    let current = tree.remove(&["status", "currentMetrics"]);
    let conditions = tree.remove(&["status", "conditions"]);
    let (cpu, others) = take_cpu(metrics, "target");
    if let Some(percent) = cpu {
        tree.set(&["spec", CPU], percent);
    }
    let (current_cpu, others_current) = take_cpu(current, "current");
    if let Some(percent) = current_cpu {
        tree.set(&["status", CURRENT_CPU], percent);
    }
    let others = others.iter().map(|metric| flatten(metric, "target")).collect::<Vec<_>>();
    let others_current = others_current.iter().map(|metric| flatten(metric, "current")).collect::<Vec<_>>();
    annotate(&mut tree, METRICS, Value::List(others));
    annotate(&mut tree, CURRENT, Value::List(others_current));
    annotate(&mut tree, CONDITIONS, conditions.unwrap_or_default());
    annotate(&mut tree, BEHAVIOR, behavior.unwrap_or_default());
    tree
}

/// The v2 form of a v1 object.
pub fn to_v2(mut tree: Value) -> Value {
    let mut metrics = Vec::new();
    let cpu = tree.remove(&["spec", CPU]).and_then(|value| value.as_i64());
    let others = unannotate(&mut tree, METRICS);
    metrics.extend(others.as_list().unwrap_or(&[]).iter().map(|metric| unflatten(metric, "target")));
    if let Some(percent) = cpu {
        metrics.insert(0, cpu_metric("target", percent));
    }
    if !metrics.is_empty() {
        tree.set(&["spec", "metrics"], metrics);
    }
    let current_cpu = tree.remove(&["status", CURRENT_CPU]).and_then(|value| value.as_i64());
    let others = unannotate(&mut tree, CURRENT);
    let mut current: Vec<Value> =
        others.as_list().unwrap_or(&[]).iter().map(|metric| unflatten(metric, "current")).collect();
    if let Some(percent) = current_cpu {
        current.insert(0, cpu_metric("current", percent));
    }
    if !current.is_empty() {
        tree.set(&["status", "currentMetrics"], current);
    }
    for (annotation, path) in [(CONDITIONS, ["status", "conditions"]), (BEHAVIOR, ["spec", "behavior"])] {
        let value = unannotate(&mut tree, annotation);
        if !value.is_null() {
            tree.set(&path, value);
        }
    }
    tree
}

/// Splits off the first metric that is the utilization of CPU.
fn take_cpu(metrics: Option<Value>, side: &str) -> (Option<i64>, Vec<Value>) {
    let Some(Value::List(mut list)) = metrics else { return (None, Vec::new()) };
    let place = list.iter().position(|metric| {
        metric.str_at(&["type"]) == "Resource"
            && metric.str_at(&["resource", "name"]) == "cpu"
            && metric.at(&["resource", side, "averageUtilization"]).is_some()
    });
    let percent =
        place.and_then(|place| list.remove(place).int_at(&["resource", side, "averageUtilization"]));
    (percent, list)
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
        tree.set(&["metadata", "annotations", annotation], json::to_string(&value));
    }
}

/// Takes a value out of its annotation; what cannot be read is dropped, as upstream drops it.
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
