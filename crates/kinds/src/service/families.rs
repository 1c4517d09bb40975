//! IP families of a Service: its own wishes, completed from the families of the cluster.

use crate::service::facts::{invalid, is_headless, kind};
use crate::validation::net;
use pintle_object::{FieldErrors, GatedRules, Path, Seen, Status, Value, repeats};

const IPS: Path<'static> = Path::root("spec.clusterIPs");
const FAMILIES: Path<'static> = Path::root("spec.ipFamilies");
const POLICY: Path<'static> = Path::root("spec.ipFamilyPolicy");
const V4: &str = "IPv4";
const V6: &str = "IPv6";
const SINGLE: &str = "SingleStack";
const REQUIRE: &str = "RequireDualStack";
const POLICIES: [&str; 3] = ["PreferDualStack", REQUIRE, SINGLE];

/// Sets policy and families where the client leaves them open; `cluster` says of each range whether it is IPv6.
pub fn settle(
    service: &mut Value,
    old: Option<&Value>,
    cluster: &[bool],
    rules: GatedRules,
) -> Result<(), Status> {
    if kind(service) == "ExternalName" || old.is_some_and(|old| is_settled(service, old)) {
        return Ok(());
    }
    choose_policy(service, old);
    let mut errors = FieldErrors::by(rules);
    validate(service, old, &mut errors);
    bail(service, errors)?;

    let mut errors = FieldErrors::new();
    if let Some(old) = old {
        reduce(service, old, &mut errors);
    }
    check_single(service, &mut errors);
    infer(service, cluster, &mut errors);
    bail(service, errors)?;

    let first = family(cluster.first().copied().unwrap_or(false));
    if is_headless(service) && !has_selector(service) {
        complete(service, first, true);
        return Ok(());
    }
    let mut errors = FieldErrors::new();
    check_cluster(service, cluster, &mut errors);
    bail(service, errors)?;
    complete(service, first, cluster.len() == 2);
    Ok(())
}

fn bail(service: &Value, errors: FieldErrors) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(invalid(service, errors)) }
}

fn family(is_v6: bool) -> &'static str {
    if is_v6 { V6 } else { V4 }
}

fn other(family: &str) -> &'static str {
    if family == V4 { V6 } else { V4 }
}

fn policy(service: &Value) -> &str {
    service.str_at(&["spec", "ipFamilyPolicy"])
}

fn texts(service: &Value, field: &str) -> Vec<String> {
    let list = service.list_at(&["spec", field]).iter();
    list.map(|text| text.as_str().unwrap_or("").to_string()).collect()
}

fn set_texts(service: &mut Value, field: &str, texts: &[String]) {
    let list: Vec<Value> = texts.iter().map(|text| Value::from(text.as_str())).collect();
    service.set(&["spec", field], list);
}

fn has_selector(service: &Value) -> bool {
    service.map_at(&["spec", "selector"]).is_some_and(|selector| !selector.is_empty())
}

fn is_same(new: &Value, old: &Value, field: &str) -> bool {
    new.list_at(&["spec", field]) == old.list_at(&["spec", field])
}

/// Whether a Service that prefers two families keeps those it has, even if the cluster's have changed.
fn is_settled(new: &Value, old: &Value) -> bool {
    kind(new) == kind(old)
        && policy(new) == "PreferDualStack"
        && matches!(policy(old), "PreferDualStack" | "")
        && is_same(new, old, "clusterIPs")
        && is_same(new, old, "ipFamilies")
}

fn choose_policy(service: &mut Value, old: Option<&Value>) {
    if !policy(service).is_empty() {
        return;
    }
    let from_old = old.map(policy).filter(|policy| !policy.is_empty());
    let is_open = service.str_at(&["spec", "clusterIP"]) == "None" && !has_selector(service);
    let chosen = from_old.unwrap_or(if is_open { REQUIRE } else { SINGLE }).to_string();
    service.set(&["spec", "ipFamilyPolicy"], chosen);
}

