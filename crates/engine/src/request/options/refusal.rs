//! Refusals that options have in common.

use pintle_object::field::Shown;
use pintle_object::{FieldErrors, GroupKind, Path, Status, Value, json};

/// 422 about options: `CreateOptions.meta.k8s.io "" is invalid: ...`.
pub(super) fn refuse(kind: &str, errors: FieldErrors) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&GroupKind::new("meta.k8s.io", kind), "", errors))
}

pub(super) fn validate_dry_run(values: &[&str], errors: &mut FieldErrors) {
    if values.iter().any(|value| *value != "All") {
        let list: Vec<Value> = values.iter().map(|value| Value::from(*value)).collect();
        let shown = Shown(json::to_string(&Value::List(list)));
        errors.not_supported(&Path::root("dryRun"), shown, &["All"]);
    }
}
