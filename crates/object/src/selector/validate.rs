//! Checks of `LabelSelector` objects inside specs, with upstream's field errors.

use crate::content;
use crate::field::{FieldErrors, Path};
use crate::value::Value;

/// Checks `matchLabels` and `matchExpressions`.
///
/// `allow_invalid_values` spares values of expressions, for objects stored before they were checked.
pub fn label_selector(
    selector: &Value,
    path: &Path<'_>,
    allow_invalid_values: bool,
    errors: &mut FieldErrors,
) {
    if let Some(labels) = selector.map_at(&["matchLabels"]) {
        content::labels(labels, &path.child("matchLabels"), errors);
    }
    let expressions = path.child("matchExpressions");
    for (index, expression) in selector.list_at(&["matchExpressions"]).iter().enumerate() {
        requirement(expression, &expressions.index(index), allow_invalid_values, errors);
    }
}

fn requirement(expression: &Value, path: &Path<'_>, allow_invalid_values: bool, errors: &mut FieldErrors) {
    let values = expression.list_at(&["values"]);
    let values_path = path.child("values");
    match expression.str_at(&["operator"]) {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&values_path, why);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    let key = expression.str_at(&["key"]);
    for message in content::label_key(key) {
        errors.invalid(&path.child("key"), key, &message);
    }
    if allow_invalid_values {
        return;
    }
    for (index, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or("");
        for message in content::label_value(value) {
            errors.invalid(&values_path.index(index), value, &message);
        }
    }
}
