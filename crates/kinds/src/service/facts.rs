//! Facts that several steps ask of a Service.

use pintle_object::{FieldErrors, GroupKind, Status, Value};

pub(crate) fn kind(service: &Value) -> &str {
    service.str_at(&["spec", "type"])
}

pub(crate) fn is_headless(service: &Value) -> bool {
    service.list_at(&["spec", "clusterIPs"]).first().and_then(Value::as_str) == Some("None")
}

pub(crate) fn invalid(service: &Value, errors: FieldErrors) -> Status {
    Status::invalid(&GroupKind::new("", "Service"), service.str_at(&["metadata", "name"]), errors)
}
