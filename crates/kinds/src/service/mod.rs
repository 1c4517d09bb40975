//! Service.

mod allocate;
mod facts;
mod families;
mod validate;

use super::{Strategy, cells, ip_address};
use crate::AllocationRecord;
use crate::allocator::{Allocations, Allocator};
use crate::validation::{NameRule, net};
use pintle_object::{FieldErrors, Map, Path, Status, Value};

pub struct Service;

const CLIENT_IP_SECONDS: i64 = 3 * 60 * 60;

impl Strategy for Service {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.at_mut(&["spec"]) else { return };
        if spec.str_at(&["sessionAffinity"]) == "None" {
            spec.remove(&["sessionAffinityConfig"]);
        }
        if spec.str_at(&["sessionAffinity"]) == "ClientIP"
            && spec.at(&["sessionAffinityConfig", "clientIP", "timeoutSeconds"]).is_none_or(Value::is_null)
        {
            spec.set(&["sessionAffinityConfig"], client_ip());
        }
        ports(spec);
        let kind = spec.str_at(&["type"]).to_string();
        let is_external = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
            || (kind == "ClusterIP" && !spec.list_at(&["externalIPs"]).is_empty());
        if is_external && spec.str_at(&["externalTrafficPolicy"]).is_empty() {
            spec.set(&["externalTrafficPolicy"], "Cluster");
        }
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
            super::set_default(spec, &[], "internalTrafficPolicy", "Cluster");
        }
        if kind == "LoadBalancer" {
            super::set_default(spec, &[], "allocateLoadBalancerNodePorts", true);
            for ingress in object
                .at_mut(&["status", "loadBalancer", "ingress"])
                .and_then(Value::as_list_mut)
                .into_iter()
                .flatten()
            {
                if !ingress.str_at(&["ip"]).is_empty() {
                    super::set_default(ingress, &[], "ipMode", "VIP");
                }
            }
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &super::Context<'_>) {
        object.set(&["status"], [("loadBalancer", Map::new())].into_iter().collect::<Map>());
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &super::Context<'_>) {
        super::keep(new, old, "status");
        if new.str_at(&["spec", "type"]) != "LoadBalancer" {
            new.set(&["status", "loadBalancer"], Map::new());
        }
        drop_type_dependent(new, old);
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        validate::whole(object, None, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        validate::update(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        validate::status(new, old, errors);
    }

    fn warnings(&self, new: &Value, _: Option<&Value>, out: &mut Vec<String>) {
        validate::warnings(new, out);
    }

    fn status_warnings(&self, new: &Value, out: &mut Vec<String>) {
        warn_ingress(new, out);
    }

    fn allocates(&self) -> bool {
        true
    }

    fn allocate(
        &self,
        new: &mut Value,
        old: Option<&Value>,
        allocator: &mut dyn Allocator,
    ) -> Result<(), Status> {
        match old {
            Some(old) => allocate::update(new, old, allocator),
            None => allocate::create(new, allocator),
        }
    }

    fn allocations(&self, object: &Value) -> Allocations {
        allocate::allocations(object)
    }

    fn allocation_records(&self, object: &Value) -> Vec<AllocationRecord> {
        let name = |field: &str| object.str_at(&["metadata", field]);
        let ips = allocate::allocations(object).ips.into_iter();
        ips.map(|ip| ip_address::record(ip, "services", name("namespace"), name("name"))).collect()
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let cluster_ip = object.list_at(&["spec", "clusterIPs"]).first().and_then(Value::as_str).unwrap_or(
            match object.str_at(&["spec", "clusterIP"]) {
                "" => cells::NONE,
                ip => ip,
            },
        );
        vec![
            cells::name(object),
            cells::text(object, &["spec", "type"]),
            Value::from(cluster_ip),
            Value::from(external_ips(object)),
            Value::from(port_list(object)),
            cells::age(object, now_seconds),
            cells::labels(object, &["spec", "selector"]),
        ]
    }
}

fn client_ip() -> Map {
    let timeout: Map = [("timeoutSeconds", CLIENT_IP_SECONDS)].into_iter().collect();
    [("clientIP", timeout)].into_iter().collect()
}

/// A port's protocol is TCP, and its target is itself.
fn ports(spec: &mut Value) {
    for port in spec.at_mut(&["ports"]).and_then(Value::as_list_mut).into_iter().flatten() {
        let number = port.int_at(&["port"]).unwrap_or(0);
        let is_unset = |port: &Value, field: &str| match port.get(field) {
            None | Some(Value::Null) | Some(Value::Int(0)) => true,
            Some(Value::Text(text)) => text.is_empty(),
            Some(_) => false,
        };
        if is_unset(port, "protocol") {
            port.set(&["protocol"], "TCP");
        }
        if is_unset(port, "targetPort") {
            port.set(&["targetPort"], number);
        }
    }
}

/// Drops fields of the old type from an update that changes the type and leaves them in.
fn drop_type_dependent(new: &mut Value, old: &Value) {
    let kind = |service: &Value| service.str_at(&["spec", "type"]).to_string();
    let (new_kind, old_kind) = (kind(new), kind(old));
    if old_kind != "ExternalName" && new_kind == "ExternalName" {
        if field_is_same(new, old, "clusterIPs") {
            new.remove(&["spec", "clusterIP"]);
        }
        drop_same(new, old, &["clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    let needs_ports = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    if needs_ports(&old_kind) && !needs_ports(&new_kind) && same_node_ports(new, old) {
        for port in new.at_mut(&["spec", "ports"]).and_then(Value::as_list_mut).into_iter().flatten() {
            port.remove(&["nodePort"]);
        }
    }
    if validate::needs_health_check(old) && !validate::needs_health_check(new) {
        drop_same(new, old, &["healthCheckNodePort"]);
    }
    if old_kind == "LoadBalancer" && new_kind != "LoadBalancer" {
        drop_same(new, old, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if validate::is_external(old) && !validate::is_external(new) {
        drop_same(new, old, &["externalTrafficPolicy"]);
    }
}

/// Drops the fields that the client did not change.
fn drop_same(new: &mut Value, old: &Value, fields: &[&str]) {
    for field in fields {
        if field_is_same(new, old, field) {
            new.remove(&["spec", field]);
        }
    }
}

fn field_is_same(new: &Value, old: &Value, field: &str) -> bool {
    new.at(&["spec", field]) == old.at(&["spec", field])
}

fn same_node_ports(new: &Value, old: &Value) -> bool {
    let node_ports = |service: &Value| -> Vec<i64> {
        let mut ports: Vec<i64> = service
            .list_at(&["spec", "ports"])
            .iter()
            .map(|port| port.int_at(&["nodePort"]).unwrap_or(0))
            .collect();
        ports.sort_unstable();
        ports
    };
    node_ports(new) == node_ports(old)
}

fn external_ips(object: &Value) -> String {
    let ips: Vec<&str> = object.list_at(&["spec", "externalIPs"]).iter().filter_map(Value::as_str).collect();
    match object.str_at(&["spec", "type"]) {
        "LoadBalancer" => {
            let mut shown = load_balancer(object);
            shown.extend(ips.iter().map(ToString::to_string));
            if shown.is_empty() { String::from("<pending>") } else { shown.join(",") }
        }
        "ExternalName" => object.str_at(&["spec", "externalName"]).to_string(),
        "ClusterIP" | "NodePort" if ips.is_empty() => cells::NONE.to_string(),
        "ClusterIP" | "NodePort" => ips.join(","),
        _ => cells::UNKNOWN.to_string(),
    }
}

/// Forms of a load balancer's addresses that are on their way out.
pub(super) fn warn_ingress(object: &Value, out: &mut Vec<String>) {
    let path = Path::root("status.loadBalancer.ingress");
    for (index, ingress) in object.list_at(&["status", "loadBalancer", "ingress"]).iter().enumerate() {
        net::warn_ip(ingress.str_at(&["ip"]), &path.index(index), out);
    }
}

/// Addresses of a load balancer, sorted.
pub(super) fn load_balancer(object: &Value) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for ingress in object.list_at(&["status", "loadBalancer", "ingress"]) {
        let address = [ingress.str_at(&["ip"]), ingress.str_at(&["hostname"])];
        if let Some(address) = address.iter().find(|address| !address.is_empty()) {
            shown.push(address.to_string());
        }
    }
    shown.sort();
    shown.dedup();
    shown
}

fn port_list(object: &Value) -> String {
    let shown: Vec<String> = object
        .list_at(&["spec", "ports"])
        .iter()
        .map(|port| {
            let (number, protocol) = (port.int_at(&["port"]).unwrap_or(0), port.str_at(&["protocol"]));
            match port.int_at(&["nodePort"]) {
                Some(node_port) if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    if shown.is_empty() { cells::NONE.to_string() } else { shown.join(",") }
}
