//! Endpoints.

use super::{Strategy, cells};
use crate::validation::check::invalid_all;
use crate::validation::{ip, meta, net};
use pintle_object::{FieldErrors, Map, Path, Value, content};

pub struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, object: &mut Value) {
        for subset in object.at_mut(&["subsets"]).and_then(Value::as_list_mut).into_iter().flatten() {
            for port in subset.at_mut(&["ports"]).and_then(Value::as_list_mut).into_iter().flatten() {
                if let Some(map) = port.as_map_mut()
                    && map.get("protocol").and_then(Value::as_str).is_none_or(str::is_empty)
                {
                    map.insert("protocol", "TCP");
                }
            }
        }
    }

    fn prepare_create(&self, _object: &mut Value, _context: &super::Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        let path = Path::root("subsets");
        for (index, subset) in object.list_at(&["subsets"]).iter().enumerate() {
            validate_subset(subset, &path.index(index), errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        warn_addresses(new, out);
        let text = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        out.push(String::from(text));
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let shown = cells::shortened(&addresses(object), cells::NONE);
        vec![cells::name(object), Value::from(shown), cells::age(object, now_seconds)]
    }
}

/// Forms of addresses that are on their way out. What the endpoints controller writes has none of them.
fn warn_addresses(object: &Value, out: &mut Vec<String>) {
    const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
    if object.str_at(&["metadata", "labels", MANAGED_BY]) == "endpoint-controller" {
        return;
    }
    let path = Path::root("subsets");
    for (index, subset) in object.list_at(&["subsets"]).iter().enumerate() {
        let path = path.index(index);
        for list in ["addresses", "notReadyAddresses"] {
            let path = path.child(list);
            for (index, address) in subset.list_at(&[list]).iter().enumerate() {
                net::warn_ip(address.str_at(&["ip"]), &path.index(index).child("ip"), out);
            }
        }
    }
}

/// `ip:port` of every ready address and port.
fn addresses(object: &Value) -> Vec<String> {
    let mut shown = Vec::new();
    for subset in object.list_at(&["subsets"]) {
        let ports = subset.list_at(&["ports"]);
        let ips = || subset.list_at(&["addresses"]).iter().map(|address| address.str_at(&["ip"]));
        if ports.is_empty() {
            shown.extend(ips().map(String::from));
        }
        for port in ports.iter().filter_map(|port| port.as_map()) {
            shown.extend(ips().map(|ip| join_host_port(ip, port)));
        }
    }
    shown
}

fn join_host_port(ip: &str, port: &Map) -> String {
    let port = port.get("port").and_then(Value::as_i64).unwrap_or(0);
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn validate_subset(subset: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let kinds = ["addresses", "notReadyAddresses"];
    if kinds.iter().all(|kind| subset.list_at(&[kind]).is_empty()) {
        errors.required(path, "must specify `addresses` or `notReadyAddresses`");
    }
    for kind in kinds {
        let path = path.child(kind);
        for (index, address) in subset.list_at(&[kind]).iter().enumerate() {
            validate_address(address, &path.index(index), errors);
        }
    }
    let ports = subset.list_at(&["ports"]);
    let path = path.child("ports");
    for (index, port) in ports.iter().enumerate() {
        validate_port(port, ports.len() > 1, &path.index(index), errors);
    }
}

fn validate_address(address: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let text = address.str_at(&["ip"]);
    ip::legacy_ip(text, &path.child("ip"), errors);
    let hostname = address.str_at(&["hostname"]);
    if !hostname.is_empty() {
        invalid_all(content::dns1123_label(hostname), hostname, &path.child("hostname"), errors);
    }
    if let Some(node) = address.at(&["nodeName"]).and_then(Value::as_str) {
        invalid_all(content::dns1123_subdomain(node), node, &path.child("nodeName"), errors);
    }
    ip::non_special_ip(text, &path.child("ip"), errors);
}

fn validate_port(port: &Value, needs_name: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    match port.str_at(&["name"]) {
        "" if needs_name => errors.required(&path.child("name"), ""),
        "" => {}
        name => invalid_all(content::dns1123_label(name), name, &path.child("name"), errors),
    }
    let number = port.int_at(&["port"]).unwrap_or(0);
    for message in content::port_number(number) {
        errors.invalid(&path.child("port"), number, &message);
    }
    match port.str_at(&["protocol"]) {
        "" => errors.required(&path.child("protocol"), ""),
        "TCP" | "UDP" | "SCTP" => {}
        other => errors.not_supported(&path.child("protocol"), other, &["SCTP", "TCP", "UDP"]),
    }
    if let Some(protocol) = port.at(&["appProtocol"]).and_then(Value::as_str) {
        invalid_all(content::label_key(protocol), protocol, &path.child("appProtocol"), errors);
    }
}
