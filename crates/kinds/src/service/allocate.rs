//! Allocations of a Service: cluster IPs, node ports, a port for health checks.

use super::families;
use crate::allocator::{Allocations, Allocator, IpError};
use crate::service::facts::{invalid, is_headless, kind};
use crate::validation::ip;
use pintle_object::{FieldErrors, Path, Reason, Seen, Status, Value};
use std::collections::BTreeMap;

const CLUSTER_IPS: Path<'static> = Path::root("spec.clusterIPs");
const PORTS: Path<'static> = Path::root("spec.ports");

/// Completes a Service that is created.
pub fn create(service: &mut Value, allocator: &mut dyn Allocator) -> Result<(), Status> {
    normalise_cluster_ips(service, None);
    families::settle(service, None, &allocator.families(), allocator.rules())?;
    take_cluster_ips(service, allocator)?;
    if needs_node_ports(service) {
        take_node_ports(service, allocator)?;
    }
    if needs_health_port(service) { take_health_port(service, allocator) } else { Ok(()) }
}

/// Completes a Service that is replaced; it keeps its allocations.
pub fn update(new: &mut Value, old: &Value, allocator: &mut dyn Allocator) -> Result<(), Status> {
    keep_allocated(new, old);
    normalise_cluster_ips(new, Some(old));
    families::settle(new, Some(old), &allocator.families(), allocator.rules())?;
    if kind(old) == "ExternalName" && kind(new) != "ExternalName" {
        take_cluster_ips(new, allocator)?;
    } else if is_upgraded(new, old) {
        take_second_ip(new, allocator)?;
    }
    if needs_node_ports(new) {
        take_new_node_ports(new, old, allocator)?;
    }
    match (needs_health_port(old), needs_health_port(new)) {
        (false, true) => take_health_port(new, allocator),
        _ => Ok(()),
    }
}

/// The addresses and ports that a stored Service holds.
pub fn allocations(service: &Value) -> Allocations {
    let has_ips = kind(service) != "ExternalName" && !is_headless(service);
    let ips = if has_ips { service.list_at(&["spec", "clusterIPs"]) } else { &[] };
    let ips = ips.iter().filter_map(|ip| ip::parse(ip.as_str()?)).collect();
    let mut numbers = node_ports(service);
    if needs_health_port(service) {
        numbers.push(service.int_at(&["spec", "healthCheckNodePort"]).unwrap_or(0));
    }
    let mut ports: Vec<u16> = numbers.into_iter().filter_map(|port| u16::try_from(port).ok()).collect();
    ports.retain(|port| *port != 0);
    ports.sort_unstable();
    ports.dedup();
    Allocations { ips, ports }
}

fn needs_node_ports(service: &Value) -> bool {
    matches!(kind(service), "NodePort" | "LoadBalancer")
}

fn needs_health_port(service: &Value) -> bool {
    kind(service) == "LoadBalancer" && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
}

/// A node port is wanted for each port, unless a load balancer says that it does without.
fn wants_node_ports(service: &Value) -> bool {
    let is_declined =
        service.at(&["spec", "allocateLoadBalancerNodePorts"]).and_then(Value::as_bool) == Some(false);
    kind(service) == "NodePort" || !is_declined
}

/// `clusterIP` and the first of `clusterIPs` say the same; a client that knows only one of them means both.
fn normalise_cluster_ips(new: &mut Value, old: Option<&Value>) {
    let ip = new.str_at(&["spec", "clusterIP"]).to_string();
    let has_ips = !new.list_at(&["spec", "clusterIPs"]).is_empty();
    let Some(old) = old else {
        if !ip.is_empty() && !has_ips {
            new.set(&["spec", "clusterIPs"], vec![Value::from(ip)]);
        }
        return;
    };
    let old_ip = old.str_at(&["spec", "clusterIP"]);
    let same_ips = new.list_at(&["spec", "clusterIPs"]) == old.list_at(&["spec", "clusterIPs"]);
    if !old_ip.is_empty() && ip.is_empty() && same_ips {
        new.remove(&["spec", "clusterIPs"]);
    } else if old_ip != ip && (same_ips || !has_ips && !ip.is_empty()) {
        new.set(&["spec", "clusterIPs"], vec![Value::from(ip)]);
    }
}

