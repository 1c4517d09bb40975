//! Validation of Services.

use super::families;
use crate::service::facts::{is_headless, kind};
use crate::validation::{NameRule, check, ip, meta, net};
use pintle_object::field::Shown;
use pintle_object::{ByValue, FieldErrors, Path, Seen, Value, content, repeats};

const SPEC: Path<'static> = Path::root("spec");
const ANNOTATIONS: Path<'static> = Path::root("metadata.annotations");
const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const AFFINITY_SECONDS_MAX: i64 = 86_400;
const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const POLICIES: [&str; 2] = ["Cluster", "Local"];
const DISTRIBUTIONS: [&str; 3] = ["PreferClose", "PreferSameZone", "PreferSameNode"];
const ONLY_BALANCED: &str = "may only be used when `type` is 'LoadBalancer'";
const ONCE: &str = "may not change once set";

/// All errors of a Service by itself; addresses that the old version had are taken as they are.
pub fn whole(service: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    if old.is_none() {
        let is_relaxed = errors.rules().has_relaxed_service_names;
        let rule = if is_relaxed { NameRule::Label } else { NameRule::Dns1035 };
        meta::validate_strict(service, rule, errors);
    }
    topology(service, errors);
    if service.list_at(&["spec", "ports"]).is_empty()
        && !is_headless(service)
        && kind(service) != "ExternalName"
    {
        errors.required(&SPEC.child("ports"), "");
    }
    by_type(service, errors);
    ports(service, errors);
    if let Some(selector) = service.map_at(&["spec", "selector"]) {
        content::labels(selector, &SPEC.child("selector"), errors);
    }
    affinity(service, errors);
    if kind(service) != "ExternalName" {
        families::validate(service, old, errors);
    }
    external_ips(service, old, errors);
    let of_type = kind(service);
    if of_type.is_empty() {
        errors.required(&SPEC.child("type"), "");
    } else if !TYPES.contains(&of_type) {
        errors.not_supported(&SPEC.child("type"), of_type, &TYPES);
    }
    port_conflicts(service, errors);
    source_ranges(service, errors);
    node_port_wish(service, errors);
    class(service, None, errors);
    external_traffic(service, errors);
    internal_traffic(service, errors);
    let distribution = service.at(&["spec", "trafficDistribution"]).and_then(Value::as_str);
    if let Some(distribution) = distribution.filter(|distribution| !DISTRIBUTIONS.contains(distribution)) {
        errors.not_supported(&SPEC.child("trafficDistribution"), distribution, &DISTRIBUTIONS);
    }
}

/// All errors of a new version.
pub fn update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    if kind(new) != "ExternalName" && kind(old) != "ExternalName" {
        let (was_headless, is_headless) = (is_headless(old), is_headless(new));
        if !(was_headless && is_headless) {
            fixed(new, old, "clusterIPs", ("primary clusterIP", "secondary clusterIP"), errors);
        }
        if !was_headless && !is_headless {
            fixed(new, old, "ipFamilies", ("primary ipFamily", "secondary ipFamily"), errors);
        }
    }
    class(new, Some(old), errors);
    let port = |service: &Value| service.int_at(&["spec", "healthCheckNodePort"]).unwrap_or(0);
    if needs_health_check(old) && needs_health_check(new) && port(new) != port(old) {
        errors.forbidden(&SPEC.child("healthCheckNodePort"), check::IMMUTABLE);
    }
    whole(new, Some(old), errors);
}

