//! LimitRanger: the limit ranges of a namespace set and bound the resources of pods and claims.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::meta;
use pintle_object::quantity::Quantity;
use pintle_object::{Status, Value};
use std::collections::BTreeMap;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

type Amounts = BTreeMap<String, Quantity>;

pub struct LimitRanger;

impl Plugin for LimitRanger {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !applies(request) || !request.is_resource("", "pods") {
            return Ok(());
        }
        for range in ranges(request) {
            complete_pod(object, &range);
        }
        Ok(())
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !applies(request) {
            return Ok(());
        }
        for range in ranges(request) {
            let errors = match request.is_resource("", "pods") {
                true => pod_errors(object, &range),
                false => claim_errors(object, &range),
            };
            if !errors.is_empty() {
                return Err(request.forbidden(object, aggregate(&errors)));
            }
        }
        Ok(())
    }
}

/// Pods and claims that are created, pods that are resized, and claims that grow; but nothing that is on its way out.
fn applies(request: &Request<'_>) -> bool {
    if request.attributes.old.is_some_and(meta::is_deleting) {
        return false;
    }
    let is_resize = request.is_update() && request.subresource() == "resize";
    request.creates("", "pods")
        || is_resize && request.is_resource("", "pods")
        || request.is_object("", "persistentvolumeclaims") && (request.is_create() || request.is_update())
}

fn ranges(request: &Request<'_>) -> Vec<Value> {
    request.view.list("", "limitranges", request.namespace())
}

/// Go's aggregate: one text as it is, several in brackets, repeated ones once.
fn aggregate(errors: &[String]) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for error in errors {
        if !distinct.contains(&error.as_str()) {
            distinct.push(error);
        }
    }
    match distinct.as_slice() {
        [only] => (*only).to_string(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn limits_of<'a>(range: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    range.list_at(&["spec", "limits"]).iter().filter(move |limit| limit.str_at(&["type"]) == kind)
}

/// Fills in the range's default requests and limits, and says so in an annotation.
fn complete_pod(pod: &mut Value, range: &Value) {
    let mut defaults: [BTreeMap<String, Value>; 2] = Default::default();
    for limit in limits_of(range, "Container") {
        for (default, field) in defaults.iter_mut().zip(["defaultRequest", "default"]) {
            let amounts = limit.map_at(&[field]).into_iter().flat_map(|amounts| amounts.iter());
            default.extend(amounts.map(|(name, amount)| (name.to_string(), amount.clone())));
        }
    }
    let mut notes: Vec<String> = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod.at_mut(&["spec", list]).and_then(Value::as_list_mut);
        for container in containers.into_iter().flatten() {
            let name = container.str_at(&["name"]).to_string();
            for (default, (field, word)) in
                defaults.iter().zip([("requests", "request"), ("limits", "limit")])
            {
                let set = complete_amounts(container, field, default);
                if !set.is_empty() {
                    notes.push(format!("{} {word} for {what} {name}", set.join(", ")));
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        pod.set(&["metadata", "annotations", ANNOTATION], note);
    }
}

/// The names of the resources that got their default.
fn complete_amounts<'a>(
    container: &mut Value,
    field: &str,
    defaults: &'a BTreeMap<String, Value>,
) -> Vec<&'a str> {
    let mut set = Vec::new();
    for (name, amount) in defaults {
        if container.at(&["resources", field, name]).is_none() {
            container.set(&["resources", field, name], amount.clone());
            set.push(name.as_str());
        }
    }
    set
}

fn amounts(value: &Value, path: &[&str]) -> Amounts {
    let entries = value.map_at(path).into_iter().flat_map(|map| map.iter());
    entries
        .filter_map(|(name, amount)| Some((name.to_string(), Quantity::parse(amount.as_str()?).ok()?)))
        .collect()
}

fn pod_errors(pod: &Value, range: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    for limit in range.list_at(&["spec", "limits"]) {
        match limit.str_at(&["type"]) {
            "Container" => {
                for list in ["containers", "initContainers"] {
                    for container in pod.list_at(&["spec", list]) {
                        let requests = amounts(container, &["resources", "requests"]);
                        let limits = amounts(container, &["resources", "limits"]);
                        bound(limit, &requests, &limits, &mut errors);
                    }
                }
            }
            "Pod" => {
                let requests = pod_amounts(pod, "requests");
                let limits = pod_amounts(pod, "limits");
                bound(limit, &requests, &limits, &mut errors);
            }
            _ => {}
        }
    }
    errors
}

/// The errors of a claim, whose requests count as its limits too.
fn claim_errors(claim: &Value, range: &Value) -> Vec<String> {
    let requests = amounts(claim, &["spec", "resources", "requests"]);
    let mut errors = Vec::new();
    for limit in limits_of(range, "PersistentVolumeClaim") {
        for (name, least) in amounts(limit, &["min"]) {
            if let Err(error) = at_least("PersistentVolumeClaim", &name, &least, &requests, &Amounts::new()) {
                errors.push(error);
            }
        }
        for (name, most) in amounts(limit, &["max"]) {
            let usage = format!("maximum {name} usage per PersistentVolumeClaim is {most}");
            match requests.get(&name) {
                None => errors.push(format!("{usage}.  No request is specified")),
                Some(request) if *request > most => errors.push(format!("{usage}, but request is {request}")),
                Some(_) => {}
            }
        }
    }
    errors
}

/// The requests or limits of a whole pod: the sum of the containers that run together, or, if that is more, an init
/// container with the sidecars before it. CPU and memory of the pod's own `resources` take precedence over both.
fn pod_amounts(pod: &Value, field: &str) -> Amounts {
    let (mut total, mut sidecars, mut greatest) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in pod.list_at(&["spec", "containers"]) {
        add(&mut total, &amounts(container, &["resources", field]));
    }
    for container in pod.list_at(&["spec", "initContainers"]) {
        let own = amounts(container, &["resources", field]);
        if container.str_at(&["restartPolicy"]) == "Always" {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            raise(&mut greatest, &sidecars);
        } else {
            let mut together = own;
            add(&mut together, &sidecars);
            raise(&mut greatest, &together);
        }
    }
    raise(&mut total, &greatest);
    let of_pod = amounts(pod, &["spec", "resources", field]);
    total.extend(of_pod.into_iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory")));
    total
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |known| known.add(amount));
        total.insert(name.clone(), sum);
    }
}

