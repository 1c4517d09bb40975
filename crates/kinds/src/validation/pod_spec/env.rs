//! Environment variables of containers, and where their values come from.

use super::quantity;
use super::volumes::Volumes;
use crate::validation::check::{invalid_all, present};
use pintle_object::{FieldErrors, Path, Value, content};

/// Fields of the pod that variables may show.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

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

pub fn validate(container: &Value, volumes: &Volumes<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let list = path.child("env");
    for (index, variable) in container.list_at(&["env"]).iter().enumerate() {
        let path = list.index(index);
        match variable.str_at(&["name"]) {
            "" => errors.required(&path.child("name"), ""),
            name => invalid_all(content::relaxed_env_var_name(name), name, &path.child("name"), errors),
        }
        value_from(variable, volumes, &path.child("valueFrom"), errors);
    }
    env_from(container, &path.child("envFrom"), errors);
}

fn value_from(variable: &Value, volumes: &Volumes<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(from) = present(variable, &["valueFrom"]) else { return };
    let mut sources = 0;
    if let Some(source) = present(from, &["fieldRef"]) {
        sources += 1;
        field_selector(source, &FIELDS, &path.child("fieldRef"), errors);
    }
    if let Some(source) = present(from, &["resourceFieldRef"]) {
        sources += 1;
        resource_selector(source, false, &path.child("resourceFieldRef"), errors);
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(source) = present(from, &[kind]) {
            sources += 1;
            key_selector(source, &path.child(kind), errors);
        }
    }
    if let Some(source) = present(from, &["fileKeyRef"]) {
        sources += 1;
        file_selector(source, volumes, &path.child("fileKeyRef"), errors);
    }
    if sources == 0 {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.invalid(path, "", why);
    } else if !variable.str_at(&["value"]).is_empty() {
        errors.invalid(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        errors.invalid(path, "", "may not have more than one field specified at a time");
    }
}

fn key_selector(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = source.str_at(&["name"]);
    invalid_all(content::dns1123_subdomain(name), name, &path.child("name"), errors);
    match source.str_at(&["key"]) {
        "" => errors.required(&path.child("key"), ""),
        key => invalid_all(content::config_map_key(key), key, &path.child("key"), errors),
    }
}

fn file_selector(source: &Value, volumes: &Volumes<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    match source.str_at(&["key"]) {
        "" => errors.required(&path.child("key"), ""),
        key => invalid_all(content::relaxed_env_var_name(key), key, &path.child("key"), errors),
    }
    let volume = source.str_at(&["volumeName"]);
    match volume {
        "" => errors.required(&path.child("volumeName"), ""),
        name => invalid_all(content::dns1123_label(name), name, &path.child("volumeName"), errors),
    }
    match source.str_at(&["path"]) {
        "" => errors.required(&path.child("path"), ""),
        file => super::descending_path(file, &path.child("path"), errors),
    }
    if !volumes.has(volume) {
        errors.not_found(&path.child("volumeName"), volume);
    }
}

/// Upstream reports the list's path where an item has no source.
fn env_from(container: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, from) in container.list_at(&["envFrom"]).iter().enumerate() {
        let item = path.index(index);
        let prefix = from.str_at(&["prefix"]);
        if !prefix.is_empty() {
            invalid_all(content::relaxed_env_var_name(prefix), prefix, &item.child("prefix"), errors);
        }
        let mut sources = 0;
        for kind in ["configMapRef", "secretRef"] {
            let Some(source) = present(from, &[kind]) else { continue };
            sources += 1;
            let item = item.child(kind);
            match source.str_at(&["name"]) {
                "" => errors.required(&item.child("name"), ""),
                name => invalid_all(content::dns1123_subdomain(name), name, &item.child("name"), errors),
            }
        }
        match sources {
            0 => errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
        }
    }
}

/// A reference to a field of the pod, of those that `supported` names.
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
