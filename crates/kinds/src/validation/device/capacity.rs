//! Capacity of a device that many claims share: the amount that each may request.

use super::{Bounds, list};
use crate::validation::check::present;
use crate::validation::resources::quantity;
use pintle_object::quantity::Quantity;
use pintle_object::{FieldErrors, Path, Value};
use std::cmp::Ordering;

const OPTIONS_MAX: usize = 10;

/// Errors of the policy of one capacity.
pub fn policy(capacity: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("requestPolicy");
    let Some(policy) = present(capacity, &["requestPolicy"]) else { return };
    let whole = capacity.get("value").unwrap_or(&Value::Int(0));
    let default = present(policy, &["default"]);
    let options = policy.list_at(&["validValues"]);
    let range = present(policy, &["validRange"]);
    match (options.is_empty(), range) {
        (false, Some(_)) => {
            let why = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time";
            errors.forbidden(&path, why);
        }
        (false, None) => match default {
            None => errors.required(&path.child("default"), "required when validValues is defined"),
            Some(default) => valid_values(default, whole, options, &path.child("validValues"), errors),
        },
        (true, Some(range)) => match default {
            None => errors.required(&path.child("default"), "required when validRange is defined"),
            Some(default) => valid_range(default, whole, range, &path.child("validRange"), errors),
        },
        (true, None) => {}
    }
}

fn is_greater(one: &Value, other: &Value) -> bool {
    quantity(one).cmp(&quantity(other)) == Ordering::Greater
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        other => pintle_object::json::to_string(other),
    }
}

fn valid_values(
    default: &Value,
    whole: &Value,
    options: &[Value],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    for (index, pair) in options.windows(2).enumerate() {
        if let [before, after] = pair
            && is_greater(before, after)
        {
            errors.invalid(&path.index(index + 1), &shown(after), "values must be sorted in ascending order");
        }
    }
    let key = |option: &Value| Value::from(quantity(option).approximate().to_string());
    let mut sized = FieldErrors::new();
    list(options, Bounds::set(OPTIONS_MAX), key, path, &mut sized, |option, path, errors| {
        if is_greater(option, whole) {
            let why = format!("option is larger than capacity value: {}", shown(whole));
            errors.invalid(path, &shown(option), &why);
        }
    });
    // Repeated options are shown by their amount.
    errors.extend(sized);
    let has_default = options.len() <= OPTIONS_MAX
        && options.iter().any(|option| quantity(option).cmp(&quantity(default)) == Ordering::Equal);
    if !has_default {
        let why = "default value is not valid according to the requestPolicy";
        errors.invalid(path, &shown(default), why);
    }
}

fn valid_range(default: &Value, whole: &Value, range: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(min) = present(range, &["min"]) else {
        return errors.required(&path.child("min"), "required when validRange is defined");
    };
    let refuse = |field: &str, bad: &Value, what: &str, bound: &Value, errors: &mut FieldErrors| {
        errors.invalid(&path.child(field), &shown(bad), &format!("{what}: {}", shown(bound)));
    };
    if is_greater(min, whole) {
        refuse("min", min, "min is larger than capacity value", whole, errors);
    }
    if is_greater(min, default) {
        refuse("min", default, "default is less than min", min, errors);
    }
    let max = present(range, &["max"]);
    if let Some(max) = max {
        if is_greater(min, max) {
            refuse("max", min, "min is larger than max", max, errors);
        }
        if is_greater(max, whole) {
            refuse("max", max, "max is larger than capacity value", whole, errors);
        }
        if is_greater(default, max) {
            refuse("max", default, "default is more than max", max, errors);
        }
    }
    if let Some(step) = present(range, &["step"]) {
        range_step(default, whole, min, max, step, &path.child("step"), errors);
    }
}

fn range_step(
    default: &Value,
    whole: &Value,
    min: &Value,
    max: Option<&Value>,
    step: &Value,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if quantity(step).sign() <= 0 {
        return errors.invalid(path, &shown(step), "must be greater than zero");
    }
    let added: Quantity = quantity(min).add(&quantity(step));
    if added.cmp(&quantity(whole)) == Ordering::Greater {
        let why = format!("one step {added} is larger than capacity value: {}", shown(whole));
        errors.invalid(path, &shown(step), &why);
    }
    let amount = |value: &Value| quantity(value).value();
    for value in [Some(default), max].into_iter().flatten() {
        if (amount(value) - amount(min)) % amount(step).max(1) != 0 {
            let (step, min) = (shown(step), shown(min));
            let why = format!("value is not a multiple of a given step ({step}) from ({min})");
            errors.invalid(path, &shown(value), &why);
        }
    }
}
