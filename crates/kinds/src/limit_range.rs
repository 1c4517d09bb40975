//! LimitRange.

use super::Strategy;
use crate::validation::check::invalid_all;
use crate::validation::{meta, resources};
use pintle_object::quantity::Quantity;
use pintle_object::{FieldErrors, Map, Path, Seen, Value, content};
use std::cmp::Ordering;

pub struct LimitRange;

impl Strategy for LimitRange {
    /// A container's default limit is its maximum, its default request the default limit or the minimum.
    fn default(&self, object: &mut Value) {
        for limit in object.at_mut(&["spec", "limits"]).and_then(Value::as_list_mut).into_iter().flatten() {
            if limit.str_at(&["type"]) == "Container" {
                default_from(limit, "default", "max");
                default_from(limit, "defaultRequest", "default");
                default_from(limit, "defaultRequest", "min");
            }
        }
    }

    fn prepare_create(&self, _object: &mut Value, _context: &super::Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        let path = Path::root("spec.limits");
        let mut types = Seen::new();
        for (index, limit) in object.list_at(&["spec", "limits"]).iter().enumerate() {
            let path = path.index(index);
            let kind = limit.str_at(&["type"]);
            type_name(kind, &path.child("type"), errors);
            if types.contains(&kind) {
                errors.duplicate(&path.child("type"), kind);
            }
            types.push(kind);
            validate_limit(limit, kind, &path, errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        self.validate(new, errors);
    }
}

fn default_from(limit: &mut Value, field: &str, source: &str) {
    let Some(source) = limit.map_at(&[source]).cloned() else { return };
    for (resource, amount) in source.iter() {
        if limit.at(&[field, resource]).is_none() {
            limit.set(&[field, resource], amount.clone());
        }
    }
}

fn type_name(kind: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let messages = content::label_key(kind);
    let is_standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
    if messages.is_empty() && !kind.contains('/') && !is_standard {
        errors.invalid(path, kind, "must be a standard limit type or fully qualified");
    }
    invalid_all(messages, kind, path, errors);
}

fn validate_limit(limit: &Value, kind: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["max", "min"] {
        names(limit, kind, field, path, errors);
    }
    for field in ["default", "defaultRequest"] {
        if kind != "Pod" {
            names(limit, kind, field, path, errors);
        } else if limit.map_at(&[field]).is_some_and(|map| !map.is_empty()) {
            errors.forbidden(&path.child(field), "may not be specified when `type` is 'Pod'");
        }
    }
    let has_storage = |field: &str| limit.at(&[field, "storage"]).is_some();
    if kind == "PersistentVolumeClaim" && !has_storage("min") && !has_storage("max") {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.child("limits"), why);
    }
    names(limit, kind, "maxLimitRequestRatio", path, errors);

    let mut keys: Vec<&str> = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"]
        .iter()
        .filter_map(|field| limit.map_at(&[field]))
        .flat_map(Map::keys)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        Amounts::of(limit, key).validate(key, path, errors);
    }
}

fn names(limit: &Value, kind: &str, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child(field);
    for name in limit.map_at(&[field]).into_iter().flat_map(Map::keys) {
        match kind {
            "Pod" | "Container" => resources::container_resource_name(name, &path.key(name), errors),
            _ => resources::resource_name(name, &path.key(name), errors),
        }
    }
}

/// The limits of one resource: text and amount of each.
struct Amounts<'a> {
    min: Option<Amount<'a>>,
    max: Option<Amount<'a>>,
    default: Option<Amount<'a>>,
    request: Option<Amount<'a>>,
    ratio: Option<Amount<'a>>,
}

#[derive(Clone, Copy)]
struct Amount<'a>(&'a str);

impl Amount<'_> {
    fn quantity(self) -> Quantity {
        Quantity::parse(self.0).unwrap_or_else(|_| Quantity::from_int(0))
    }

    fn exceeds(self, other: Amount<'_>) -> bool {
        self.quantity().cmp(&other.quantity()) == Ordering::Greater
    }
}

impl<'a> Amounts<'a> {
    fn of(limit: &'a Value, key: &str) -> Amounts<'a> {
        let at = |field: &str| limit.at(&[field, key]).and_then(Value::as_str).map(Amount);
        Amounts {
            min: at("min"),
            max: at("max"),
            default: at("default"),
            request: at("defaultRequest"),
            ratio: at("maxLimitRequestRatio"),
        }
    }

    fn validate(&self, key: &str, path: &Path<'_>, errors: &mut FieldErrors) {
        let at = |field: &'static str, bad: Amount<'_>, why: String, errors: &mut FieldErrors| {
            errors.invalid(&path.child(field).key(key), bad.0, &why);
        };
        type Row<'b> =
            (Option<Amount<'b>>, Option<Amount<'b>>, &'static str, bool, &'static str, &'static str);
        let rows: [Row<'_>; 6] = [
            (self.min, self.max, "min", true, "min", "max"),
            (self.min, self.request, "defaultRequest", false, "min", "default request"),
            (self.request, self.max, "defaultRequest", true, "default request", "max"),
            (self.request, self.default, "defaultRequest", true, "default request", "default limit"),
            (self.min, self.default, "default", true, "min", "default"),
            (self.default, self.max, "default", false, "default", "max"),
        ];
        for (low, high, field, shows_low, low_name, high_name) in rows {
            if let (Some(low), Some(high)) = (low, high)
                && low.exceeds(high)
            {
                let why = format!("{low_name} value {} is greater than {high_name} value {}", low.0, high.0);
                at(field, if shows_low { low } else { high }, why, errors);
            }
        }
        if let Some(ratio) = self.ratio {
            if Amount("1").exceeds(ratio) {
                at("maxLimitRequestRatio", ratio, format!("ratio {} is less than 1", ratio.0), errors);
            }
            if let Some(limit) = self.ratio_limit(ratio).filter(|(value, limit)| value > limit) {
                let why = format!("ratio {} is greater than max/min = {:.6}", ratio.0, limit.1);
                at("maxLimitRequestRatio", ratio, why, errors);
            }
        }
        if let (Some(default), Some(request)) = (self.default, self.request)
            && !resources::is_overcommit_allowed(key)
            && default.quantity().cmp(&request.quantity()) != Ordering::Equal
        {
            let why = format!(
                "default value {} must equal to defaultRequest value {} in {key}",
                default.0, request.0
            );
            at("defaultRequest", request, why, errors);
        }
    }

    /// The ratio, and the quotient of maximum and minimum; in thousandths while these are small enough.
    fn ratio_limit(&self, ratio: Amount<'_>) -> Option<(f64, f64)> {
        let (ratio, min, max) = (ratio.quantity(), self.min?.quantity(), self.max?.quantity());
        let is_small = ratio.value() < 1000 && max.value() < i64::MAX / 1000;
        let number = |quantity: &Quantity| {
            if is_small { quantity.milli_value() as f64 } else { quantity.value() as f64 }
        };
        let value = if is_small { ratio.milli_value() as f64 / 1000.0 } else { ratio.value() as f64 };
        Some((value, number(&max) / number(&min)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_in_order() {
        let json = r#"{"metadata":{"name":"a"},"spec":{"limits":[{"type":"Container","min":{"cpu":"2"},"max":{"cpu":"1"},"maxLimitRequestRatio":{"cpu":"500m"}}]}}"#;
        let object = pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
        let mut errors = FieldErrors::new();
        LimitRange.validate(&object, &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
                "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1",
            ]
        );
    }
}
