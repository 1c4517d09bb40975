//! Updates of pods through `status`: the reports of nodes and schedulers.

use super::validate;
use crate::validation::check::{self, invalid_all, present};
use crate::validation::{internal_type, ip, meta, net};
use crate::{keep, keep_at};
use pintle_object::{FieldErrors, Map, Path, Seen, Value, content, repeats};
use std::collections::{BTreeMap, VecDeque};

const STATUS: Path<'static> = Path::root("status");
const STATUS_LISTS: [(&str, &str); 3] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", ""),
];

/// Keeps fields that a status update cannot change, and those that an older kubelet omits.
pub fn prepare(new: &mut Value, old: &Value) {
    keep(new, old, "spec");
    keep_at(new, old, &["metadata", "deletionTimestamp"]);
    keep_at(new, old, &["metadata", "ownerReferences"]);
    if new.str_at(&["status", "qosClass"]).is_empty() && !old.str_at(&["status", "qosClass"]).is_empty() {
        keep_at(new, old, &["status", "qosClass"]);
    }
    keep_observed(new, old);
}

/// Generations that were observed stay, of the status and of the conditions type by type.
fn keep_observed(new: &mut Value, old: &Value) {
    const FIELD: &str = "observedGeneration";
    let observed = |object: &Value| object.int_at(&[FIELD]).unwrap_or(0);
    let of_status = old.get("status").map_or(0, observed);
    if of_status != 0 && new.get("status").map_or(0, observed) == 0 {
        new.set(&["status", FIELD], of_status);
    }
    // Of several of one type, each is kept once, in order.
    let mut before: BTreeMap<&str, VecDeque<&Value>> = BTreeMap::new();
    for condition in old.list_at(&["status", "conditions"]) {
        before.entry(condition.str_at(&["type"])).or_default().push_back(condition);
    }
    let conditions = new.at_mut(&["status", "conditions"]).and_then(Value::as_list_mut);
    for condition in conditions.into_iter().flatten() {
        let kind = condition.str_at(&["type"]);
        let Some(known) = before.get_mut(kind).and_then(VecDeque::pop_front) else { continue };
        let generation = observed(known);
        if generation != 0 && observed(condition) == 0 {
            condition.set(&[FIELD], generation);
        }
    }
}

/// All errors of a report.
pub fn validate(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    validate::annotation_update(new, old, errors);
    conditions(new, errors);
    let nominated = new.str_at(&["status", "nominatedNodeName"]);
    if !nominated.is_empty() && nominated != old.str_at(&["status", "nominatedNodeName"]) {
        let path = STATUS.child("nominatedNodeName");
        invalid_all(content::dns1123_subdomain(nominated), nominated, &path, errors);
    }
    let class = |pod: &Value| Value::from(pod.str_at(&["status", "qosClass"]));
    check::immutable(Some(&class(new)), Some(&class(old)), &STATUS.child("qosClass"), errors);
    for (list, _) in STATUS_LISTS {
        transitions(new, old, list, errors);
    }
    claim_statuses(new, errors);
    extended_claims(new, errors);
    pod_ips(new, errors);
    host_ips(new, errors);
    for (list, _) in STATUS_LISTS {
        users(new, list, errors);
    }
    for (list, containers) in STATUS_LISTS {
        allocated(new, list, containers, errors);
    }
}

/// Texts of warnings about addresses that are not written as programs write them.
pub fn warnings(new: &Value, out: &mut Vec<String>) {
    for list in ["podIPs", "hostIPs"] {
        let path = STATUS.child(list);
        for (index, entry) in new.list_at(&["status", list]).iter().enumerate() {
            net::warn_ip(entry.str_at(&["ip"]), &path.index(index).child("ip"), out);
        }
    }
}

fn conditions(new: &Value, errors: &mut FieldErrors) {
    let path = STATUS.child("conditions");
    for (index, condition) in new.list_at(&["status", "conditions"]).iter().enumerate() {
        let kind = condition.str_at(&["type"]);
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            invalid_all(content::label_key(kind), kind, &path.index(index).child("Type"), errors);
        }
    }
}

