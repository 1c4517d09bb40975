//! The quality-of-service class that a pod's requests and limits give it.

use pintle_object::quantity::Quantity;
use pintle_object::{Map, Value};
use std::cmp::Ordering;

/// `Guaranteed` if every container limits CPU and memory to its requests, `BestEffort` if none has any requests or
/// limits, else `Burstable`.
pub fn class(pod: &Value) -> &'static str {
    let resources = pod_resources(pod);
    let mut asks = false;
    let mut is_guaranteed = true;
    for resources in &resources {
        for kind in ["cpu", "memory"] {
            let request = amount(resources, "requests", kind);
            let limit = amount(resources, "limits", kind);
            asks |= request.is_some() || limit.is_some();
            is_guaranteed &= match (&request, &limit) {
                (Some(request), Some(limit)) => request.cmp(limit) == Ordering::Equal,
                (None, Some(_)) => false,
                _ => false,
            };
        }
    }
    match (asks, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The pod's own resources where it has any, else those of its containers.
fn pod_resources(pod: &Value) -> Vec<Value> {
    let own = pod.at(&["spec", "resources"]).filter(|resources| {
        ["requests", "limits"]
            .iter()
            .any(|field| resources.map_at(&[field]).is_some_and(|map| !map.is_empty()))
    });
    if let Some(own) = own {
        return vec![own.clone()];
    }
    ["containers", "initContainers"]
        .iter()
        .flat_map(|list| pod.list_at(&["spec", list]))
        .map(|container| container.get("resources").cloned().unwrap_or(Value::Map(Map::new())))
        .collect()
}

fn amount(resources: &Value, field: &str, kind: &str) -> Option<Quantity> {
    let quantity = Quantity::parse(resources.str_at(&[field, kind])).ok()?;
    (quantity.sign() > 0).then_some(quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_requests_and_limits() {
        let cases = [
            (r#"{}"#, "BestEffort"),
            (r#"{"requests":{"cpu":"1"}}"#, "Burstable"),
            (
                r#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1000m","memory":"1Gi"}}"#,
                "Guaranteed",
            ),
            (r#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1","memory":"1Mi"}}"#, "Burstable"),
            (r#"{"limits":{"example.com/gpu":"1"}}"#, "BestEffort"),
        ];
        for (resources, expected) in cases {
            let json = format!(r#"{{"spec":{{"containers":[{{"resources":{resources}}}]}}}}"#);
            let pod = pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
            assert_eq!(class(&pod), expected, "{resources}");
        }
    }
}