/// All errors of a new status.
pub fn status(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    let path = Path::root("status.loadBalancer.ingress");
    let ingress = new.list_at(&["status", "loadBalancer", "ingress"]);
    if kind(new) != "LoadBalancer" && !ingress.is_empty() {
        errors.forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    for (place, ingress) in ingress.iter().enumerate() {
        one_ingress(ingress, &path.index(place), errors);
    }
}

fn one_ingress(ingress: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let (ip, hostname) = (ingress.str_at(&["ip"]), ingress.str_at(&["hostname"]));
    if !ip.is_empty() {
        check::invalid_all(net::legacy_ip_messages(ip, errors.rules()), ip, &path.child("ip"), errors);
    }
    match ingress.at(&["ipMode"]).and_then(Value::as_str) {
        None if !ip.is_empty() => {
            errors.required(&path.child("ipMode"), "must be specified when `ip` is set")
        }
        Some(_) if ip.is_empty() => {
            errors.forbidden(&path.child("ipMode"), "may not be specified when `ip` is not set");
        }
        Some(mode) if !matches!(mode, "Proxy" | "VIP") => {
            errors.not_supported(&path.child("ipMode"), mode, &["Proxy", "VIP"]);
        }
        _ => {}
    }
    if !hostname.is_empty() {
        check::invalid_all(content::dns1123_subdomain(hostname), hostname, &path.child("hostname"), errors);
        if net::parse_ip_sloppy(hostname).is_some() {
            errors.invalid(&path.child("hostname"), hostname, "must be a DNS name, not an IP address");
        }
    }
}

/// Texts of warnings, in upstream's order.
pub fn warnings(service: &Value, out: &mut Vec<String>) {
    let annotation = |name: &str| service.at(&["metadata", "annotations", name]);
    let has = |field: &str| match service.at(&["spec", field]) {
        Some(Value::List(list)) => !list.is_empty(),
        Some(Value::Text(text)) => !text.is_empty(),
        _ => false,
    };
    if annotation(TOPOLOGY_HINTS).is_some() {
        out.push(format!("annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"));
    }
    let each = |field: &str, warn: &dyn Fn(&str, &Path<'_>, &mut Vec<String>), out: &mut Vec<String>| {
        let path = SPEC.child(field);
        for (index, text) in service.list_at(&["spec", field]).iter().filter_map(Value::as_str).enumerate() {
            warn(text, &path.index(index), out);
        }
    };
    each("clusterIPs", &net::warn_ip, out);
    let is_headless = kind(service) == "ClusterIP" && is_headless(service);
    if is_headless {
        for field in ["loadBalancerIP", "externalIPs"].into_iter().filter(|field| has(field)) {
            out.push(format!("spec.{field} is ignored for headless services"));
        }
        if service.str_at(&["spec", "sessionAffinity"]) != "None" {
            out.push(String::from("spec.SessionAffinity is ignored for headless services"));
        }
    }
    each("externalIPs", &net::warn_ip, out);
    if has("externalIPs") && !is_headless && kind(service) != "ExternalName" {
        out.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".into());
    }
    net::warn_ip(service.str_at(&["spec", "loadBalancerIP"]), &SPEC.child("loadBalancerIP"), out);
    each("loadBalancerSourceRanges", &net::warn_cidr, out);
    if kind(service) == "ExternalName" && has("externalIPs") {
        out.push(String::from("spec.externalIPs is ignored when spec.type is \"ExternalName\""));
    }
    if kind(service) != "ExternalName" && has("externalName") {
        out.push(String::from("spec.externalName is ignored when spec.type is not \"ExternalName\""));
    }
    if service.str_at(&["spec", "trafficDistribution"]) == "PreferClose" {
        out.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".into());
    }
}

/// Whether clients outside the cluster may reach a Service.
pub(super) fn is_external(service: &Value) -> bool {
    match kind(service) {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !service.list_at(&["spec", "externalIPs"]).is_empty(),
        _ => false,
    }
}

pub(super) fn needs_health_check(service: &Value) -> bool {
    kind(service) == "LoadBalancer" && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
}

fn topology(service: &Value, errors: &mut FieldErrors) {
    let annotation = |name: &str| service.at(&["metadata", "annotations", name]).and_then(Value::as_str);
    if let (Some(mode), Some(hints)) = (annotation(TOPOLOGY_MODE), annotation(TOPOLOGY_HINTS))
        && mode != hints
    {
        let why = format!("must match annotations[{TOPOLOGY_HINTS}] when both are specified");
        errors.invalid(&ANNOTATIONS.key(TOPOLOGY_MODE), mode, &why);
    }
}

fn by_type(service: &Value, errors: &mut FieldErrors) {
    match kind(service) {
        of_type @ ("LoadBalancer" | "NodePort") if is_headless(service) => {
            let why = format!("may not be set to 'None' for {of_type} services");
            errors.invalid(&SPEC.child("clusterIPs").index(0), "None", &why);
        }
        "ExternalName" => {
            let is_set = |field: &str| match service.at(&["spec", field]) {
                Some(Value::List(list)) => !list.is_empty(),
                other => other.is_some_and(|value| !value.is_null()),
            };
            for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if is_set(field) {
                    errors.forbidden(&SPEC.child(field), "may not be set for ExternalName services");
                }
            }
            let name = service.str_at(&["spec", "externalName"]);
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() {
                errors.required(&SPEC.child("externalName"), "");
            }
            if !name.is_empty() {
                check::invalid_all(
                    content::dns1123_subdomain(name),
                    name,
                    &SPEC.child("externalName"),
                    errors,
                );
            }
        }
        _ => {}
    }
}