/// A container that ended for good does not run again.
fn transitions(new: &Value, old: &Value, list: &str, errors: &mut FieldErrors) {
    let policy =
        if list == "ephemeralContainerStatuses" { "Never" } else { old.str_at(&["spec", "restartPolicy"]) };
    if policy == "Always" {
        return;
    }
    let path = STATUS.child(list);
    // The number of statuses of each name that are not terminated.
    let mut running: BTreeMap<&str, usize> = BTreeMap::new();
    for new in new.list_at(&["status", list]) {
        if present(new, &["state", "terminated"]).is_none() {
            *running.entry(new.str_at(&["name"])).or_default() += 1;
        }
    }
    let containers = match list {
        "containerStatuses" => by_name(old.list_at(&["spec", "containers"])),
        "initContainerStatuses" => by_name(old.list_at(&["spec", "initContainers"])),
        _ => BTreeMap::new(),
    };
    for (index, status) in old.list_at(&["status", list]).iter().enumerate() {
        let Some(ended) = present(status, &["state", "terminated"]) else { continue };
        let name = status.str_at(&["name"]);
        let has_failed = ended.int_at(&["exitCode"]).unwrap_or(0) != 0;
        if (has_failed && policy == "OnFailure")
            || containers.get(name).is_some_and(|container| may_restart(container, ended))
        {
            continue;
        }
        for _ in 0..running.get(name).copied().unwrap_or(0) {
            if errors.is_full() {
                return;
            }
            let why = "may not be transitioned to non-terminated state";
            errors.forbidden(&path.index(index).child("state"), why);
        }
    }
}

/// Containers by their names, the first of each.
fn by_name<'a>(containers: impl IntoIterator<Item = &'a Value>) -> BTreeMap<&'a str, &'a Value> {
    let mut found = BTreeMap::new();
    for container in containers {
        found.entry(container.str_at(&["name"])).or_insert(container);
    }
    found
}

/// Whether the container itself says that it restarts.
fn may_restart(container: &Value, ended: &Value) -> bool {
    let code = ended.int_at(&["exitCode"]).unwrap_or(0);
    let matches = |rule: &Value| {
        let has_code =
            rule.list_at(&["exitCodes", "values"]).iter().any(|value| value.as_i64() == Some(code));
        has_code == (rule.str_at(&["exitCodes", "operator"]) == "In")
    };
    if container.list_at(&["restartPolicyRules"]).iter().any(matches) {
        return true;
    }
    match container.str_at(&["restartPolicy"]) {
        "Always" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}

fn claim_statuses(new: &Value, errors: &mut FieldErrors) {
    let path = STATUS.child("resourceClaimStatuses");
    let claims: Seen<&str> =
        new.list_at(&["spec", "resourceClaims"]).iter().map(|claim| claim.str_at(&["name"])).collect();
    let mut seen = Seen::new();
    for (index, status) in new.list_at(&["status", "resourceClaimStatuses"]).iter().enumerate() {
        let path = path.index(index);
        let path = path.child("name");
        let name = status.str_at(&["name"]);
        if !claims.contains(&name) {
            errors.invalid(&path, name, "must match the name of an entry in `spec.resourceClaims`");
        }
        if seen.contains(&name) {
            errors.duplicate(&path, name);
        }
        seen.push(name);
        if let Some(claim) = present(status, &["resourceClaimName"]).and_then(Value::as_str) {
            invalid_all(content::dns1123_subdomain(claim), claim, &path, errors);
        }
    }
}

/// The claim that a scheduler made for resources that containers request by name.
fn extended_claims(new: &Value, errors: &mut FieldErrors) {
    let Some(status) = present(new, &["status", "extendedResourceClaimStatus"]) else { return };
    let owner = STATUS.child("extendedResourceClaimStatus");
    let claim = status.str_at(&["resourceClaimName"]);
    invalid_all(content::dns1123_subdomain(claim), claim, &owner.child("resourceClaimName"), errors);
    let list = owner.child("requestMappings");
    let mappings = status.list_at(&["requestMappings"]);
    if mappings.is_empty() {
        errors.required(&list, "at least one request mapping is required");
    }
    let containers = ["initContainers", "containers"].map(|list| new.list_at(&["spec", list]));
    let containers = by_name(containers.into_iter().flatten());
    for (index, mapping) in mappings.iter().enumerate() {
        let path = list.index(index);
        let (name, resource) = (mapping.str_at(&["containerName"]), mapping.str_at(&["resourceName"]));
        match containers.get(name) {
            None => {
                let why =
                    "must match the name of an entry in spec.initContainers.name or spec.containers.name";
                errors.invalid(&path.child("containerName"), name, why);
            }
            Some(container) if container.at(&["resources", "requests", resource]).is_none() => {
                let why = "must match the extended resource name of an entry in \
                           spec.initContainers.resources.requests or spec.containers.resources.requests";
                errors.invalid(&path.child("resourceName"), resource, why);
            }
            Some(_) => {}
        }
        let request = mapping.str_at(&["requestName"]);
        invalid_all(content::dns1123_label(request), request, &owner.child("requestName"), errors);
    }
}

fn pod_ips(new: &Value, errors: &mut FieldErrors) {
    let path = STATUS.child("podIPs");
    let ips = addresses(new, "podIPs");
    for (index, address) in ips.iter().enumerate() {
        ip::legacy_ip(address, &path.index(index), errors);
    }
    one_of_each_family(new, "podIPs", &ips, &path, errors);
}

fn host_ips(new: &Value, errors: &mut FieldErrors) {
    let path = STATUS.child("hostIPs");
    let ips = addresses(new, "hostIPs");
    let Some(first) = ips.first() else { return };
    if new.str_at(&["status", "hostIP"]) != *first {
        errors.invalid(&path.index(0).child("ip"), *first, "must be equal to `hostIP`");
    }
    for (index, address) in ips.iter().enumerate() {
        ip::legacy_ip(address, &path.index(index), errors);
    }
    one_of_each_family(new, "hostIPs", &ips, &path, errors);
}

fn addresses<'a>(pod: &'a Value, list: &str) -> Vec<&'a str> {
    pod.list_at(&["status", list]).iter().map(|entry| entry.str_at(&["ip"])).collect()
}