/// The errors of the four fields together: cluster IP, cluster IPs, families and their policy. Addresses that the
/// old version had are taken as they are.
pub fn validate(service: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let (ip, ips) = (service.str_at(&["spec", "clusterIP"]), texts(service, "clusterIPs"));
    let shown = service.at(&["spec", "clusterIPs"]).cloned().unwrap_or_default();
    match ips.first() {
        None if !ip.is_empty() => errors.required(&IPS, ""),
        Some(_) if ip.is_empty() => {
            errors.invalid(&IPS, &shown, "must be empty when `clusterIP` is not specified");
        }
        Some(first) if first != ip => errors.invalid(&IPS, &shown, "first value must match `clusterIP`"),
        _ => {}
    }
    let families = texts(service, "ipFamilies");
    for ((place, family), is_again) in families.iter().enumerate().zip(repeats(&families)) {
        if !matches!(family.as_str(), V4 | V6) {
            errors.not_supported(&FAMILIES.index(place), family, &[V4, V6]);
        }
        if is_again {
            errors.duplicate(&FAMILIES.index(place), family);
        }
    }
    if !policy(service).is_empty() && !POLICIES.contains(&policy(service)) {
        errors.not_supported(&POLICY, policy(service), &POLICIES);
    }
    let known = old.map(|old| texts(old, "clusterIPs")).unwrap_or_default();
    let known: Seen<&String> = known.iter().collect();
    let before = errors.len();
    for (place, ip) in ips.iter().enumerate() {
        if place == 0 && ip == "None" {
            if ips.len() > 1 {
                errors.invalid(&IPS, &shown, "'None' must be the first and only value");
            }
            continue;
        }
        if known.contains(&ip) {
            continue;
        }
        for message in net::legacy_ip_messages(ip, errors.rules()) {
            errors.invalid(&IPS.index(place), ip, &message);
        }
    }
    let has_invalid = errors.len() > before;
    if ips.len() > 2 {
        errors.invalid(&IPS, &shown, "may only hold up to 2 values");
    }
    if !has_invalid {
        validate_families(service, &ips, &families, &shown, errors);
    }
}

fn validate_families(
    service: &Value,
    ips: &[String],
    families: &[String],
    shown: &Value,
    errors: &mut FieldErrors,
) {
    let is_dual = ips.iter().any(|ip| is_v6(ip)) && ips.iter().any(|ip| !is_v6(ip));
    if ips.len() > 1 && !is_dual {
        errors.invalid(&IPS, shown, "may specify no more than one IP for each IP family");
    }
    if is_headless(service) {
        return;
    }
    for (place, (ip, wanted)) in ips.iter().zip(families).enumerate() {
        let found = family(is_v6(ip));
        if found != wanted && matches!(wanted.as_str(), V4 | V6) {
            let why = format!("expected an {wanted} value as indicated by `ipFamilies[{place}]`");
            errors.invalid(&IPS.index(place), ip, &why);
        }
    }
}

fn is_v6(ip: &str) -> bool {
    ip.contains(':')
}

/// A Service that becomes single-stack gives up its second address; any other has to say so first.
fn reduce(new: &mut Value, old: &Value, errors: &mut FieldErrors) {
    if policy(new) == SINGLE {
        for field in ["clusterIPs", "ipFamilies"] {
            let mut texts = texts(new, field);
            if is_same(new, old, field) && texts.len() > 1 {
                texts.truncate(1);
                set_texts(new, field, &texts);
            }
        }
        return;
    }
    let is_reduced = |field: &str| {
        let left = new.list_at(&["spec", field]).len();
        left > 0 && left < old.list_at(&["spec", field]).len()
    };
    for (field, what) in [("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")] {
        if is_reduced(field) {
            let why = format!("must be 'SingleStack' to release the secondary {what}");
            errors.invalid(&POLICY, policy(new), &why);
        }
    }
}

fn check_single(service: &Value, errors: &mut FieldErrors) {
    if policy(service) != SINGLE {
        return;
    }
    for (field, what) in [("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")] {
        if service.list_at(&["spec", field]).len() == 2 {
            let why =
                format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.invalid(&POLICY, policy(service), &why);
        }
    }
}

/// Sets the families from the addresses.
fn infer(service: &mut Value, cluster: &[bool], errors: &mut FieldErrors) {
    let mut families = texts(service, "ipFamilies");
    let count = families.len();
    for (place, ip) in texts(service, "clusterIPs").iter().enumerate().skip(count) {
        if ip == "None" {
            break;
        }
        let found = is_v6(ip);
        if cluster.contains(&found) {
            families.push(family(found).into());
        } else {
            let ips = service.at(&["spec", "clusterIPs"]).cloned().unwrap_or_default();
            let why = format!("{} is not configured on this cluster", family(found));
            errors.invalid(&IPS.index(place), &ips, &why);
        }
    }
    if families.len() > count {
        set_texts(service, "ipFamilies", &families);
    }
}

fn check_cluster(service: &Value, cluster: &[bool], errors: &mut FieldErrors) {
    if policy(service) == REQUIRE && cluster.len() < 2 {
        errors.invalid(&POLICY, policy(service), "this cluster is not configured for dual-stack services");
    }
    for (place, family) in texts(service, "ipFamilies").iter().enumerate() {
        if !cluster.contains(&(family == V6)) {
            errors.invalid(&FAMILIES.index(place), family, "not configured on this cluster");
        }
    }
}

/// Sets the cluster's first family if there is none, and the other one for a Service with two.
fn complete(service: &mut Value, first: &str, has_both: bool) {
    let mut families = texts(service, "ipFamilies");
    if families.is_empty() {
        families.push(first.into());
    }
    if let ([only], true, true) = (families.as_slice(), has_both, policy(service) != SINGLE) {
        let second = other(only).to_string();
        families.push(second);
    }
    set_texts(service, "ipFamilies", &families);
}