fn ports(service: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("ports");
    let ports = service.list_at(&["spec", "ports"]);
    let mut names = Seen::new();
    for (place, port) in ports.iter().enumerate() {
        let path = path.index(place);
        let name = port.str_at(&["name"]);
        if name.is_empty() {
            if ports.len() > 1 {
                errors.required(&path.child("name"), "");
            }
        } else {
            check::invalid_all(content::dns1123_label(name), name, &path.child("name"), errors);
            if names.contains(&name) {
                errors.duplicate(&path.child("name"), name);
            }
            names.push(name);
        }
        one_port(port, &path, errors);
    }
}

fn one_port(port: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let number = port.int_at(&["port"]).unwrap_or(0);
    for message in content::port_number(number) {
        errors.invalid(&path.child("port"), number, &message);
    }
    let protocol = port.str_at(&["protocol"]);
    if protocol.is_empty() {
        errors.required(&path.child("protocol"), "");
    } else if !matches!(protocol, "SCTP" | "TCP" | "UDP") {
        errors.not_supported(&path.child("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
    }
    let target = path.child("targetPort");
    match port.get("targetPort") {
        Some(Value::Text(name)) => check::invalid_all(content::port_name(name), name, &target, errors),
        number => {
            let number = number.and_then(Value::as_i64).unwrap_or(0);
            for message in content::port_number(number) {
                errors.invalid(&target, number, &message);
            }
        }
    }
    if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
        check::invalid_all(content::label_key(protocol), protocol, &path.child("appProtocol"), errors);
    }
}

fn affinity(service: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("sessionAffinity");
    let config = check::present(service, &["spec", "sessionAffinityConfig"]);
    match service.str_at(&["spec", "sessionAffinity"]) {
        "" => errors.required(&path, ""),
        "None" if config.is_some() => {
            let why = "must not be set when session affinity is None";
            errors.forbidden(&SPEC.child("sessionAffinityConfig"), why);
        }
        "None" => {}
        "ClientIP" => client_ip(config, errors),
        other => errors.not_supported(&path, other, &["ClientIP", "None"]),
    }
}

fn client_ip(config: Option<&Value>, errors: &mut FieldErrors) {
    const WHEN: &str = "when session affinity type is ClientIP";
    let path = SPEC.child("sessionAffinityConfig");
    let Some(config) = config else { return errors.required(&path, WHEN) };
    let path = path.child("clientIP");
    let Some(client) = check::present(config, &["clientIP"]) else { return errors.required(&path, WHEN) };
    let path = path.child("timeoutSeconds");
    let Some(seconds) = client.int_at(&["timeoutSeconds"]) else { return errors.required(&path, WHEN) };
    if seconds <= 0 || seconds > AFFINITY_SECONDS_MAX {
        let why = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
        errors.invalid(&path, seconds, &why);
    }
}

fn external_ips(service: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let known = old.map_or(&[][..], |old| old.list_at(&["spec", "externalIPs"]));
    let known: Seen<ByValue<'_>> = known.iter().map(ByValue).collect();
    let path = SPEC.child("externalIPs");
    for (place, text) in service.list_at(&["spec", "externalIPs"]).iter().enumerate() {
        if known.contains(&ByValue(text)) {
            continue;
        }
        let (text, path) = (text.as_str().unwrap_or(""), path.index(place));
        let before = errors.len();
        ip::legacy_ip(text, &path, errors);
        if errors.len() == before {
            ip::non_special_ip(text, &path, errors);
        }
    }
}

fn port_conflicts(service: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("ports");
    let ports = service.list_at(&["spec", "ports"]);
    let node_port = |port: &Value| port.int_at(&["nodePort"]).unwrap_or(0);
    if kind(service) == "ClusterIP" {
        for (place, _) in ports.iter().enumerate().filter(|(_, port)| node_port(port) != 0) {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.forbidden(&path.index(place).child("nodePort"), why);
        }
    }
    let again = |of: &dyn Fn(&Value) -> i64| {
        repeats(ports.iter().map(|port| (port.get("protocol").map(ByValue), of(port))))
    };
    for ((place, port), is_again) in ports.iter().enumerate().zip(again(&node_port)) {
        if node_port(port) != 0 && is_again {
            errors.duplicate(&path.index(place).child("nodePort"), node_port(port));
        }
    }
    let number = |port: &Value| port.int_at(&["port"]).unwrap_or(0);
    for ((place, port), _) in ports.iter().enumerate().zip(again(&number)).filter(|(_, is_again)| *is_again) {
        let protocol = pintle_object::field::quote(port.str_at(&["protocol"]));
        let shown = Shown(format!(
            "{{\"Name\":\"\",\"Protocol\":{protocol},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
            number(port)
        ));
        errors.duplicate(&path.index(place), shown);
    }
}

/// The field, or the annotation that it was before.
fn source_ranges(service: &Value, errors: &mut FieldErrors) {
    let is_balanced = kind(service) == "LoadBalancer";
    let ranges = service.list_at(&["spec", "loadBalancerSourceRanges"]);
    if !ranges.is_empty() {
        // The capital letter is upstream's.
        let path = SPEC.child("LoadBalancerSourceRanges");
        if !is_balanced {
            errors.forbidden(&path, ONLY_BALANCED);
        }
        for (place, range) in ranges.iter().enumerate() {
            net::legacy_cidr(range.as_str().unwrap_or("").trim(), &path.index(place), errors);
        }
        return;
    }
    let annotation = service.at(&["metadata", "annotations", SOURCE_RANGES]).and_then(Value::as_str);
    let Some(annotation) = annotation else { return };
    let path = ANNOTATIONS.key(SOURCE_RANGES);
    if !is_balanced {
        errors.forbidden(&path, ONLY_BALANCED);
    }
    if !annotation.trim().is_empty() {
        annotation.trim().split(',').for_each(|range| net::legacy_cidr(range.trim(), &path, errors));
    }
}

fn node_port_wish(service: &Value, errors: &mut FieldErrors) {
    let is_set = check::present(service, &["spec", "allocateLoadBalancerNodePorts"]).is_some();
    let is_balanced = kind(service) == "LoadBalancer";
    if is_set && !is_balanced {
        errors.forbidden(&SPEC.child("allocateLoadBalancerNodePorts"), ONLY_BALANCED);
    }
    if !is_set && is_balanced {
        errors.required(&Path::root("allocateLoadBalancerNodePorts"), "");
    }
}

fn class(service: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let path = SPEC.child("loadBalancerClass");
    let of = |service: &Value| check::present(service, &["spec", "loadBalancerClass"]).cloned();
    let own = of(service);
    let is_balanced = kind(service) == "LoadBalancer";
    if let Some(old) = old.filter(|old| is_balanced && kind(old) == "LoadBalancer")
        && of(old) != own
    {
        errors.invalid(&path, own.as_ref().unwrap_or(&Value::Null), ONCE);
    }
    match own.as_ref().and_then(Value::as_str) {
        Some(class) if is_balanced => check::invalid_all(content::label_key(class), class, &path, errors),
        Some(_) => errors.forbidden(&path, ONLY_BALANCED),
        None => {}
    }
}

fn external_traffic(service: &Value, errors: &mut FieldErrors) {
    let (policy, path) =
        (service.str_at(&["spec", "externalTrafficPolicy"]), SPEC.child("externalTrafficPolicy"));
    match (is_external(service), policy) {
        (false, "") => {}
        (false, _) => errors.invalid(&path, policy, "may only be set for externally-accessible services"),
        (true, "") => errors.required(&path, ""),
        (true, _) if !POLICIES.contains(&policy) => errors.not_supported(&path, policy, &POLICIES),
        (true, _) => {}
    }
    let (port, path) =
        (service.int_at(&["spec", "healthCheckNodePort"]).unwrap_or(0), SPEC.child("healthCheckNodePort"));
    match (needs_health_check(service), port) {
        (false, 0) => {}
        (false, _) => {
            let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid(&path, port, why);
        }
        (true, 0) => errors.required(&path, ""),
        (true, _) => {
            for message in content::port_number(port) {
                errors.invalid(&path, port, &message);
            }
        }
    }
}

fn internal_traffic(service: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("internalTrafficPolicy");
    match service.at(&["spec", "internalTrafficPolicy"]).and_then(Value::as_str) {
        None if matches!(kind(service), "NodePort" | "LoadBalancer" | "ClusterIP") => {
            errors.required(&path, "")
        }
        Some(policy) if !POLICIES.contains(&policy) => errors.not_supported(&path, policy, &POLICIES),
        _ => {}
    }
}

/// A list whose values stay, though a second one may come, and may go when the Service says that it is
/// single-stack.
fn fixed(new: &Value, old: &Value, field: &str, (first, second): (&str, &str), errors: &mut FieldErrors) {
    let path = SPEC.child(field);
    let (before, after) = (old.list_at(&["spec", field]), new.list_at(&["spec", field]));
    let shown = new.at(&["spec", field]).cloned().unwrap_or_default();
    if before.len() == after.len() {
        let changed = before.iter().zip(after).enumerate().filter(|(_, (before, after))| before != after);
        for (place, _) in changed {
            errors.invalid(&path.index(place), &shown, ONCE);
        }
        return;
    }
    if after.is_empty() {
        errors.invalid(&path.index(0), &shown, &format!("{first} can not be unset"));
    }
    if let (Some(before), Some(after)) = (before.first(), after.first())
        && before != after
    {
        errors.invalid(&path.index(0), &shown, ONCE);
    }
    let policy = new.str_at(&["spec", "ipFamilyPolicy"]);
    if after.len() == 1 && before.len() > 1 && policy != "SingleStack" {
        let why = format!("must be set to SingleStack when releasing the {second}");
        errors.invalid(&SPEC.child("ipFamilyPolicy"), policy, &why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &[&str]) {
        let service = pintle_object::json::parse(json.as_bytes()).unwrap();
        let mut errors = FieldErrors::new();
        whole(&service, None, &mut errors);
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn a_service_is_checked_by_its_type() {
        let service = |spec: &str| {
            format!(
                r#"{{"metadata":{{"name":"s","namespace":"n"}},"spec":{{"sessionAffinity":"None",{spec}}}}}"#
            )
        };
        let ports = r#""ports":[{"port":80,"protocol":"TCP","targetPort":80}]"#;
        let internal = r#""internalTrafficPolicy":"Cluster""#;
        check(&service(&format!(r#""type":"ClusterIP",{ports},{internal}"#)), &[]);
        check(&service(&format!(r#""type":"ClusterIP",{internal}"#)), &["spec.ports: Required value"]);
        check(&service(r#""type":"ExternalName""#), &["spec.externalName: Required value"]);
        check(
            &service(&format!(
                r#""type":"ClusterIP","externalIPs":["127.0.0.1"],"externalTrafficPolicy":"Cluster",{ports},{internal}"#
            )),
            &[
                "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
            ],
        );
    }

    #[test]
    fn a_cluster_ip_stays() {
        let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).unwrap();
        let old = parse(r#"{"spec":{"type":"ClusterIP","clusterIPs":["10.0.0.1"]}}"#);
        let new = parse(r#"{"spec":{"type":"ClusterIP","clusterIPs":["10.0.0.2"]}}"#);
        let mut errors = FieldErrors::new();
        fixed(&new, &old, "clusterIPs", ("a", "b"), &mut errors);
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"]);
    }
}
