//! The usage of one object, as quotas count it.

use super::amounts;
use crate::plugins::quota::amounts::Amounts;
use crate::request::Request;
use pintle_object::Value;
use pintle_object::quantity::Quantity;
use std::collections::{BTreeMap, BTreeSet};

/// Resources that were countable by their bare name before `count/` came.
const BARE: [&str; 4] = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];
/// The names of a pod's amounts, beside extended resources and huge pages.
const POD: [&str; 10] = [
    "pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
/// Resources for which every container must have a request or limit when they have a quota.
const OBLIGATORY: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const CLASS: &str = ".storageclass.storage.k8s.io/";

/// Whether requests of this kind change the usage.
pub fn is_counted(request: &Request<'_>) -> bool {
    let may_grow = request.is_resource("", "services") || request.is_resource("", "persistentvolumeclaims");
    match request.subresource() {
        "" => request.is_create() || request.is_update() && may_grow,
        "resize" => request.is_update() && request.is_resource("", "pods"),
        _ => false,
    }
}

/// Whether a name in a quota counts objects of the request's resource.
pub fn counts(request: &Request<'_>, name: &str) -> bool {
    if name.strip_prefix("count/") == Some(request.resource().to_string().as_str()) {
        return true;
    }
    let plural = request.attributes.target.served.resource.plural.as_ref();
    if !request.attributes.target.served.resource.group.is_empty() {
        return false;
    }
    match plural {
        "pods" => POD.contains(&name) || is_extended(name) || name.contains("hugepages-"),
        "services" => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
        "persistentvolumeclaims" => {
            matches!(name, "persistentvolumeclaims" | "requests.storage") || name.contains(CLASS)
        }
        _ => BARE.contains(&plural) && name == plural,
    }
}

/// The usage of an object, by the resource names of quotas.
pub fn of(request: &Request<'_>, object: &Value) -> Amounts {
    let one = Quantity::from_int(1);
    let mut used = Amounts::from([(format!("count/{}", request.resource()), one)]);
    let served = &request.attributes.target.served.resource;
    if !served.group.is_empty() {
        return used;
    }
    match served.plural.as_ref() {
        "pods" => add_pod(&mut used, object),
        "services" => add_service(&mut used, object),
        "persistentvolumeclaims" => add_claim(&mut used, object),
        plural if BARE.contains(&plural) => {
            used.insert(plural.to_string(), one);
        }
        _ => {}
    }
    used
}

fn add_service(used: &mut Amounts, service: &Value) {
    let ports = service.list_at(&["spec", "ports"]);
    let allocates = service.at(&["spec", "allocateLoadBalancerNodePorts"]).and_then(Value::as_bool);
    let kind = service.str_at(&["spec", "type"]);
    let node_ports = match kind {
        "NodePort" => ports.len(),
        "LoadBalancer" if allocates != Some(false) => ports.len(),
        "LoadBalancer" => ports.iter().filter(|port| port.int_at(&["nodePort"]).unwrap_or(0) != 0).count(),
        _ => 0,
    };
    used.insert("services".into(), Quantity::from_int(1));
    used.insert("services.nodeports".into(), Quantity::from_int(node_ports as i64));
    used.insert("services.loadbalancers".into(), Quantity::from_int((kind == "LoadBalancer").into()));
}

fn add_claim(used: &mut Amounts, claim: &Value) {
    let beta = claim.str_at(&["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]);
    let class = if beta.is_empty() { claim.str_at(&["spec", "storageClassName"]) } else { beta };
    let storage = amounts(claim, &["spec", "resources", "requests"]).remove("storage");
    let prefixes = [Some(String::new()), (!class.is_empty()).then(|| format!("{class}{CLASS}"))];
    for prefix in prefixes.into_iter().flatten() {
        used.insert(format!("{prefix}persistentvolumeclaims"), Quantity::from_int(1));
        if let Some(storage) = storage {
            used.insert(format!("{prefix}requests.storage"), storage);
        }
    }
}

/// Pods that have ended hold nothing but their place in storage.
fn add_pod(used: &mut Amounts, pod: &Value) {
    if matches!(pod.str_at(&["status", "phase"]), "Failed" | "Succeeded") {
        return;
    }
    used.insert("pods".into(), Quantity::from_int(1));
    used.extend(compute(&pod_total(pod, "requests"), &pod_total(pod, "limits")));
}

/// Requests and limits under the names that quotas give them.
fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut used = Amounts::new();
    for (name, amount) in requests {
        let is_native = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        let is_huge = name.starts_with("hugepages-");
        if is_native || is_huge {
            used.insert(name.clone(), *amount);
        }
        if is_native || is_huge || is_domain_name(name) {
            used.insert(format!("requests.{name}"), *amount);
        }
    }
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(amount) = limits.get(name) {
            used.insert(format!("limits.{name}"), *amount);
        }
    }
    used
}

/// `requests.example.com/gpu`: extended resources are counted by their requests alone.
fn is_extended(name: &str) -> bool {
    name.strip_prefix("requests.").is_some_and(is_domain_name)
}

fn is_domain_name(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(domain, _)| domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io"))
}

/// The requests of a whole pod.
pub fn pod_requests(pod: &Value) -> Amounts {
    pod_total(pod, "requests")
}

/// The requests or limits of a whole pod. Containers add up, with the sidecars; an ordinary init container counts where
/// it needs more than that, together with the sidecars that were started before it; overhead is added to both.
fn pod_total(pod: &Value, field: &str) -> Amounts {
    let of = |container: &Value| amounts(container, &["resources", field]);
    let mut total = Amounts::new();
    for container in pod.list_at(&["spec", "containers"]) {
        add(&mut total, &of(container));
    }
    let (mut staying, mut peak) = (Amounts::new(), Amounts::new());
    for container in pod.list_at(&["spec", "initContainers"]) {
        let own = of(container);
        if container.str_at(&["restartPolicy"]) == "Always" {
            add(&mut total, &own);
            add(&mut staying, &own);
            raise(&mut peak, &staying);
        } else {
            let mut sum = staying.clone();
            add(&mut sum, &own);
            raise(&mut peak, &sum);
        }
    }
    raise(&mut total, &peak);
    total.extend(amounts(pod, &["spec", "resources", field]));
    let overhead = amounts(pod, &["spec", "overhead"]);
    // Overhead raises limits only where there is one.
    let counted = overhead.into_iter().filter(|(name, _)| field == "requests" || total.contains_key(name));
    let counted: Amounts = counted.collect();
    add(&mut total, &counted);
    total
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |known| known.add(amount));
        total.insert(name.clone(), sum);
    }
}