fn one_of_each_family(new: &Value, list: &str, ips: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    if ips.len() < 2 {
        return;
    }
    let parsed: Vec<_> = ips.iter().map(|address| ip::parse(address)).collect();
    let broken = parsed.iter().position(Option::is_none);
    if let Some(place) = broken {
        let bad = ips.get(place).copied().unwrap_or_default();
        errors
            .internal(path, &format!("failed to check for dual stack with error:invalid IP[{place}]: {bad}"));
    }
    let has = |is_ipv6: bool| parsed.iter().flatten().any(|address| address.is_ipv6() == is_ipv6);
    if broken.is_some() || !has(true) || !has(false) || ips.len() > 2 {
        let shown = internal_type::shown_list(new.list_at(&["status", list]), "PodIP");
        errors.invalid(path, shown, "may specify no more than one IP for each IP family");
    }
    for ((index, address), is_again) in ips.iter().enumerate().zip(repeats(ips)) {
        if is_again {
            let entry: Map = [("ip", *address)].into_iter().collect();
            errors.duplicate(&path.index(index), internal_type::shown(&Value::Map(entry), "PodIP"));
        }
    }
}

fn users(new: &Value, list: &str, errors: &mut FieldErrors) {
    let path = STATUS.child(list);
    let is_windows = new.str_at(&["spec", "os", "name"]) == "windows";
    for (index, status) in new.list_at(&["status", list]).iter().enumerate() {
        let Some(user) = present(status, &["user", "linux"]) else { continue };
        let path = path.index(index);
        let path = path.child("user");
        let path = path.child("linux");
        if is_windows {
            errors.forbidden(&path, "cannot be set for a windows pod");
            continue;
        }
        for field in ["uid", "gid"] {
            id(user.int_at(&[field]).unwrap_or(0), &path.child(field), errors);
        }
        let path = path.child("supplementalGroups");
        for (index, group) in user.list_at(&["supplementalGroups"]).iter().enumerate() {
            id(group.as_i64().unwrap_or(0), &path.index(index), errors);
        }
    }
}

fn id(id: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    if !(0..=i64::from(i32::MAX)).contains(&id) {
        errors.invalid(path, id, &content::inclusive_range_error(0, i32::MAX.into()));
    }
}

