//! Requests and limits, of containers and of whole pods.

use super::quantity;
use crate::validation::check::present;
use crate::validation::resources as names;
use pintle_object::quantity::Quantity;
use pintle_object::{ErrorKind, FieldError, FieldErrors, Path, Seen, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

type NameCheck = fn(&str, &Path<'_>, &mut FieldErrors);

/// Checks the resources of a container.
pub fn container(resources: &Value, claims: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    requirements(resources, names::container_resource_name, claims, path, errors);
}

/// Checks requests and limits whose names `name_check` knows.
pub fn requirements(
    resources: &Value,
    name_check: NameCheck,
    claims: &[&str],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (mut has_huge, mut has_compute) = (false, false);
    let mut note = |name: &str| {
        has_huge |= names::is_huge_pages(name);
        has_compute |= matches!(name, "cpu" | "memory");
    };
    let limits = path.child("limits");
    for (name, value) in resources.map_at(&["limits"]).into_iter().flat_map(|map| map.iter()) {
        name_check(name, &limits.key(name), errors);
        names::resource_amount(name, value, &limits.key(name), errors);
        huge_pages(name, value, &limits.key(name), errors);
        note(name);
    }
    let requests = path.child("requests");
    for (name, value) in resources.map_at(&["requests"]).into_iter().flat_map(|map| map.iter()) {
        name_check(name, &requests.key(name), errors);
        names::resource_amount(name, value, &requests.key(name), errors);
        match resources.at(&["limits", name]) {
            Some(limit) => within_limit(name, value, limit, &requests, errors),
            None if !names::is_overcommit_allowed(name) => {
                errors.required(&limits, "Limit must be set for non overcommitable resources");
            }
            None => {}
        }
        huge_pages(name, value, &requests.key(name), errors);
        note(name);
    }
    if has_huge && !has_compute {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    claim_names(resources, claims, &path.child("claims"), errors);
}

fn within_limit(name: &str, value: &Value, limit: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let order = quantity(value).cmp(&quantity(limit));
    let shown = limit.as_str().unwrap_or("");
    if order != Ordering::Equal && !names::is_overcommit_allowed(name) {
        errors.invalid(path, value, &format!("must be equal to {name} limit of {shown}"));
    } else if order == Ordering::Greater {
        errors.invalid(path, value, &format!("must be less than or equal to {name} limit of {shown}"));
    }
}

/// An amount of huge pages is a number of pages.
fn huge_pages(name: &str, value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(size) = name.strip_prefix("hugepages-") else { return };
    let amount = quantity(value);
    let page = Quantity::parse(size).map_or(0, |size| size.value());
    let is_whole = page > 0 && amount.is_whole() && amount.value() % page == 0;
    if !is_whole {
        let shown = value.as_str().unwrap_or("");
        errors.invalid(path, value, &format!("{shown} is not positive integer multiple of {name}"));
    }
}

fn claim_names(resources: &Value, claims: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, claim) in resources.list_at(&["claims"]).iter().enumerate() {
        let (name, request) = (claim.str_at(&["name"]), claim.str_at(&["request"]));
        let path = path.index(index);
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let key = if request.is_empty() { name.to_string() } else { format!("{name}/{request}") };
        if seen.contains(&key) {
            errors.duplicate(&path, &key);
        }
        seen.push(key);
        if !claims.contains(&name) {
            let suffix = if claims.is_empty() {
                String::from(" which is empty")
            } else {
                format!(": {}", claims.join(", "))
            };
            let shown = pintle_object::field::quote(name);
            errors.push(FieldError {
                kind: ErrorKind::NotFound,
                field: path.to_string(),
                message: format!(
                    "Not found: {shown}: must be one of the names in pod.spec.resourceClaims{suffix}"
                ),
            });
        }
    }
}

/// Checks the resources of the pod itself, and that its containers stay within them.
pub fn pod_level(spec: &Value, claims: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(resources) = present(spec, &["resources"]) else { return };
    requirements(resources, pod_resource_name, claims, path, errors);
    let own = |field: &str, name: &str| resources.at(&[field, name]);
    let mut exceeds = |field: &'static str, name: &str, sum: &Quantity, what: &str| {
        let Some(value) = own(field, name) else { return };
        if sum.cmp(&quantity(value)) == Ordering::Greater {
            let why = format!("must be greater than or equal to aggregate container {what} of {sum}");
            errors.invalid(&path.child(field).key(name), value, &why);
        }
    };
    for (name, sum) in aggregate(spec, "requests") {
        exceeds("requests", &name, &sum, "requests");
    }
    for (name, sum) in aggregate(spec, "limits").into_iter().filter(|(name, _)| names::is_huge_pages(name)) {
        exceeds("limits", &name, &sum, "limits");
    }
    let containers = path.child("containers");
    for (index, container) in spec.list_at(&["containers"]).iter().enumerate() {
        let path = containers.index(index);
        let limits = container.map_at(&["resources", "limits"]);
        for (name, limit) in limits.into_iter().flat_map(|map| map.iter()) {
            let Some(own) = own("limits", name) else { continue };
            if quantity(limit).cmp(&quantity(own)) == Ordering::Greater {
                let why =
                    format!("must be less than or equal to pod limits of {}", own.as_str().unwrap_or(""));
                errors.invalid(&path.key(name).child("limits"), limit, &why);
            }
        }
    }
}

fn pod_resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    names::resource_name(name, path, errors);
    if !matches!(name, "cpu" | "memory") && !names::is_huge_pages(name) {
        errors.not_supported(path, name, &["cpu", "hugepages-", "memory"]);
    }
}

/// The need of all containers: their sum, or that of one init container with the sidecars before it.
fn aggregate(spec: &Value, field: &str) -> BTreeMap<String, Quantity> {
    let amounts = |container: &Value| -> Vec<(String, Quantity)> {
        let map = container.map_at(&["resources", field]);
        map.into_iter()
            .flat_map(|map| map.iter())
            .map(|(name, value)| (name.to_string(), quantity(value)))
            .collect()
    };
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    for (name, amount) in spec.list_at(&["containers"]).iter().flat_map(amounts) {
        add(&mut total, name, &amount);
    }
    let mut sidecars: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut peak: BTreeMap<String, Quantity> = BTreeMap::new();
    for container in spec.list_at(&["initContainers"]) {
        let is_sidecar = container.str_at(&["restartPolicy"]) == "Always";
        let mut needs = sidecars.clone();
        for (name, amount) in amounts(container) {
            add(&mut needs, name.clone(), &amount);
            if is_sidecar {
                add(&mut sidecars, name.clone(), &amount);
                add(&mut total, name, &amount);
            }
        }
        needs.into_iter().for_each(|(name, amount)| raise(&mut peak, name, amount));
    }
    peak.into_iter().for_each(|(name, amount)| raise(&mut total, name, amount));
    total
}

fn add(map: &mut BTreeMap<String, Quantity>, name: String, amount: &Quantity) {
    let sum = map.get(&name).map_or_else(|| *amount, |before| before.add(amount));
    map.insert(name, sum);
}

fn raise(map: &mut BTreeMap<String, Quantity>, name: String, amount: Quantity) {
    if map.get(&name).is_none_or(|before| before.cmp(&amount) == Ordering::Less) {
        map.insert(name, amount);
    }
}
