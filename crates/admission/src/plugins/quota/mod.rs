//! ResourceQuota: bounds the sum of a namespace's resources; a request that fits is charged before it is stored.

mod amounts;
mod scope;
mod usage;

pub use usage::{is_best_effort, pod_requests};

use crate::plugin::{Outcome, Plugin};
use crate::plugins::quota::amounts::Amounts;
use crate::request::Request;
use pintle_object::quantity::Quantity;
use pintle_object::{GroupResource, Reason, Status, Value, meta};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use tokio::sync::Mutex;

/// The number of locks that namespaces share.
const TURNS: usize = 64;
/// The number of retries of a charge after the quota was changed meanwhile; upstream's.
const RETRIES_MAX: usize = 3;

/// Charges the quotas of a namespace one request at a time, so that requests do not conflict with each other. It is the
/// store that ensures that two requests never share the last free unit, on other servers too: a charge is written only
/// if the quota is still at the revision that was read.
pub struct ResourceQuota {
    turns: [Mutex<()>; TURNS],
}

/// A quota as it would be after the request.
struct Charge {
    name: String,
    /// The version that was judged.
    resource_version: String,
    used: Amounts,
}

impl Default for ResourceQuota {
    fn default() -> ResourceQuota {
        ResourceQuota { turns: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Plugin for ResourceQuota {
    fn judge<'a>(&'a self, request: &'a Request<'a>, object: &'a Value) -> Outcome<'a> {
        let namespace = request.namespace();
        if namespace.is_empty() || !usage::is_counted(request) {
            return Outcome::Now(Ok(()));
        }
        if !request.view.has_any("", "resourcequotas", namespace) {
            return Outcome::Now(Ok(()));
        }
        Outcome::later(self.charge(request, object))
    }
}

impl ResourceQuota {
    /// Refuses a request that exceeds a quota of the namespace; otherwise adds its usage to the quotas' `status.used`.
    async fn charge(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let _turn = self.turn(request.namespace()).lock().await;
        let mut charges = judge(request, object, &quotas(request))?;
        if request.attributes.dry_run {
            return Ok(());
        }
        for _ in 0..RETRIES_MAX {
            let changed = store_all(request, charges).await?;
            if changed.is_empty() {
                return Ok(());
            }
            let quotas: Vec<Value> =
                quotas(request).into_iter().filter(|quota| changed.contains(meta::name(quota))).collect();
            charges = judge(request, object, &quotas)?;
        }
        match store_all(request, charges).await?.pop_first() {
            Some(name) => Err(stale(&name)),
            None => Ok(()),
        }
    }

    fn turn(&self, namespace: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        namespace.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        self.turns.get(place).expect("a remainder is less than its divisor")
    }
}

/// Stores the charges; returns the names of quotas that changed meanwhile, which were not charged.
async fn store_all(request: &Request<'_>, charges: Vec<Charge>) -> Result<BTreeSet<String>, Status> {
    let mut changed = BTreeSet::new();
    for charge in charges {
        match store(request, &charge).await {
            Err(status) if status.reason == Reason::Conflict => drop(changed.insert(charge.name)),
            stored => stored?,
        }
    }
    Ok(changed)
}

fn stale(name: &str) -> Status {
    Status::stale(&GroupResource::new("", "resourcequotas"), name)
}

fn quotas(request: &Request<'_>) -> Vec<Value> {
    request.view.list("", "resourcequotas", request.namespace())
}

/// The charges of all quotas that apply, or the refusal of the first that is exceeded.
fn judge(request: &Request<'_>, object: &Value, quotas: &[Value]) -> Result<Vec<Charge>, Status> {
    let asked = usage::of(request, object);
    let mut applicable = Vec::new();
    for quota in quotas {
        let hard = amounts(quota, &["status", "hard"]);
        let names: Vec<&str> =
            hard.keys().map(String::as_str).filter(|name| usage::counts(request, name)).collect();
        if names.is_empty() || !scope::applies(request, quota, object) {
            continue;
        }
        check_complete(request, object, quota, &names)?;
        applicable.push((quota, hard));
    }
    let mut charges = Vec::new();
    for (quota, hard) in applicable {
        let added = added(request, quota, &asked);
        charges.extend(charge(request, object, quota, &hard, &added)?);
    }
    Ok(charges)
}

/// The usage that the request adds: all of a new object, the growth of an existing one.
fn added(request: &Request<'_>, quota: &Value, asked: &Amounts) -> Amounts {
    let before = match request.attributes.old {
        Some(old) if scope::applies(request, quota, old) => usage::of(request, old),
        _ => Amounts::new(),
    };
    let growth = asked.iter().filter_map(|(name, amount)| {
        let growth = before.get(name).map_or(*amount, |before| amount.add(&before.neg()));
        (growth.sign() > 0).then(|| (name.clone(), growth))
    });
    growth.collect()
}

/// Checks that every container has requests or limits for a quota on CPU or memory; a quota without status admits
/// nothing.
fn check_complete(
    request: &Request<'_>,
    object: &Value,
    quota: &Value,
    names: &[&str],
) -> Result<(), Status> {
    let missing = usage::missing(request, object, names);
    if !missing.is_empty() {
        let why = format!("failed quota: {}: must specify {}", meta::name(quota), missing.join("; "));
        return Err(request.forbidden(object, why));
    }
    if names.iter().any(|name| quota.at(&["status", "used", name]).is_none()) {
        let names = names.join(",");
        let why = format!("status unknown for quota: {}, resources: {names}", meta::name(quota));
        return Err(request.forbidden(object, why));
    }
    Ok(())
}

fn charge(
    request: &Request<'_>,
    object: &Value,
    quota: &Value,
    hard: &Amounts,
    added: &Amounts,
) -> Result<Option<Charge>, Status> {
    let mut used = amounts(quota, &["status", "used"]);
    let requested: Amounts =
        added.iter().filter(|(name, _)| hard.contains_key(*name)).map(|(n, a)| (n.clone(), *a)).collect();
    let before = used.clone();
    for (name, amount) in &requested {
        let sum = used.get(name).map_or(*amount, |known| known.add(amount));
        used.insert(name.clone(), sum);
    }
    let exceeds = |name: &str| match (used.get(name), hard.get(name)) {
        (Some(used), Some(hard)) => used.cmp(hard).is_gt(),
        _ => false,
    };
    let exceeded: Vec<&str> = requested.keys().map(String::as_str).filter(|name| exceeds(name)).collect();
    if !exceeded.is_empty() {
        let show = |amounts: &Amounts| show(amounts, &exceeded);
        let name = meta::name(quota);
        let (requested, used, limited) = (show(&requested), show(&before), show(hard));
        let why = format!("exceeded quota: {name}, requested: {requested}, used: {used}, limited: {limited}");
        return Err(request.forbidden(object, why));
    }
    Ok((!requested.is_empty()).then(|| Charge {
        name: meta::name(quota).to_string(),
        resource_version: meta::resource_version(quota).to_string(),
        used,
    }))
}

/// `limits.cpu=2,requests.cpu=600m`
fn show(amounts: &Amounts, names: &[&str]) -> String {
    let shown = names.iter().filter_map(|name| Some(format!("{name}={}", amounts.get(*name)?)));
    shown.collect::<Vec<_>>().join(",")
}

fn amounts(value: &Value, path: &[&str]) -> Amounts {
    let entries = value.map_at(path).into_iter().flat_map(|map| map.iter());
    entries
        .filter_map(|(name, amount)| Some((name.to_string(), Quantity::parse(amount.as_str()?).ok()?)))
        .collect()
}

/// Writes the new use into the quota's status, as the server itself.
async fn store(request: &Request<'_>, charge: &Charge) -> Result<(), Status> {
    let set_used = |quota: &mut Value| {
        if meta::resource_version(quota) != charge.resource_version {
            return Err(stale(&charge.name));
        }
        for (name, amount) in &charge.used {
            quota.set(&["status", "used", name], amount.to_string());
        }
        Ok(())
    };
    let place = (request.namespace(), charge.name.as_str());
    request.view.write_status(("", "resourcequotas"), place, request.attributes.now, &set_used).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exceeded_amounts_are_shown() {
        let quantity = |text: &str| Quantity::parse(text).unwrap();
        let amounts: Amounts = [
            ("pods".to_string(), quantity("1")),
            ("requests.memory".to_string(), quantity("600Mi")),
            ("requests.cpu".to_string(), quantity("600m")),
        ]
        .into();
        assert_eq!(
            show(&amounts, &["requests.cpu", "requests.memory"]),
            "requests.cpu=600m,requests.memory=600Mi"
        );
    }
}
