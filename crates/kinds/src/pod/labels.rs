//! Label keys of affinity and spreading, which become requirements on the pod's own values at creation.

use pintle_object::{Map, Value};

/// Adds `key in (value)` for every `matchLabelKeys`, and `key notin (value)` for every `mismatchLabelKeys`.
pub fn merge_label_keys(pod: &mut Value) {
    let labels = pod.map_at(&["metadata", "labels"]).cloned().unwrap_or_default();
    let Some(spec) = pod.get_mut("spec") else { return };
    for kind in ["podAffinity", "podAntiAffinity"] {
        for term in items(spec, &["affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution"]) {
            merge(term, &labels);
        }
        for weighted in items(spec, &["affinity", kind, "preferredDuringSchedulingIgnoredDuringExecution"]) {
            if let Some(term) = weighted.get_mut("podAffinityTerm") {
                merge(term, &labels);
            }
        }
    }
    for constraint in items(spec, &["topologySpreadConstraints"]) {
        merge(constraint, &labels);
    }
}

fn merge(term: &mut Value, labels: &Map) {
    if term.map_at(&["labelSelector"]).is_none() {
        return;
    }
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.list_at(&[field]).to_vec() {
            let Some(value) = key.as_str().and_then(|key| labels.get(key)) else { continue };
            let requirement: Map = [
                ("key", key.clone()),
                ("operator", Value::from(operator)),
                ("values", Value::List(vec![value.clone()])),
            ]
            .into_iter()
            .collect();
            let mut expressions = term.list_at(&["labelSelector", "matchExpressions"]).to_vec();
            expressions.push(Value::Map(requirement));
            term.set(&["labelSelector", "matchExpressions"], expressions);
        }
    }
}

fn items<'a>(value: &'a mut Value, path: &[&str]) -> impl Iterator<Item = &'a mut Value> {
    value.at_mut(path).and_then(Value::as_list_mut).into_iter().flatten()
}
