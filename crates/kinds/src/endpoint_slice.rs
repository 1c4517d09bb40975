//! EndpointSlice.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, ip, meta, net};
use pintle_object::{FieldErrors, Path, Seen, Value, content};

pub struct EndpointSlice;

/// Controllers whose slices have addresses in the canonical form.
const OWN_CONTROLLERS: [&str; 2] =
    ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];
const TYPES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20000;
const HINTS_MAX: usize = 8;
const TOPOLOGY_LABELS_MAX: usize = 16;

impl Strategy for EndpointSlice {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        drop_topology(object);
    }

    /// Raises the generation by the client's changes, before topology is dropped from them.
    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        let strip = |object: &Value| {
            let mut object = object.clone();
            object.remove(&["metadata"]);
            if object.list_at(&["ports"]).is_empty() {
                object.remove(&["ports"]);
            }
            object
        };
        if strip(new) != strip(old) || new.at(&["metadata", "labels"]) != old.at(&["metadata", "labels"]) {
            let generation = old.int_at(&["metadata", "generation"]).unwrap_or(0);
            new.set(&["metadata", "generation"], generation + 1);
        }
        if new.get("endpoints") != old.get("endpoints") {
            drop_topology(new);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn raises_generation(&self, _new: &Value, _old: &Value) -> bool {
        false
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        address_type(object, errors);
        endpoints(object, &[], errors);
        ports(object, errors);
    }

    /// Addresses that were there before are not judged again.
    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(new, NameRule::Subdomain, errors);
        address_type(new, errors);
        let known: Vec<&Value> =
            old.list_at(&["endpoints"]).iter().flat_map(|one| one.list_at(&["addresses"])).collect();
        endpoints(new, &known, errors);
        ports(new, errors);
        let field = "addressType";
        check::immutable(new.get(field), old.get(field), &Path::root(field), errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        if old.is_none() && new.str_at(&["addressType"]) == "FQDN" {
            out.push(String::from("spec.addressType: FQDN endpoints are deprecated"));
        }
        let manager = new.str_at(&["metadata", "labels", "endpointslice.kubernetes.io/managed-by"]);
        if OWN_CONTROLLERS.contains(&manager) {
            return;
        }
        let path = Path::root("endpoints");
        for (index, endpoint) in new.list_at(&["endpoints"]).iter().enumerate() {
            let path = path.index(index);
            let path = path.child("addresses");
            for (index, address) in endpoint.list_at(&["addresses"]).iter().enumerate() {
                net::warn_ip(address.as_str().unwrap_or(""), &path.index(index), out);
            }
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["addressType"]),
            Value::from(port_cell(object)),
            Value::from(address_cell(object)),
            cells::age(object, now_seconds),
        ]
    }
}

/// Drops the topology of a removed version: `nodeName` and `zone` replace it.
fn drop_topology(object: &mut Value) {
    for endpoint in object.at_mut(&["endpoints"]).and_then(Value::as_list_mut).into_iter().flatten() {
        endpoint.remove(&["deprecatedTopology"]);
    }
}

fn port_cell(object: &Value) -> String {
    let list = object.list_at(&["ports"]);
    let ports: Vec<String> = list
        .iter()
        .map(|port| match (port.str_at(&["name"]), port.int_at(&["port"])) {
            (_, Some(number)) => number.to_string(),
            ("", None) => String::from("*"),
            (name, None) => name.to_string(),
        })
        .collect();
    cells::shortened(&ports, cells::UNSET)
}

fn address_cell(object: &Value) -> String {
    let addresses: Vec<String> = object
        .list_at(&["endpoints"])
        .iter()
        .flat_map(|endpoint| endpoint.list_at(&["addresses"]))
        .filter_map(Value::as_str)
        .map(String::from)
        .collect();
    cells::shortened(&addresses, cells::UNSET)
}

fn address_type(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("addressType");
    match object.str_at(&["addressType"]) {
        "" => errors.required(&path, ""),
        known if TYPES.contains(&known) => {}
        other => errors.not_supported(&path, other, &TYPES),
    }
}

fn endpoints(object: &Value, known: &[&Value], errors: &mut FieldErrors) {
    let list = object.list_at(&["endpoints"]);
    let path = Path::root("endpoints");
    if list.len() > ENDPOINTS_MAX {
        errors.too_many(&path, list.len(), ENDPOINTS_MAX);
        return;
    }
    for (index, one) in list.iter().enumerate() {
        endpoint(one, object.str_at(&["addressType"]), known, &path.index(index), errors);
    }
}

