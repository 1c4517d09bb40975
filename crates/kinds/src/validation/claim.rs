//! Specs of claims of volumes, on their own and as templates.

use super::check::{invalid_all, present};
use super::resources;
use pintle_object::field::Shown;
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, Path, Value, content};

pub const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
pub const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];

/// Checks a claim's spec; groups of data sources go unchecked where the old spec has any.
pub fn spec(spec: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut FieldErrors) {
    let has_group = |spec: &Value| {
        ["dataSource", "dataSourceRef"].into_iter().any(|field| present(spec, &[field, "apiGroup"]).is_some())
    };
    let checks_group = !old.is_some_and(has_group);
    access_modes(spec, "at least 1 access mode is required", path, errors);
    if let Some(selector) = present(spec, &["selector"]) {
        validate_label_selector(selector, &path.child("selector"), false, errors);
    }
    let amounts = path.child("resources");
    let storage = amounts.key("storage");
    match spec.at(&["resources", "requests", "storage"]) {
        None => errors.required(&storage, ""),
        Some(amount) => resources::positive(amount, &storage, errors),
    }
    class(spec, path, errors);
    if let Some(mode) = present(spec, &["volumeMode"]).and_then(Value::as_str)
        && !VOLUME_MODES.contains(&mode)
    {
        errors.not_supported(&path.child("volumeMode"), mode, &VOLUME_MODES);
    }
    for field in ["dataSource", "dataSourceRef"] {
        if let Some(source) = present(spec, &[field]) {
            data_source(source, field, checks_group, &path.child(field), errors);
        }
    }
    both_sources(spec, path, errors);
    let class = present(spec, &["volumeAttributesClassName"]).and_then(Value::as_str).unwrap_or("");
    if !class.is_empty() {
        invalid_all(
            content::dns1123_subdomain(class),
            class,
            &path.child("volumeAttributesClassName"),
            errors,
        );
    }
}

/// Access modes must be known, and `ReadWriteOncePod` cannot be combined with others.
pub fn access_modes(spec: &Value, why_required: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let modes = spec.list_at(&["accessModes"]);
    let path = path.child("accessModes");
    if modes.is_empty() {
        errors.required(&path, why_required);
    }
    let (mut is_single, mut is_shared) = (false, false);
    for mode in modes.iter().map(|mode| mode.as_str().unwrap_or("")) {
        if !ACCESS_MODES.contains(&mode) {
            errors.not_supported(&path, mode, &ACCESS_MODES);
        } else if mode == "ReadWriteOncePod" {
            is_single = true;
        } else {
            is_shared = true;
        }
    }
    if is_single && is_shared {
        errors.forbidden(&path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn class(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let class = present(spec, &["storageClassName"]).and_then(Value::as_str).unwrap_or("");
    if !class.is_empty() {
        invalid_all(content::dns1123_subdomain(class), class, &path.child("storageClassName"), errors);
    }
}

fn data_source(source: &Value, field: &str, checks_group: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    for part in ["name", "kind"] {
        if source.str_at(&[part]).is_empty() {
            errors.required(&path.child(part), "");
        }
    }
    let group = source.str_at(&["apiGroup"]);
    if group.is_empty() && source.str_at(&["kind"]) != "PersistentVolumeClaim" {
        errors.invalid(
            path,
            source.str_at(&["kind"]),
            "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
        );
    }
    if checks_group && !group.is_empty() {
        invalid_all(content::dns1123_subdomain(group), group, &path.child("apiGroup"), errors);
    }
    let namespace = source.str_at(&["namespace"]);
    if field == "dataSourceRef" && !namespace.is_empty() {
        invalid_all(content::dns1123_label(namespace), namespace, &path.child("namespace"), errors);
    }
}

/// The two ways to say where data comes from agree, and only the newer reaches into other namespaces.
fn both_sources(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let (source, reference) = (present(spec, &["dataSource"]), present(spec, &["dataSourceRef"]));
    let is_foreign = reference.is_some_and(|reference| !reference.str_at(&["namespace"]).is_empty());
    if is_foreign {
        if source.is_some() {
            let why = "may not be specified when dataSourceRef.namespace is specified";
            errors.invalid(path, path_object(), why);
        }
        return;
    }
    if let (Some(source), Some(reference)) = (source, reference) {
        let same = |field: &str| source.str_at(&[field]) == reference.str_at(&[field]);
        if !["apiGroup", "kind", "name"].into_iter().all(same) {
            errors.invalid(path, path_object(), "must match dataSourceRef");
        }
    }
}

/// Upstream shows the path of the field instead of its value, as an object without fields.
fn path_object() -> Shown {
    Shown(String::from("{}"))
}
