//! PodResizeValidator and NodeDeclaredFeatureValidator: a pod on a node changes only in ways that the node can follow.

use super::quota::pod_requests;
use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::field::quote;
use pintle_object::meta;
use pintle_object::quantity::Quantity;
use pintle_object::{Cause, Map, Status, Value};

const OS: &str = "kubernetes.io/os";
/// The declared features of nodes that allow resizing guaranteed CPU, and pod-level resources.
const GUARANTEED_CPU: &str = "GuaranteedQoSPodCPUResize";
const POD_LEVEL: &str = "InPlacePodLevelResourcesVerticalScaling";

/// Refuses a resize that does not fit onto the pod's node, or whose node is not Linux.
pub struct PodResizeValidator;

impl Plugin for PodResizeValidator {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if request.subresource() != "resize" || changed(request, object).is_none() {
            return Ok(());
        }
        let node = node_of(request, object)?;
        // A node without the label counts as Linux.
        let os = node.str_at(&["metadata", "labels", OS]);
        if !matches!(os, "" | "linux") {
            let (name, os) = (quote(meta::name(&node)), quote(os));
            let why = format!("pod resize is only supported on linux nodes, node {name} is {os}");
            return Err(refused(request, object, &why, "UnsupportedPlatform"));
        }
        match excess(object, &node) {
            Some(why) => Err(refused(request, object, &why, "NodeCapacity")),
            None => Ok(()),
        }
    }
}

fn refused(request: &Request<'_>, pod: &Value, why: &str, reason: &str) -> Status {
    let mut status = request.forbidden(pod, why);
    if let Some(details) = status.details.as_mut() {
        details.causes.push(Cause { reason: reason.into(), ..Cause::default() });
    }
    status
}

/// Updates ask nothing of the node that it does not declare.
pub struct NodeDeclaredFeatureValidator;

impl Plugin for NodeDeclaredFeatureValidator {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let Some(old) = changed(request, object) else { return Ok(()) };
        let wanted = features(object, old);
        if !matches!(request.subresource(), "" | "resize") || wanted.is_empty() {
            return Ok(());
        }
        let node = node_of(request, object)?;
        let declared = node.list_at(&["status", "declaredFeatures"]);
        let is_missing = |name: &&&str| !declared.iter().any(|one| one.as_str() == Some(**name));
        let missing: Vec<&str> = wanted.iter().filter(is_missing).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (missing, name) = (missing.join(", "), quote(meta::name(&node)));
        let why = format!("pod update requires features {missing} which are not available on node {name}");
        Err(request.forbidden(object, why))
    }
}

/// The pod before an update of its spec, when it is on a node.
fn changed<'a>(request: &Request<'a>, pod: &Value) -> Option<&'a Value> {
    let old = request.attributes.old?;
    let generation = |pod: &Value| pod.int_at(&["metadata", "generation"]);
    let is_meant = request.is_update()
        && request.is_resource("", "pods")
        && !pod.str_at(&["spec", "nodeName"]).is_empty()
        && generation(pod) != generation(old);
    is_meant.then_some(old)
}

fn node_of(request: &Request<'_>, pod: &Value) -> Result<Value, Status> {
    let name = pod.str_at(&["spec", "nodeName"]);
    let node = request.view.get("", "nodes", "", name);
    node.ok_or_else(|| request.forbidden(pod, format!("node {} not found", quote(name))))
}

/// The error when the pod's requests exceed the node's allocatable resources.
fn excess(pod: &Value, node: &Value) -> Option<String> {
    let requests = pod_requests(pod);
    let of_pod = |name: &str| requests.get(name).copied().unwrap_or(Quantity::ZERO);
    let of_node = |name: &str| quantity(node.at(&["status", "allocatable", name]));
    let mut over = Vec::new();
    for name in ["cpu", "memory"] {
        let (requested, allocatable) = (of_pod(name), of_node(name));
        if requested > allocatable {
            let shown = |amount: Quantity| if name == "cpu" { amount.milli_value() } else { amount.value() };
            let (requested, allocatable) = (shown(requested), shown(allocatable));
            over.push(format!("{name}, requested: {requested}, allocatable: {allocatable}"));
        }
    }
    (!over.is_empty()).then(|| format!("node didn't have enough allocatable resources: {}", over.join("; ")))
}

/// The features that a node must declare for a resize.
fn features(new: &Value, old: &Value) -> Vec<&'static str> {
    let mut wanted = Vec::new();
    if old.str_at(&["status", "qosClass"]) == "Guaranteed" && cpus(new) != cpus(old) {
        wanted.push(GUARANTEED_CPU);
    }
    if pod_level(new) != pod_level(old) {
        wanted.push(POD_LEVEL);
    }
    wanted
}

fn cpus(pod: &Value) -> Vec<Quantity> {
    let containers = pod.list_at(&["spec", "containers"]).iter();
    containers.map(|container| quantity(container.at(&["resources", "requests", "cpu"]))).collect()
}

/// Amounts of the pod as a whole: by requests and limits, by name.
fn pod_level(pod: &Value) -> Vec<(&str, &str, Quantity)> {
    let amounts = |field: &'static str| {
        let map = pod.map_at(&["spec", "resources", field]).into_iter().flat_map(Map::iter);
        map.map(move |(name, amount)| (field, name, quantity(Some(amount))))
    };
    amounts("requests").chain(amounts("limits")).collect()
}

fn quantity(value: Option<&Value>) -> Quantity {
    value.and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok()).unwrap_or(Quantity::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).unwrap()
    }

    fn pod(cpu: &str, class: &str) -> Value {
        parse(&format!(
            r#"{{"spec":{{"containers":[{{"resources":{{"requests":{{"cpu":"{cpu}","memory":"1Gi"}}}}}}]}},
                "status":{{"qosClass":"{class}"}}}}"#
        ))
    }

    #[test]
    fn pods_are_no_larger_than_their_node() {
        let node = parse(r#"{"status":{"allocatable":{"cpu":"2","memory":"1Gi"}}}"#);
        assert_eq!(excess(&pod("2", ""), &node), None);
        let why = "node didn't have enough allocatable resources: cpu, requested: 2100, allocatable: 2000";
        assert_eq!(excess(&pod("2100m", ""), &node).unwrap(), why);
        assert!(excess(&pod("1", ""), &Value::map()).unwrap().contains("; memory, requested: 1073741824"));
    }

    #[test]
    fn guaranteed_cpus_ask_for_a_feature_and_others_do_not() {
        let check = |new: &str, old: &str, class: &str, expected: &[&str]| {
            assert_eq!(features(&pod(new, class), &pod(old, class)), expected, "{new} {old} {class}");
        };
        check("2", "1", "Guaranteed", &[GUARANTEED_CPU]);
        check("1000m", "1", "Guaranteed", &[]);
        check("2", "1", "Burstable", &[]);
        let whole = parse(r#"{"spec":{"resources":{"requests":{"cpu":"1"}}}}"#);
        assert_eq!(features(&whole, &parse(r#"{"spec":{}}"#)), [POD_LEVEL]);
    }
}