fn endpoint(
    endpoint: &Value,
    address_type: &str,
    known: &[&Value],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let addresses = endpoint.list_at(&["addresses"]);
    let addresses_path = path.child("addresses");
    if addresses.is_empty() {
        errors.required(&addresses_path, "must contain at least 1 address");
    } else if addresses.len() > ADDRESSES_MAX {
        errors.too_many(&addresses_path, addresses.len(), ADDRESSES_MAX);
    }
    for (index, one) in addresses.iter().enumerate().filter(|(_, one)| !known.contains(one)) {
        address(one.as_str().unwrap_or(""), address_type, index, &addresses_path, errors);
    }
    if let Some(node) = check::present(endpoint, &["nodeName"]).and_then(Value::as_str) {
        check::invalid_all(content::dns1123_subdomain(node), node, &path.child("nodeName"), errors);
    }
    if let Some(topology) = endpoint.map_at(&["deprecatedTopology"]) {
        let path = path.child("deprecatedTopology");
        if topology.len() > TOPOLOGY_LABELS_MAX {
            errors.too_many(&path, topology.len(), TOPOLOGY_LABELS_MAX);
        }
        content::labels(topology, &path, errors);
    }
    if let Some(host) = check::present(endpoint, &["hostname"]).and_then(Value::as_str) {
        check::invalid_all(content::dns1123_label(host), host, &path.child("hostname"), errors);
    }
    if let Some(hints) = check::present(endpoint, &["hints"]) {
        let path = path.child("hints");
        if hinted(hints, "forZones", content::label_value, &path, errors) {
            hinted(hints, "forNodes", content::dns1123_subdomain, &path, errors);
        }
    }
}

/// Names of zones or nodes that an endpoint is for, each once. False when there are too many to look at.
fn hinted(
    hints: &Value,
    field: &str,
    messages: impl Fn(&str) -> Vec<String>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> bool {
    let path = path.child(field);
    let list = hints.list_at(&[field]);
    if list.len() > HINTS_MAX {
        errors.too_many(&path, list.len(), HINTS_MAX);
        return false;
    }
    let mut seen = Seen::new();
    for (index, hint) in list.iter().enumerate() {
        let path = path.index(index);
        let (name, path) = (hint.str_at(&["name"]), path.child("name"));
        if seen.contains(&name) {
            errors.duplicate(&path, name);
        } else {
            check::invalid_all(messages(name), name, &path, errors);
        }
        seen.push(name);
    }
    true
}

fn address(text: &str, address_type: &str, index: usize, list: &Path<'_>, errors: &mut FieldErrors) {
    let path = list.index(index);
    match address_type {
        "IPv4" | "IPv6" => {
            let messages = match address_type {
                "IPv4" => net::legacy_ip_messages(text, errors.rules()),
                _ => net::ip_messages(text),
            };
            let is_ipv4 = net::parse_ip_sloppy(text).is_some_and(|ip| ip.is_ipv4());
            if !messages.is_empty() {
                check::invalid_all(messages, text, &path, errors);
            } else {
                if is_ipv4 != (address_type == "IPv4") {
                    errors.invalid(list, text, &format!("must be an {address_type} address"));
                }
                ip::non_special_ip(text, &path, errors);
            }
        }
        "FQDN" => full_name(text, &path, errors),
        _ => {}
    }
}

/// A domain of two or more labels; a final dot is fine.
fn full_name(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if text.is_empty() {
        errors.required(path, "");
        return;
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let messages = content::dns1123_subdomain(name);
    if !messages.is_empty() {
        errors.invalid(path, name, &messages.join(","));
    } else if !name.contains('.') {
        errors.invalid(path, name, "should be a domain with at least two segments separated by dots");
    } else if let Some((label, messages)) = name
        .split('.')
        .map(|label| (label, content::dns1123_label(label)))
        .find(|(_, found)| !found.is_empty())
    {
        errors.invalid(path, label, &messages.join(","));
    }
}

fn ports(object: &Value, errors: &mut FieldErrors) {
    let list = object.list_at(&["ports"]);
    let path = Path::root("ports");
    if list.len() > PORTS_MAX {
        errors.too_many(&path, list.len(), PORTS_MAX);
        return;
    }
    let mut names = Seen::new();
    for (index, port) in list.iter().enumerate() {
        let path = path.index(index);
        let name = port.str_at(&["name"]);
        if !name.is_empty() {
            check::invalid_all(content::dns1123_label(name), name, &path.child("name"), errors);
        }
        if names.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        names.push(name);
        protocol(port, &path.child("protocol"), errors);
        if let Some(protocol) = check::present(port, &["appProtocol"]).and_then(Value::as_str) {
            check::invalid_all(content::label_key(protocol), protocol, &path.child("appProtocol"), errors);
        }
    }
}

fn protocol(port: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    match check::present(port, &["protocol"]).and_then(Value::as_str) {
        None => errors.required(path, ""),
        Some(known) if PROTOCOLS.contains(&known) => {}
        Some(other) => errors.not_supported(path, other, &PROTOCOLS),
    }
}
