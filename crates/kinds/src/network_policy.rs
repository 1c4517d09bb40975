//! NetworkPolicy.

use super::{Strategy, cells};
use crate::validation::{NameRule, check, meta, net};
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, Path, Value, content};

pub struct NetworkPolicy;

const SPEC: Path<'static> = Path::root("spec");
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const TYPES: [&str; 2] = ["Ingress", "Egress"];

impl Strategy for NetworkPolicy {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.at_mut(&["spec"]) else { return };
        if spec.list_at(&["policyTypes"]).is_empty() {
            let mut types = vec![Value::from("Ingress")];
            if !spec.list_at(&["egress"]).is_empty() {
                types.push(Value::from("Egress"));
            }
            spec.set(&["policyTypes"], types);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        spec(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
            let path = SPEC.child(rules);
            for (index, rule) in new.list_at(&["spec", rules]).iter().enumerate() {
                let path = path.index(index);
                let path = path.child(peers);
                for (index, peer) in rule.list_at(&[peers]).iter().enumerate() {
                    warn_block(peer, &path.index(index).child("ipBlock"), out);
                }
            }
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::selector(object, &["spec", "podSelector"]),
            cells::age(object, now_seconds),
        ]
    }
}

fn warn_block(peer: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let Some(block) = check::present(peer, &["ipBlock"]) else { return };
    net::warn_cidr(block.str_at(&["cidr"]), &path.child("cidr"), out);
    let path = path.child("except");
    for (index, except) in block.list_at(&["except"]).iter().enumerate() {
        net::warn_cidr(except.as_str().unwrap_or(""), &path.index(index), out);
    }
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    let Some(spec) = object.get("spec") else { return };
    if let Some(selector) = check::present(spec, &["podSelector"]) {
        validate_label_selector(selector, &SPEC.child("podSelector"), false, errors);
    }
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        let path = SPEC.child(rules);
        for (index, rule) in spec.list_at(&[rules]).iter().enumerate() {
            policy_rule(rule, peers, &path.index(index), errors);
        }
    }
    policy_types(spec, errors);
}

fn policy_types(spec: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("policyTypes");
    let types = spec.list_at(&["policyTypes"]);
    if types.len() > TYPES.len() {
        let shown = spec.get("policyTypes").unwrap_or(&Value::Null);
        errors.invalid(&path, shown, "may not specify more than two policyTypes");
        return;
    }
    for (index, policy_type) in types.iter().filter_map(Value::as_str).enumerate() {
        if !TYPES.contains(&policy_type) {
            errors.not_supported(&path.index(index), policy_type, &TYPES);
        }
    }
}

fn policy_rule(rule: &Value, peers: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let ports = path.child("ports");
    for (index, one) in rule.list_at(&["ports"]).iter().enumerate() {
        port(one, &ports.index(index), errors);
    }
    let peers_path = path.child(peers);
    for (index, one) in rule.list_at(&[peers]).iter().enumerate() {
        peer(one, &peers_path.index(index), errors);
    }
}

fn port(port: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(protocol) = check::present(port, &["protocol"]).and_then(Value::as_str)
        && !PROTOCOLS.contains(&protocol)
    {
        errors.not_supported(&path.child("protocol"), protocol, &PROTOCOLS);
    }
    let end = port.int_at(&["endPort"]);
    let (port_path, end_path) = (path.child("port"), path.child("endPort"));
    match check::present(port, &["port"]) {
        Some(Value::Int(number)) => {
            for message in content::port_number(*number) {
                errors.invalid(&port_path, *number, &message);
            }
            let Some(end) = end else { return };
            if end < *number {
                errors.invalid(&end_path, *number, "must be greater than or equal to `port`");
            }
            for message in content::port_number(end) {
                errors.invalid(&end_path, end, &message);
            }
        }
        Some(name) => {
            if let Some(end) = end {
                errors.invalid(&end_path, end, "may not be specified when `port` is non-numeric");
            }
            let name = name.as_str().unwrap_or("");
            check::invalid_all(content::port_name(name), name, &port_path, errors);
        }
        None => {
            if let Some(end) = end {
                errors.invalid(&end_path, end, "may not be specified when `port` is not specified");
            }
        }
    }
}

fn peer(peer: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut count = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = check::present(peer, &[field]) {
            count += 1;
            validate_label_selector(selector, &path.child(field), false, errors);
        }
    }
    let block = check::present(peer, &["ipBlock"]);
    if let Some(block) = block {
        count += 1;
        ip_block(block, &path.child("ipBlock"), errors);
    }
    if count == 0 {
        errors.required(path, "must specify a peer");
    } else if count > 1 && block.is_some() {
        errors.forbidden(path, "may not specify both ipBlock and another peer");
    }
}

/// A network without some of the networks within it.
fn ip_block(block: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let text = block.str_at(&["cidr"]);
    if text.is_empty() {
        errors.required(&path.child("cidr"), "");
        return;
    }
    net::legacy_cidr(text, &path.child("cidr"), errors);
    let Some(cidr) = net::parse_cidr_sloppy(text) else { return };
    let path = path.child("except");
    for (index, text) in block.list_at(&["except"]).iter().filter_map(Value::as_str).enumerate() {
        let path = path.index(index);
        net::legacy_cidr(text, &path, errors);
        let Some(except) = net::parse_cidr_sloppy(text) else { continue };
        if !cidr.contains(except.address) || cidr.prefix_len >= except.prefix_len {
            errors.invalid(&path, text, "must be a strict subset of `cidr`");
        }
    }
}