/// Puts greater amounts in the place of smaller ones.
fn raise(total: &mut Amounts, others: &Amounts) {
    for (name, amount) in others {
        if total.get(name).is_none_or(|known| amount.cmp(known).is_gt()) {
            total.insert(name.clone(), *amount);
        }
    }
}

fn bound(limit: &Value, requests: &Amounts, limits: &Amounts, errors: &mut Vec<String>) {
    let kind = limit.str_at(&["type"]);
    let checks: [(&str, Check); 3] =
        [("min", at_least), ("max", at_most), ("maxLimitRequestRatio", in_ratio)];
    for (field, check) in checks {
        for (name, bound) in amounts(limit, &[field]) {
            errors.extend(check(kind, &name, &bound, requests, limits).err());
        }
    }
}

type Check = fn(&str, &str, &Quantity, &Amounts, &Amounts) -> Result<(), String>;

fn at_least(
    kind: &str,
    name: &str,
    least: &Quantity,
    requests: &Amounts,
    limits: &Amounts,
) -> Result<(), String> {
    let usage = format!("minimum {name} usage per {kind} is {least}");
    let Some(request) = requests.get(name) else { return Err(format!("{usage}.  No request is specified")) };
    if request.cmp(least).is_lt() {
        return Err(format!("{usage}, but request is {request}"));
    }
    match limits.get(name) {
        Some(limit) if limit.cmp(least).is_lt() => Err(format!("{usage}, but limit is {limit}")),
        _ => Ok(()),
    }
}

fn at_most(
    kind: &str,
    name: &str,
    most: &Quantity,
    requests: &Amounts,
    limits: &Amounts,
) -> Result<(), String> {
    let usage = format!("maximum {name} usage per {kind} is {most}");
    let Some(limit) = limits.get(name) else { return Err(format!("{usage}.  No limit is specified")) };
    if limit.cmp(most).is_gt() {
        return Err(format!("{usage}, but limit is {limit}"));
    }
    match requests.get(name) {
        Some(request) if request.cmp(most).is_gt() => Err(format!("{usage}, but request is {request}")),
        _ => Ok(()),
    }
}

