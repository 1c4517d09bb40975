//! The form of `x-kubernetes-validations`.

use super::{field_path, structure};
use pintle_object::{FieldErrors, Path, Value};

const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

pub(super) fn check(props: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("x-kubernetes-validations");
    for (index, rule) in props.list_at(&["x-kubernetes-validations"]).iter().enumerate() {
        let path = path.index(index);
        texts(rule, &path, errors);
        if let Some(reason) = rule.get("reason").and_then(Value::as_str).filter(|it| !REASONS.contains(it)) {
            errors.not_supported(&path.child("reason"), reason, &REASONS);
        }
        field(props, rule.str_at(&["fieldPath"]), &path.child("fieldPath"), errors);
    }
}

fn texts(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let message = rule.str_at(&["message"]);
    let message_path = path.child("message");
    let expression = rule.str_at(&["rule"]).trim();
    if expression.is_empty() {
        errors.required(&path.child("rule"), "rule is not specified");
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&message_path, message, "must be non-empty if specified");
    } else if has_breaks(message.trim()) {
        errors.invalid(&message_path, message, "must not contain line breaks");
    } else if has_breaks(expression) && message.trim().is_empty() {
        errors.required(&message_path, "message must be specified if rule contains line breaks");
    }
    let expression = rule.str_at(&["messageExpression"]);
    if !expression.is_empty() && expression.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        errors.required(&path.child("messageExpression"), why);
    }
}

fn field(props: &Value, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if field.is_empty() {
        return;
    }
    if field.trim().is_empty() {
        errors.invalid(path, field, "must be non-empty if specified");
    }
    if has_breaks(field) {
        errors.invalid(path, field, "must not contain line breaks");
    }
    if structure::unfit(props).is_none() && field_path::find(field, props, true).is_err() {
        errors.invalid(path, field, "must be a valid path");
    }
}

fn has_breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}
