//! Node.

use super::{Context, Rules, cells, keep};
use pintle_object::{Text, Value};

pub struct Node;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";

impl Rules for Node {
    /// A kubelet registers with its status.
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let info = |field: &str| object.str_at(&["status", "nodeInfo", field]);
        let known = |text: &str| Value::from(if text.is_empty() { cells::UNKNOWN } else { text });
        let kernel = match (info("kernelVersion"), info("architecture")) {
            ("", _) => String::new(),
            (kernel, "") => kernel.to_string(),
            (kernel, architecture) => format!("{kernel} ({architecture})"),
        };
        vec![
            cells::name(object),
            Value::from(status(object)),
            Value::from(roles(object)),
            cells::age(object, now_seconds),
            Value::from(info("kubeletVersion")),
            address(object, "InternalIP"),
            address(object, "ExternalIP"),
            known(info("osImage")),
            known(&kernel),
            known(info("containerRuntimeVersion")),
        ]
    }

    fn selectable(&self, label: &str, object: &Value) -> Option<Text> {
        let flag = object.bool_at(&["spec", "unschedulable"]);
        (label == "spec.unschedulable").then(|| Text::from(if flag { "true" } else { "false" }))
    }
}

fn status(object: &Value) -> String {
    let ready = object
        .list_at(&["status", "conditions"])
        .iter()
        .rfind(|condition| condition.str_at(&["type"]) == "Ready");
    let word = match ready.map(|condition| condition.str_at(&["status"])) {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    };
    let suffix = if object.bool_at(&["spec", "unschedulable"]) { ",SchedulingDisabled" } else { "" };
    format!("{word}{suffix}")
}

fn roles(object: &Value) -> String {
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in object.map_at(&["metadata", "labels"]).into_iter().flat_map(|labels| labels.iter()) {
        let role = match key.strip_prefix(ROLE_PREFIX) {
            Some(role) => role,
            None if key == ROLE_LABEL => value.as_str().unwrap_or(""),
            None => "",
        };
        if !role.is_empty() {
            roles.push(role);
        }
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { cells::NONE.to_string() } else { roles.join(",") }
}

fn address(object: &Value, kind: &str) -> Value {
    let address = object
        .list_at(&["status", "addresses"])
        .iter()
        .find(|address| address.str_at(&["type"]) == kind)
        .map_or(cells::NONE, |address| address.str_at(&["address"]));
    Value::from(address)
}
