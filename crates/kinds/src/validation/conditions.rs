//! Conditions of the common type, in the status of many kinds.

use super::check;
use pintle_object::{FieldErrors, Path, Seen, Value, content};

const REASON_LEN_MAX: usize = 1024;
const MESSAGE_LEN_MAX: usize = 32 * 1024;

/// Checks each condition, and that no two have one type.
pub fn validate(conditions: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, one) in conditions.iter().enumerate() {
        let path = path.index(index);
        let kind = one.str_at(&["type"]);
        if seen.again(kind) {
            errors.duplicate(&path, kind);
        }
        condition(one, &path, errors);
    }
}

fn condition(condition: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = condition.str_at(&["type"]);
    check::invalid_all(content::label_key(kind), kind, &path.child("type"), errors);
    let status = condition.str_at(&["status"]);
    if !matches!(status, "True" | "False" | "Unknown") {
        errors.not_supported(&path.child("status"), status, &["False", "True", "Unknown"]);
    }
    check::non_negative_field(condition, "observedGeneration", path, errors);
    if check::present(condition, &["lastTransitionTime"]).is_none() {
        errors.required(&path.child("lastTransitionTime"), "");
    }
    let reason = condition.str_at(&["reason"]);
    if reason.is_empty() {
        errors.required(&path.child("reason"), "");
    } else {
        check::invalid_all(content::condition_reason(reason), reason, &path.child("reason"), errors);
        if reason.len() > REASON_LEN_MAX {
            errors.too_long(&path.child("reason"), REASON_LEN_MAX);
        }
    }
    if condition.str_at(&["message"]).len() > MESSAGE_LEN_MAX {
        errors.too_long(&path.child("message"), MESSAGE_LEN_MAX);
    }
}