/// Copies allocations of the old Service that the new one omits: clients do not mean to give them up.
fn keep_allocated(new: &mut Value, old: &Value) {
    if kind(old) != "ExternalName" && kind(new) != "ExternalName" {
        let old_ip = old.str_at(&["spec", "clusterIP"]);
        if new.str_at(&["spec", "clusterIP"]).is_empty() && !old_ip.is_empty() {
            new.set(&["spec", "clusterIP"], old_ip);
        }
        let is_same = new.str_at(&["spec", "clusterIP"]) == old_ip;
        if new.list_at(&["spec", "clusterIPs"]).is_empty() && is_same {
            crate::keep_at(new, old, &["spec", "clusterIPs"]);
        }
    }
    if needs_node_ports(old) && needs_node_ports(new) {
        keep_node_ports(new, old);
    }
    let is_unset = new.int_at(&["spec", "healthCheckNodePort"]).unwrap_or(0) == 0;
    if needs_health_port(old) && needs_health_port(new) && is_unset {
        crate::keep_at(new, old, &["spec", "healthCheckNodePort"]);
    }
}

/// Keeps node ports by the names of ports, unless another port of the new Service uses the number.
fn keep_node_ports(new: &mut Value, old: &Value) {
    let in_new: Seen<i64> = node_ports(new).into_iter().collect();
    let used: Seen<i64> = node_ports(old).into_iter().filter(|port| in_new.contains(port)).collect();
    // The last port of a name is the one that counts, as in a map.
    let known = old.list_at(&["spec", "ports"]).iter();
    let known: BTreeMap<&str, i64> = known.map(|port| (port.str_at(&["name"]), node_port(port))).collect();
    for port in new.at_mut(&["spec", "ports"]).and_then(Value::as_list_mut).into_iter().flatten() {
        if node_port(port) != 0 {
            continue;
        }
        let name = port.str_at(&["name"]);
        let number = known.get(name).copied().unwrap_or(0);
        if number != 0 && !used.contains(&number) {
            port.set(&["nodePort"], number);
        }
    }
}

fn node_port(port: &Value) -> i64 {
    port.int_at(&["nodePort"]).unwrap_or(0)
}

fn node_ports(service: &Value) -> Vec<i64> {
    service.list_at(&["spec", "ports"]).iter().map(node_port).filter(|port| *port != 0).collect()
}

/// One address for each family, that of the client where it names one.
fn take_cluster_ips(service: &mut Value, allocator: &mut dyn Allocator) -> Result<(), Status> {
    if kind(service) == "ExternalName" || is_headless(service) {
        return Ok(());
    }
    let families: Vec<bool> = service
        .list_at(&["spec", "ipFamilies"])
        .iter()
        .map(|family| family.as_str() == Some("IPv6"))
        .collect();
    let wanted: Vec<String> = cluster_ips(service);
    let mut ips = Vec::with_capacity(families.len());
    for (place, is_v6) in families.into_iter().enumerate() {
        ips.push(take_ip(service, wanted.get(place).map_or("", String::as_str), is_v6, allocator)?);
    }
    set_cluster_ips(service, &ips);
    Ok(())
}

fn cluster_ips(service: &Value) -> Vec<String> {
    let ips = service.list_at(&["spec", "clusterIPs"]).iter();
    ips.map(|ip| ip.as_str().unwrap_or("").to_string()).collect()
}

fn set_cluster_ips(service: &mut Value, ips: &[String]) {
    if let Some(first) = ips.first() {
        service.set(&["spec", "clusterIP"], first.as_str());
    }
    let ips: Vec<Value> = ips.iter().map(|ip| Value::from(ip.as_str())).collect();
    service.set(&["spec", "clusterIPs"], ips);
}

fn is_upgraded(new: &Value, old: &Value) -> bool {
    let families = |service: &Value| service.list_at(&["spec", "ipFamilies"]).len();
    kind(new) != "ExternalName" && !is_headless(old) && families(old) == 1 && families(new) == 2
}

/// A Service that becomes dual-stack gets an address of the other family.
fn take_second_ip(service: &mut Value, allocator: &mut dyn Allocator) -> Result<(), Status> {
    let is_v6 = service.list_at(&["spec", "ipFamilies"]).get(1).and_then(Value::as_str) == Some("IPv6");
    let mut ips = cluster_ips(service);
    let wanted = ips.get(1).cloned().unwrap_or_default();
    let ip = take_ip(service, &wanted, is_v6, allocator)?;
    ips.truncate(1);
    ips.push(ip);
    set_cluster_ips(service, &ips);
    Ok(())
}

