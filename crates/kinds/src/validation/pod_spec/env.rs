//! Environment variables of containers, and where their values come from.

use super::volumes::Volumes;
use crate::validation::check::{invalid_all, present};
use crate::validation::pod_spec::downward::{field_selector, resource_selector};
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
        file => crate::validation::pod_spec::values::descending_path(file, &path.child("path"), errors),
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
