//! Lease.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Value, content};

pub struct Lease;

const SPEC: Path<'static> = Path::root("spec");
const STRATEGIES: [&str; 1] = ["OldestEmulationVersion"];

impl Strategy for Lease {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, NameRule::Subdomain, errors);
        spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
        spec(new, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["spec", "holderIdentity"]),
            cells::age(object, now_seconds),
        ]
    }
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    let Some(spec) = object.get("spec") else { return };
    if let Some(seconds) = spec.int_at(&["leaseDurationSeconds"])
        && seconds <= 0
    {
        errors.invalid(&SPEC.child("leaseDurationSeconds"), seconds, "must be greater than 0");
    }
    check::non_negative_field(spec, "leaseTransitions", &SPEC, errors);
    let strategy = check::present(spec, &["strategy"]).and_then(Value::as_str);
    if let Some(strategy) = strategy {
        lease_strategy(strategy, &SPEC.child("strategy"), errors);
    }
    let has_preferred = !spec.str_at(&["preferredHolder"]).is_empty();
    if has_preferred && strategy.is_none_or(str::is_empty) {
        let why = "may only be specified if `strategy` is defined";
        errors.forbidden(&SPEC.child("preferredHolder"), why);
    }
}

/// A strategy is one of Kubernetes' own, or has a domain.
fn lease_strategy(strategy: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    // Upstream names the field twice.
    let path = path.child("strategy");
    if strategy.contains('/') {
        check::invalid_all(content::label_key(strategy), strategy, &path, errors);
    } else if !STRATEGIES.contains(&strategy) {
        errors.not_supported(&path, strategy, &STRATEGIES);
    }
}