fn raise(total: &mut Amounts, floor: &Amounts) {
    for (name, amount) in floor {
        if total.get(name).is_none_or(|known| amount.cmp(known).is_gt()) {
            total.insert(name.clone(), *amount);
        }
    }
}

/// `limits.cpu for: c0,c1`, one text per obligatory amount that containers leave out.
pub fn missing(request: &Request<'_>, object: &Value, names: &[&str]) -> Vec<String> {
    if !request.is_resource("", "pods") {
        return Vec::new();
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let containers = ["containers", "initContainers"].iter().flat_map(|list| object.list_at(&["spec", list]));
    for container in containers {
        let given = compute(
            &amounts(container, &["resources", "requests"]),
            &amounts(container, &["resources", "limits"]),
        );
        for name in names.iter().filter(|name| OBLIGATORY.contains(name) && !given.contains_key(**name)) {
            missing.entry(name).or_default().insert(container.str_at(&["name"]));
        }
    }
    let text = |(name, containers): (&str, BTreeSet<&str>)| {
        format!("{name} for: {}", containers.into_iter().collect::<Vec<_>>().join(","))
    };
    missing.into_iter().map(text).collect()
}

/// Whether no container asks for CPU or memory.
pub fn is_best_effort(pod: &Value) -> bool {
    let lists = ["containers", "initContainers"];
    let containers = lists.iter().flat_map(|list| pod.list_at(&["spec", list]));
    let asks = |value: &Value, path: [&str; 2]| {
        let amounts = amounts(value, &path);
        ["cpu", "memory"].iter().any(|name| amounts.get(*name).is_some_and(|amount| !amount.is_zero()))
    };
    let any = |value: &Value| asks(value, ["resources", "requests"]) || asks(value, ["resources", "limits"]);
    !containers.into_iter().any(any) && !pod.at(&["spec"]).is_some_and(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_pod_counts_its_peak() {
        let pod = parse(
            r#"{"spec":{
                "containers":[{"resources":{"requests":{"cpu":"500m","memory":"1Gi"}}}],
                "initContainers":[
                    {"restartPolicy":"Always","resources":{"requests":{"cpu":"100m"}}},
                    {"resources":{"requests":{"cpu":"800m"}}}],
                "overhead":{"cpu":"10m"}}}"#,
        );
        let total = pod_total(&pod, "requests");
        assert_eq!(total.get("cpu").unwrap().to_string(), "910m");
        assert_eq!(total.get("memory").unwrap().to_string(), "1Gi");
    }

    #[test]
    fn extended_resources_count_by_their_requests() {
        let requests = Amounts::from([("example.com/gpu".to_string(), Quantity::from_int(2))]);
        let names: Vec<String> = compute(&requests, &requests).into_keys().collect();
        assert_eq!(names, ["requests.example.com/gpu"]);
    }

    #[test]
    fn claims_count_for_their_class_too() {
        let claim =
            parse(r#"{"spec":{"storageClassName":"gold","resources":{"requests":{"storage":"2Gi"}}}}"#);
        let mut used = Amounts::new();
        add_claim(&mut used, &claim);
        let shown: Vec<String> = used.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
        assert_eq!(
            shown,
            [
                "gold.storageclass.storage.k8s.io/persistentvolumeclaims=1",
                "gold.storageclass.storage.k8s.io/requests.storage=2Gi",
                "persistentvolumeclaims=1",
                "requests.storage=2Gi",
            ]
        );
    }
}
