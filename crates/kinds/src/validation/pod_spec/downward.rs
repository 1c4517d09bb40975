//! Fields and resources of a pod that its containers are given: the downward API.

use crate::validation::check::invalid_all;
use crate::validation::pod_spec::quantity;
use pintle_object::{FieldErrors, Path, Value, content};

/// Fields that can be named at all; some only in other places than here.
const KNOWN_FIELDS: [&str; 15] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "spec.host",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const AMOUNTS: [&str; 13] =
    ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks a reference to a field of the pod, which must be in `supported`.
pub fn field_selector(source: &Value, supported: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    let (version, field) = (source.str_at(&["apiVersion"]), source.str_at(&["fieldPath"]));
    if version.is_empty() {
        return errors.required(&path.child("apiVersion"), "");
    }
    if field.is_empty() {
        return errors.required(&path.child("fieldPath"), "");
    }
    let refuse = |why: String, errors: &mut FieldErrors| {
        errors.invalid(&path.child("fieldPath"), field, &format!("error converting fieldPath: {why}"));
    };
    if version != "v1" {
        return refuse(format!("unsupported pod version: {version}"), errors);
    }
    if let Some((map, key)) = subscripted(field) {
        let messages = match map {
            "metadata.annotations" => content::label_key(&key.to_lowercase()),
            "metadata.labels" => content::label_key(key),
            _ => return refuse(format!("field label does not support subscript: {field}"), errors),
        };
        return invalid_all(messages, key, path, errors);
    }
    if !KNOWN_FIELDS.contains(&field) {
        return refuse(format!("field label not supported: {field}"), errors);
    }
    let field = if field == "spec.host" { "spec.nodeName" } else { field };
    if !supported.contains(&field) {
        let mut sorted = supported.to_vec();
        sorted.sort_unstable();
        errors.not_supported(&path.child("fieldPath"), field, &sorted);
    }
}

/// `map['key']` as map and key.
fn subscripted(field: &str) -> Option<(&str, &str)> {
    let (map, rest) = field.strip_suffix("']")?.split_once("['")?;
    (!map.is_empty()).then_some((map, rest))
}

/// A reference to an amount of a container; in volumes the container must be named.
pub fn resource_selector(source: &Value, in_volume: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let resource = source.str_at(&["resource"]);
    let is_huge =
        ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| resource.starts_with(prefix));
    if in_volume && source.str_at(&["containerName"]).is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !RESOURCES.contains(&resource) && !is_huge {
        errors.not_supported(&path.child("resource"), resource, &RESOURCES);
    }
    let divisor = source.get("divisor").filter(|divisor| quantity(divisor).sign() != 0);
    let Some(divisor) = divisor.and_then(Value::as_str) else { return };
    let (supported, kind): (&[&str], &str) = match resource {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "cpu"),
        "limits.memory" | "requests.memory" => (&AMOUNTS, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (&AMOUNTS, "local ephemeral storage"),
        _ if is_huge => (&AMOUNTS, "hugepages"),
        _ => return,
    };
    if !supported.contains(&divisor) {
        let shown = if kind == "cpu" { supported.join(" and ") } else { supported.join(", ") };
        let why = format!("only divisor's values {shown} are supported with the {kind} resource");
        errors.invalid(&path.child("divisor"), resource, &why);
    }
}
