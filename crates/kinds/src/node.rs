//! Node.

use super::{Context, Strategy, cells, keep};
use crate::validation::check::present;
use crate::validation::{internal_type, ip, meta, net, resources, taints};
use pintle_object::{FieldErrors, Map, Path, Seen, Text, Value, content, repeats};

pub struct Node;

const SPEC: Path<'static> = Path::root("spec");
const STATUS: Path<'static> = Path::root("status");

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";

impl Strategy for Node {
    /// The first of `podCIDRs` is `podCIDR`; where they differ, `podCIDR` counts. What a node has can be allocated.
    fn default(&self, object: &mut Value) {
        if let Some(capacity) = present(object, &["status", "capacity"]).cloned()
            && present(object, &["status", "allocatable"]).is_none()
        {
            object.set(&["status", "allocatable"], capacity);
        }
        let one = object.str_at(&["spec", "podCIDR"]).to_string();
        let first = object.list_at(&["spec", "podCIDRs"]).first().and_then(Value::as_str).map(String::from);
        match first {
            Some(first) if one.is_empty() && !first.is_empty() => object.set(&["spec", "podCIDR"], first),
            Some(first) if first == one => {}
            _ if one.is_empty() => {}
            _ => object.set(&["spec", "podCIDRs"], vec![Value::from(one)]),
        }
    }