/// The health of devices: those that the container requests or claims.
fn allocated(new: &Value, list: &str, containers: &str, errors: &mut FieldErrors) {
    let owner = STATUS.child(list);
    let known = by_name(new.list_at(&["spec", containers])).into_iter();
    let known: BTreeMap<&str, (&Value, Seen<String>)> =
        known.map(|(name, container)| (name, (container, claimed(container)))).collect();
    for (index, status) in new.list_at(&["status", list]).iter().enumerate() {
        let path = owner.index(index);
        let path = path.child("allocatedResourcesStatus");
        let resources = status.list_at(&["allocatedResourcesStatus"]);
        if containers.is_empty() {
            if !resources.is_empty() {
                errors.forbidden(&path, "must not be specified in container status");
            }
            continue;
        }
        let name = status.str_at(&["name"]);
        let container = known.get(name);
        for (index, resource) in resources.iter().enumerate() {
            let path = path.index(index);
            if let Some((container, claims)) = container {
                asked_for(resource.str_at(&["name"]), container, claims, &path.child("name"), errors);
            }
            devices(resource, &path.child("resources"), errors);
        }
    }
}

/// The claims of a container, as reports name them.
fn claimed(container: &Value) -> Seen<String> {
    let named = |claim: &Value| {
        let (name, request) = (claim.str_at(&["name"]), claim.str_at(&["request"]));
        if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") }
    };
    container.list_at(&["resources", "claims"]).iter().map(named).collect()
}

fn asked_for(
    name: &str,
    container: &Value,
    claims: &Seen<String>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(claimed) = name.strip_prefix("claim:") else {
        if container.at(&["resources", "requests", name]).is_none() {
            errors.invalid(path, name, "must match one of the container's resource requests");
        }
        return;
    };
    if !claims.contains(&claimed.to_owned()) {
        let why = "must match one of the container's resource claims in a format \
                   'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty";
        errors.invalid(path, name, why);
    }
}

fn devices(resource: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, device) in resource.list_at(&["resources"]).iter().enumerate() {
        let path = path.index(index);
        let health = device.str_at(&["health"]);
        if !matches!(health, "Healthy" | "Unhealthy" | "Unknown") {
            errors.not_supported(&path.child("health"), health, &["Healthy", "Unhealthy", "Unknown"]);
        }
        let id = device.str_at(&["resourceID"]);
        if seen.contains(&id) {
            errors.duplicate(&path.child("resourceID"), id);
        }
        seen.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(new: &str, old: &str, expected: &[&str]) {
        let parse = |rest: &str| {
            let json =
                format!(r#"{{"metadata":{{"name":"p","namespace":"n","resourceVersion":"1"}},{rest}}}"#);
            pintle_object::json::parse(json.as_bytes()).expect("test data is JSON")
        };
        let mut errors = FieldErrors::new();
        validate(&parse(new), &parse(old), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{old} -> {new}");
    }

    #[test]
    fn reports_are_checked() {
        check(r#""status":{}"#, r#""status":{}"#, &[]);
        check(
            r#""status":{"conditions":[{"type":"no condition"}]}"#,
            r#""status":{}"#,
            &[
                "status.conditions[0].Type: Invalid value: \"no condition\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            ],
        );
        check(
            r#""status":{"podIPs":[{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]}"#,
            r#""status":{}"#,
            &[
                "status.podIPs: Invalid value: [{\"IP\":\"10.0.0.1\"},{\"IP\":\"10.0.0.2\"}]: may specify no more than one IP for each IP family",
            ],
        );
        check(
            r#""status":{"containerStatuses":[{"name":"c","state":{"running":{}}}]}"#,
            r#""spec":{"restartPolicy":"Never"},"status":{"containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":1}}}]}"#,
            &[
                "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
            ],
        );
    }

    #[test]
    fn observed_generations_stay() {
        let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
        let old = parse(
            r#"{"status":{"observedGeneration":3,"conditions":[{"type":"A","observedGeneration":2}]}}"#,
        );
        let mut new = parse(r#"{"status":{"conditions":[{"type":"B"},{"type":"A"}]}}"#);
        prepare(&mut new, &old);
        assert_eq!(new.int_at(&["status", "observedGeneration"]), Some(3));
        let conditions = new.list_at(&["status", "conditions"]);
        assert_eq!(conditions[1].int_at(&["observedGeneration"]), Some(2));
        assert_eq!(conditions[0].int_at(&["observedGeneration"]), None);
    }
}