fn in_ratio(
    kind: &str,
    name: &str,
    most: &Quantity,
    requests: &Amounts,
    limits: &Amounts,
) -> Result<(), String> {
    let usage = format!("{name} max limit to request ratio per {kind} is {most}");
    let non_zero = |amounts: &Amounts| amounts.get(name).filter(|amount| !amount.is_zero()).copied();
    let Some(request) = non_zero(requests) else {
        return Err(format!("{usage}, but no request is specified or request is 0"));
    };
    let Some(limit) = non_zero(limits) else {
        return Err(format!("{usage}, but no limit is specified or limit is 0"));
    };
    let ratio = limit.approximate() / request.approximate();
    // Compared in thousandths, as upstream does, so that a ratio like 1.5 is met exactly.
    if ratio * 1000.0 > most.milli_value() as f64 {
        return Err(format!("{usage}, but provided ratio is {ratio:.6}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn pods_are_bound_container_by_container_and_as_a_whole() {
        let check = |limit: &str, containers: &str, expected: &[&str]| {
            let range = parse(&format!(r#"{{"spec":{{"limits":[{limit}]}}}}"#));
            let pod = parse(&format!(r#"{{"spec":{{"containers":[{containers}]}}}}"#));
            assert_eq!(pod_errors(&pod, &range), expected);
        };
        let cpu = |request: &str, limit: &str| {
            format!(r#"{{"resources":{{"requests":{{"cpu":"{request}"}},"limits":{{"cpu":"{limit}"}}}}}}"#)
        };
        let two = format!("{},{}", cpu("600m", "600m"), cpu("600m", "600m"));
        check(
            r#"{"type":"Container","min":{"cpu":"100m"},"max":{"cpu":"1"}}"#,
            &cpu("50m", "2"),
            &[
                "minimum cpu usage per Container is 100m, but request is 50m",
                "maximum cpu usage per Container is 1, but limit is 2",
            ],
        );
        check(
            r#"{"type":"Pod","max":{"cpu":"1"}}"#,
            &two,
            &["maximum cpu usage per Pod is 1, but limit is 1200m"],
        );
        check(
            r#"{"type":"Container","maxLimitRequestRatio":{"cpu":"2"}}"#,
            &cpu("100m", "300m"),
            &["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"],
        );
        check(r#"{"type":"Container","maxLimitRequestRatio":{"cpu":"1.5"}}"#, &cpu("100m", "150m"), &[]);
    }

    #[test]
    fn sidecars_run_beside_containers() {
        let check = |init: &str, expected: &str| {
            let container = r#"{"resources":{"requests":{"cpu":"1"}}}"#;
            let pod = format!(r#"{{"spec":{{"containers":[{container}],"initContainers":[{init}]}}}}"#);
            let found = pod_amounts(&parse(&pod), "requests").get("cpu").map(ToString::to_string);
            assert_eq!(found.as_deref(), Some(expected), "{init}");
        };
        let first = r#"{"resources":{"requests":{"cpu":"2"}}}"#;
        let sidecar = r#"{"restartPolicy":"Always","resources":{"requests":{"cpu":"2"}}}"#;
        check("", "1");
        check(first, "2");
        check(sidecar, "3");
        check(&format!("{sidecar},{first}"), "4");
        check(&format!("{first},{sidecar}"), "3");
    }

    #[test]
    fn defaults_are_filled_in_and_noted() {
        let range = parse(
            r#"{"spec":{"limits":[{"type":"Container","default":{"cpu":"2"},"defaultRequest":{"cpu":"1"}}]}}"#,
        );
        let mut pod =
            parse(r#"{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"500m"}}}]}}"#);
        complete_pod(&mut pod, &range);
        let note = pod.str_at(&["metadata", "annotations", ANNOTATION]);
        assert_eq!(note, "LimitRanger plugin set: cpu limit for container c");
        let container = pod.list_at(&["spec", "containers"]).first().unwrap();
        assert_eq!(container.str_at(&["resources", "limits", "cpu"]), "2");
        assert_eq!(container.str_at(&["resources", "requests", "cpu"]), "500m");
    }
}