    /// Keeps the status, with which kubelets register; drops `configSource`, which is no longer supported.
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.remove(&["spec", "configSource"]);
        object.remove(&["status", "config"]);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
        if present(old, &["spec", "configSource"]).is_none() {
            new.remove(&["spec", "configSource"]);
        }
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        if present(old, &["status", "config"]).is_none() {
            new.remove(&["status", "config"]);
        }
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        taints(object, errors);
        amounts(object, errors);
        pod_networks(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        self.validate_status(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        amounts(new, errors);
        addresses(new, errors);
        kept(new, old, errors);
        declared_features(new, errors);
        taints(new, errors);
        if new.str_at(&["spec", "externalID"]) != old.str_at(&["spec", "externalID"]) {
            errors.forbidden(&SPEC.child("externalID"), "may not be updated");
        }
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        if present(new, &["spec", "configSource"]).is_some() {
            let why = "the feature is no longer supported since v1.24";
            out.push(format!("spec.configSource: {why}"));
        }
        if !new.str_at(&["spec", "externalID"]).is_empty() {
            out.push(String::from("spec.externalID: this field is deprecated, and is unused by Kubernetes"));
        }
        let path = SPEC.child("podCIDRs");
        for (index, cidr) in new.list_at(&["spec", "podCIDRs"]).iter().enumerate() {
            net::warn_cidr(cidr.as_str().unwrap_or(""), &path.index(index), out);
        }
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

/// Upstream reports taints as if they stood in the metadata.
fn taints(node: &Value, errors: &mut FieldErrors) {
    taints::annotations(node.map_at(&["metadata", "annotations"]), errors);
    taints::taints(node.list_at(&["spec", "taints"]), &Path::root("metadata.taints"), errors);
}

fn amounts(node: &Value, errors: &mut FieldErrors) {
    for field in ["capacity", "allocatable"] {
        let path = STATUS.child(field);
        for (name, value) in node.map_at(&["status", field]).into_iter().flat_map(Map::iter) {
            resources::resource_amount(name, value, &path.child(name), errors);
        }
    }
}

fn pod_networks(node: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("podCIDRs");
    let list = node.list_at(&["spec", "podCIDRs"]);
    let texts: Vec<&str> = list.iter().map(|cidr| cidr.as_str().unwrap_or("")).collect();
    for (index, text) in texts.iter().enumerate() {
        ip::legacy_cidr(text, &path.index(index), errors);
    }
    if texts.len() < 2 {
        return;
    }
    let parsed: Vec<_> = texts.iter().map(|text| ip::parse_cidr(text)).collect();
    let broken = parsed.iter().position(Option::is_none);
    if let Some(place) = broken {
        let bad = texts.get(place).copied().unwrap_or_default();
        errors.internal(
            &path,
            &format!(
                "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{place}]: <nil> \
                 (invalid CIDR address: {bad})"
            ),
        );
    }
    let has = |is_ipv6: bool| parsed.iter().flatten().any(|(address, _)| address.is_ipv6() == is_ipv6);
    if broken.is_some() || !has(true) || !has(false) || texts.len() > 2 {
        let why = "may specify no more than one CIDR for each IP family";
        errors.invalid(&path, &Value::List(list.to_vec()), why);
    }
    for ((index, text), is_again) in texts.iter().enumerate().zip(repeats(&texts)) {
        if is_again {
            errors.duplicate(&path.index(index), *text);
        }
    }
}

fn addresses(node: &Value, errors: &mut FieldErrors) {
    let path = STATUS.child("addresses");
    let list = node.list_at(&["status", "addresses"]);
    let mut seen = Seen::new();
    for (index, address) in list.iter().enumerate() {
        if seen.again((address.str_at(&["type"]), address.str_at(&["address"]))) {
            errors.duplicate(&path.index(index), internal_type::shown(address, "NodeAddress"));
        }
    }
}

/// Refuses changes of fields that a node is given once.
fn kept(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("podCIDRs");
    let networks = |node: &Value| node.list_at(&["spec", "podCIDRs"]).to_vec();
    let (new_networks, old_networks) = (networks(new), networks(old));
    let why = "node updates may not change podCIDR except from \"\" to valid";
    if new_networks.len() != old_networks.len() && !old_networks.is_empty() {
        errors.forbidden(&path, why);
    } else {
        for _ in old_networks.iter().zip(&new_networks).filter(|(old, new)| old != new) {
            errors.forbidden(&path, why);
        }
    }
    let provider = |node: &Value| node.str_at(&["spec", "providerID"]).to_string();
    if !provider(old).is_empty() && provider(new) != provider(old) {
        let why = "node updates may not change providerID except from \"\" to valid";
        errors.forbidden(&SPEC.child("providerID"), why);
    }
}

fn declared_features(node: &Value, errors: &mut FieldErrors) {
    let path = STATUS.child("declaredFeatures");
    let mut before = "";
    for (index, feature) in node.list_at(&["status", "declaredFeatures"]).iter().enumerate() {
        let name = feature.as_str().unwrap_or("");
        let path = path.index(index);
        for why in content::dns1123_subdomain(&name.to_lowercase()) {
            let shown = pintle_object::field::quote(name);
            errors.invalid(&path, name, &format!("invalid feature name {shown}: {why}"));
        }
        if index > 0 && name == before {
            errors.duplicate(&path, name);
        } else if name < before {
            errors.invalid(&path, name, "list must be sorted alphabetically");
        }
        before = name;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Value {
        let json = format!(r#"{{"metadata":{{"name":"n","resourceVersion":"1"}},{rest}}}"#);
        pintle_object::json::parse(json.as_bytes()).expect("test data is JSON")
    }

    fn check(new: &str, old: &str, expected: &[&str]) {
        let mut errors = FieldErrors::new();
        Node.validate_status(&parse(new), &parse(old), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{old} -> {new}");
    }

    #[test]
    fn what_a_node_was_given_stays() {
        check(r#""spec":{"podCIDRs":["10.0.0.0/24"],"providerID":"p"}"#, r#""spec":{}"#, &[]);
        check(
            r#""spec":{}"#,
            r#""spec":{"podCIDRs":["10.0.0.0/24"],"providerID":"p"}"#,
            &[
                "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid",
                "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid",
            ],
        );
        check(
            r#""status":{"addresses":[{"type":"A","address":"a"},{"type":"A","address":"a"}]}"#,
            r#""spec":{}"#,
            &["status.addresses[1]: Duplicate value: {\"Type\":\"A\",\"Address\":\"a\"}"],
        );
    }

    #[test]
    fn the_one_network_counts() {
        let cases = [
            (r#"{"podCIDR":"a"}"#, r#"{"podCIDR":"a","podCIDRs":["a"]}"#),
            (r#"{"podCIDRs":["a","b"]}"#, r#"{"podCIDR":"a","podCIDRs":["a","b"]}"#),
            (r#"{"podCIDR":"b","podCIDRs":["a"]}"#, r#"{"podCIDR":"b","podCIDRs":["b"]}"#),
        ];
        for (spec, expected) in cases {
            let mut node = parse(&format!(r#""spec":{spec}"#));
            Node.default(&mut node);
            assert_eq!(node, parse(&format!(r#""spec":{expected}"#)), "{spec}");
        }
    }
}
