//! Binding: a scheduler assigns a pod to a node.

use pintle_object::time::Time;
use pintle_object::{FieldErrors, Path, Value};

/// Errors of a binding.
pub fn validate(binding: &Value, errors: &mut FieldErrors) {
    let kind = binding.str_at(&["target", "kind"]);
    if !matches!(kind, "" | "Node") {
        errors.not_supported(&Path::root("target.kind"), kind, &["Node", "<empty>"]);
    }
    if binding.str_at(&["target", "name"]).is_empty() {
        errors.required(&Path::root("target.name"), "");
    }
}

/// Assigns a pod to the node of a binding, or says why that cannot be.
pub fn bind(pod: &mut Value, binding: &Value, now: Time) -> Result<(), String> {
    let name = pod.str_at(&["metadata", "name"]).to_string();
    if pod.at(&["metadata", "deletionTimestamp"]).is_some() {
        return Err(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = pod.str_at(&["spec", "nodeName"]);
    if !node.is_empty() {
        return Err(format!("pod {name} is already assigned to node \"{node}\""));
    }
    if !pod.list_at(&["spec", "schedulingGates"]).is_empty() {
        return Err(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    pod.set(&["spec", "nodeName"], binding.str_at(&["target", "name"]));
    // A nomination is over once there is a node: otherwise the pod would count twice.
    pod.remove(&["status", "nominatedNodeName"]);
    for field in ["annotations", "labels"] {
        for (key, value) in binding.map_at(&["metadata", field]).into_iter().flat_map(|map| map.iter()) {
            pod.set(&["metadata", field, key], value.clone());
        }
    }
    set_scheduled(pod, now);
    Ok(())
}

/// Sets the condition PodScheduled; its time is that of the last change.
fn set_scheduled(pod: &mut Value, now: Time) {
    let mut condition = Value::map();
    condition.set(&["type"], "PodScheduled");
    condition.set(&["status"], "True");
    condition.set(&["lastProbeTime"], Value::Null);
    condition.set(&["lastTransitionTime"], now.to_seconds_text());
    let status = pod.make_map(&["status"]);
    let conditions = status.entry("conditions");
    if !matches!(conditions, Value::List(_)) {
        *conditions = Value::List(Vec::new());
    }
    let Some(list) = conditions.as_list_mut() else { return };
    match list.iter_mut().find(|known| known.str_at(&["type"]) == "PodScheduled") {
        Some(known) if known.str_at(&["status"]) == "True" => {}
        Some(known) => *known = condition,
        None => list.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_bound_once() {
        let mut binding = Value::map();
        binding.set(&["target", "name"], "n1");
        binding.set(&["metadata", "labels", "zone"], "a");
        let mut pod = Value::map();
        pod.set(&["metadata", "name"], "p");
        pod.set(&["status", "nominatedNodeName"], "n2");
        let now = Time { seconds: 0, nanos: 0 };
        bind(&mut pod, &binding, now).unwrap();
        assert_eq!(pod.str_at(&["spec", "nodeName"]), "n1");
        assert_eq!(pod.str_at(&["metadata", "labels", "zone"]), "a");
        assert_eq!(pod.list_at(&["status", "conditions"]).len(), 1);
        assert!(pod.at(&["status", "nominatedNodeName"]).is_none());
        let again = bind(&mut pod, &binding, now).unwrap_err();
        assert_eq!(again, "pod p is already assigned to node \"n1\"");
    }
}