fn take_ip(
    service: &Value,
    wanted: &str,
    is_v6: bool,
    allocator: &mut dyn Allocator,
) -> Result<String, Status> {
    if wanted.is_empty() {
        let ip = allocator.next_ip(is_v6);
        return ip
            .map(|ip| ip.to_string())
            .map_err(|error| Status::internal(format!("failed to allocate a serviceIP: {error}")));
    }
    let Some(ip) = ip::parse(wanted) else { return Ok(wanted.to_string()) };
    allocator.take_ip(ip).map(|()| wanted.to_string()).map_err(|error| {
        let why = match error {
            IpError::OutOfRange { .. } => {
                String::from("the provided network does not match the current range")
            }
            IpError::Taken | IpError::Full => error.to_string(),
        };
        let mut errors = FieldErrors::new();
        let ips = Value::from(cluster_ips(service).into_iter().map(Value::from).collect::<Vec<_>>());
        errors.invalid(&CLUSTER_IPS, &ips, &format!("failed to allocate IP {wanted}: {why}"));
        invalid(service, errors)
    })
}

/// Allocates node ports; ports with the same number but other protocols share one.
fn take_node_ports(service: &mut Value, allocator: &mut dyn Allocator) -> Result<(), Status> {
    let ports = service.list_at(&["spec", "ports"]).to_vec();
    // The node port that is requested first for a port number.
    let mut asked_for: BTreeMap<i64, i64> = BTreeMap::new();
    for port in ports.iter().filter(|port| node_port(port) != 0) {
        asked_for.entry(port.int_at(&["port"]).unwrap_or(0)).or_insert(node_port(port));
    }
    let mut by_number: BTreeMap<i64, i64> = BTreeMap::new();
    for (place, port) in ports.iter().enumerate() {
        let (number, own) = (port.int_at(&["port"]).unwrap_or(0), node_port(port));
        if own == 0 && !wants_node_ports(service) {
            continue;
        }
        let shared = by_number.get(&number).copied();
        let taken = match shared {
            Some(shared) if own == 0 || own == shared => shared,
            Some(_) => {
                take_port(service, place, own, allocator)?;
                own
            }
            None => {
                // A later port of the same number may be the one that says which.
                let asked = asked_for.get(&number).copied().unwrap_or(0);
                let taken = if asked == 0 { next_port(allocator)? } else { asked };
                if asked != 0 {
                    take_port(service, place, asked, allocator)?;
                }
                by_number.insert(number, taken);
                taken
            }
        };
        set_node_port(service, place, taken);
    }
    Ok(())
}

/// Allocates node ports that the old Service does not have.
fn take_new_node_ports(new: &mut Value, old: &Value, allocator: &mut dyn Allocator) -> Result<(), Status> {
    let known: Seen<i64> = node_ports(old).into_iter().collect();
    let mut taken = Seen::new();
    let ports = new.list_at(&["spec", "ports"]).to_vec();
    let mut seen = Seen::new();
    for (place, port) in ports.iter().enumerate() {
        let mut own = node_port(port);
        if own == 0 && !wants_node_ports(new) {
            continue;
        }
        if own == 0 {
            own = next_port(allocator)?;
            set_node_port(new, place, own);
        } else if !known.contains(&own) && !taken.contains(&own) {
            take_port(new, place, own, allocator)?;
            taken.push(own);
        }
        let pair = (port.str_at(&["protocol"]).to_string(), own);
        if seen.contains(&pair) {
            let why = format!("duplicate nodePort: {{{} {own}}}", pair.0);
            return Err(Status::new(500, Reason::Unknown, why));
        }
        seen.push(pair);
    }
    Ok(())
}

fn take_port(service: &Value, place: usize, port: i64, allocator: &mut dyn Allocator) -> Result<(), Status> {
    allocator.take_port(port).map_err(|error| {
        let mut errors = FieldErrors::new();
        errors.invalid(&PORTS.index(place).child("nodePort"), port, &error.to_string());
        invalid(service, errors)
    })
}

fn next_port(allocator: &mut dyn Allocator) -> Result<i64, Status> {
    let port = allocator.next_port();
    port.map(i64::from).map_err(|error| Status::internal(format!("failed to allocate a nodePort: {error}")))
}

fn set_node_port(service: &mut Value, place: usize, number: i64) {
    let ports = service.at_mut(&["spec", "ports"]).and_then(Value::as_list_mut);
    if let Some(port) = ports.and_then(|ports| ports.get_mut(place)) {
        port.set(&["nodePort"], number);
    }
}

fn take_health_port(service: &mut Value, allocator: &mut dyn Allocator) -> Result<(), Status> {
    let wanted = service.int_at(&["spec", "healthCheckNodePort"]).unwrap_or(0);
    if wanted != 0 {
        return allocator.take_port(wanted).map_err(|error| {
            Status::internal(format!("failed to allocate requested HealthCheck NodePort {wanted}: {error}"))
        });
    }
    let port = allocator
        .next_port()
        .map_err(|error| Status::internal(format!("failed to allocate a HealthCheck NodePort 0: {error}")))?;
    service.set(&["spec", "healthCheckNodePort"], i64::from(port));
    Ok(())
}
