//! PersistentVolumeClaim.

use super::persistent_volume::{OLD_ANNOTATIONS, access_modes, phase, storage_class};
use super::{Context, Strategy, cells, keep, keep_at, template_warnings};
use crate::validation::check::{self, present};
use crate::validation::{claim, internal_type, meta, resources};
use pintle_object::{FieldErrors, Map, Path, Value, content};
use std::cmp::Ordering;

pub struct PersistentVolumeClaim;

impl Strategy for PersistentVolumeClaim {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], [("phase", "Pending")].into_iter().collect::<Map>());
        drop_data_sources(object, &Value::Null);
        align_data_source(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
        drop_data_sources(new, old);
        align_data_source(new);
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        claim::spec(object.get("spec").unwrap_or(&Value::Null), None, &SPEC, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        meta::validate_strict(new, self.name_rule(), errors);
        claim::spec(new.get("spec").unwrap_or(&Value::Null), old.get("spec"), &SPEC, errors);
        keep_spec(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        if new.list_at(&["spec", "accessModes"]).is_empty() {
            errors.required(&Path::root("Spec.accessModes"), "");
        }
        status(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        let (key, why) = OLD_ANNOTATIONS[0];
        if new.at(&["metadata", "annotations", key]).is_some() {
            out.push(format!("metadata.annotations[{key}]: {why}"));
        }
        if let Some(spec) = new.get("spec") {
            template_warnings::of_claim(spec, &Path::root("spec"), out);
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let is_bound = !object.str_at(&["spec", "volumeName"]).is_empty();
        let modes = if is_bound { object.list_at(&["status", "accessModes"]) } else { &[] };
        let capacity = match object.str_at(&["status", "capacity", "storage"]) {
            _ if !is_bound => "",
            "" => "0",
            capacity => capacity,
        };
        vec![
            cells::name(object),
            phase(object),
            cells::text(object, &["spec", "volumeName"]),
            Value::from(capacity),
            Value::from(access_modes(modes)),
            Value::from(storage_class(object)),
            cells::text_or(object, &["spec", "volumeAttributesClassName"], cells::UNSET),
            cells::age(object, now_seconds),
            cells::text_or(object, &["spec", "volumeMode"], cells::UNSET),
        ]
    }
}

/// `dataSource` and `dataSourceRef` mirror each other while neither reaches into another namespace.
fn align_data_source(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec") {
        align_data_source_of(spec);
    }
}

fn align_data_source_of(spec: &mut Value) {
    let source = present(spec, &["dataSource"]).cloned();
    let reference = present(spec, &["dataSourceRef"]).cloned();
    match (source, reference) {
        (Some(source), None) => spec.set(&["dataSourceRef"], source),
        (None, Some(mut reference)) if reference.str_at(&["namespace"]).is_empty() => {
            reference.remove(&["namespace"]);
            spec.set(&["dataSource"], reference);
        }
        _ => {}
    }
}

/// Sources that claims could not name when they were made stay unnamed: in the older field all but claims and
/// snapshots.
fn drop_data_sources(new: &mut Value, old: &Value) {
    let had = |field: &str| present(old, &["spec", field]).is_some();
    if had("dataSource") || had("dataSourceRef") || present(new, &["spec", "dataSourceRef"]).is_some() {
        return;
    }
    let at = |field: &str| new.str_at(&["spec", "dataSource", field]);
    let is_known = matches!(
        (at("kind"), at("apiGroup")),
        ("PersistentVolumeClaim", "") | ("VolumeSnapshot", "snapshot.storage.k8s.io")
    );
    if !is_known {
        new.remove(&["spec", "dataSource"]);
    }
}

const SPEC: Path<'static> = Path::root("spec");

/// A claim keeps its spec; a bound one may ask for more storage and another class of attributes.
fn keep_spec(new: &Value, old: &Value, errors: &mut FieldErrors) {
    const STORAGE: [&str; 3] = ["resources", "requests", "storage"];
    let spec = |object: &Value| object.get("spec").cloned().unwrap_or_else(Value::map);
    let (mut kept, mut before) = (spec(new), spec(old));
    align_data_source_of(&mut before);
    if before.str_at(&["volumeName"]).is_empty() {
        keep(&mut before, &kept, "volumeName");
    }
    storage_class_update(new, old, &mut kept, errors);
    if new.str_at(&["status", "phase"]) == "Bound" {
        if kept.map_at(&["resources", "requests"]).is_some() {
            keep_at(&mut kept, &before, &STORAGE);
        }
        if present(&kept, &["volumeAttributesClassName"]).is_some() {
            keep(&mut kept, &before, "volumeAttributesClassName");
        }
    }
    if kept != before {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName \
                   for bound claims";
        let difference = internal_type::difference(&before, &kept, "PersistentVolumeClaimSpec");
        errors.forbidden(&SPEC, &format!("{why}\n{difference}"));
    }
    let amount = |value: Option<&Value>| resources::quantity(value.unwrap_or(&Value::Null));
    let (wanted, had) = (amount(spec(new).at(&STORAGE)), amount(spec(old).at(&STORAGE)));
    let given = amount(old.at(&["status", "capacity", "storage"]));
    if wanted.cmp(&had) == Ordering::Less && wanted.cmp(&given) != Ordering::Greater {
        let path = Path::root("spec.resources.requests.storage");
        errors.forbidden(&path, "field can not be less than status.capacity");
    }
    check::immutable(
        present(new, &["spec", "volumeMode"]),
        present(old, &["spec", "volumeMode"]),
        &Path::root("volumeMode"),
        errors,
    );
}

/// The class may move from the old annotation to its field, and be set if there was none.
fn storage_class_update(new: &Value, old: &Value, kept: &mut Value, errors: &mut FieldErrors) {
    let (key, _) = OLD_ANNOTATIONS[0];
    let annotation = |object: &Value| {
        object.at(&["metadata", "annotations", key]).and_then(Value::as_str).map(String::from)
    };
    let field = |object: &Value| {
        present(object, &["spec", "storageClassName"]).and_then(Value::as_str).map(String::from)
    };
    let (class, annotated, was_annotated) = (field(new), annotation(new), annotation(old));
    let is_unset = field(old).is_none();
    let moves = is_unset && was_annotated.is_some() && class == was_annotated;
    if moves && (annotated.is_none() || annotated == was_annotated) {
        kept.remove(&["storageClassName"]);
        return;
    }
    if annotated != was_annotated {
        let path = Path::root("metadata.annotations");
        errors.invalid(&path.child(key), annotated.as_deref().unwrap_or(""), check::IMMUTABLE);
    }
    if is_unset && class.is_some() && (was_annotated.is_none() || was_annotated == class) {
        kept.remove(&["storageClassName"]);
    }
}

fn status(object: &Value, errors: &mut FieldErrors) {
    const WORDS: [&str; 5] = [
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
        "NodeResizePending",
    ];
    let entries =
        |field: &str| object.map_at(&["status", field]).into_iter().flat_map(Map::iter).collect::<Vec<_>>();
    let path = Path::root("status.capacity");
    for (name, amount) in entries("capacity") {
        not_negative(amount, &path.key(name), errors);
    }
    let path = Path::root("status.allocatedResourceStatuses");
    for (name, word) in entries("allocatedResourceStatuses") {
        resource_key(name, &path, errors);
        if !WORDS.contains(&word.as_str().unwrap_or("")) {
            errors.not_supported(&path, name, &WORDS);
        }
    }
    let path = Path::root("status.allocatedResources");
    for (name, amount) in entries("allocatedResources") {
        let before = errors.len();
        resource_key(name, &path, errors);
        if errors.len() == before {
            not_negative(amount, &path.key(name), errors);
        }
    }
}

fn not_negative(amount: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let amount = resources::quantity(amount);
    if amount.sign() < 0 {
        errors.invalid(path, amount.value(), "must be a valid resource quantity");
    }
}

/// Of Kubernetes' own resources, claims know storage.
fn resource_key(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let messages = content::label_key(name);
    if !messages.is_empty() {
        check::invalid_all(messages, name, path, errors);
    } else if resources::is_native(name) && name != "storage" {
        errors.not_supported(path, name, &["storage"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).expect("test data is JSON")
    }

    fn check(new: &str, old: &str, expected: &[&str]) {
        let mut errors = FieldErrors::new();
        keep_spec(&parse(new), &parse(old), &mut errors);
        let shown: Vec<String> =
            errors.iter().map(|error| error.to_string().lines().next().unwrap_or("").to_string()).collect();
        assert_eq!(shown, expected, "{old} -> {new}");
    }

    #[test]
    fn bound_claims_grow() {
        let claim = |phase: &str, storage: &str| {
            format!(
                r#"{{"spec":{{"resources":{{"requests":{{"storage":"{storage}"}}}}}},"status":{{"phase":"{phase}"}}}}"#
            )
        };
        const KEPT: &str = "spec: Forbidden: spec is immutable after creation except resources.requests and \
                            volumeAttributesClassName for bound claims";
        check(&claim("Bound", "2Gi"), &claim("Bound", "1Gi"), &[]);
        check(&claim("Pending", "2Gi"), &claim("Pending", "1Gi"), &[KEPT]);
    }

    #[test]
    fn sources_of_unknown_kinds_are_dropped() {
        let cases = [
            (r#"{"dataSource":{"kind":"Weird","name":"w"}}"#, "{}"),
            (
                r#"{"dataSourceRef":{"apiGroup":"g","kind":"A","name":"w"}}"#,
                r#"{"dataSourceRef":{"apiGroup":"g","kind":"A","name":"w"}}"#,
            ),
        ];
        for (spec, expected) in cases {
            let mut claim = parse(&format!(r#"{{"spec":{spec}}}"#));
            drop_data_sources(&mut claim, &Value::Null);
            assert_eq!(claim, parse(&format!(r#"{{"spec":{expected}}}"#)), "{spec}");
        }
    }
}
