//! PersistentVolumeClaim.

use super::persistent_volume::{access_modes, phase, storage_class};
use super::{Context, Rules, cells, keep};
use crate::validation::check::{self, present};
use crate::validation::{claim, meta, resources};
use pintle_object::{FieldErrors, Map, Path, Value, content};
use std::cmp::Ordering;

pub struct PersistentVolumeClaim;

impl Rules for PersistentVolumeClaim {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], [("phase", "Pending")].into_iter().collect::<Map>());
        align_data_source(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        claim::spec(object.get("spec").unwrap_or(&Value::Null), &SPEC, false, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        meta::validate_update_strict(new, old, errors);
        keep_spec(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        status(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        for list in ["requests", "limits"] {
            if let Some(amount) = new.at(&["spec", "resources", list, "storage"])
                && !resources::quantity(amount).is_whole()
            {
                let amount = amount.as_str().unwrap_or("");
                out.push(format!(
                    "spec.resources.{list}[storage]: fractional byte value \"{amount}\" is invalid, must be an integer"
                ));
            }
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
    let source = object.at(&["spec", "dataSource"]).filter(|source| !source.is_null()).cloned();
    let reference = object.at(&["spec", "dataSourceRef"]).filter(|source| !source.is_null()).cloned();
    match (source, reference) {
        (Some(source), None) => object.set(&["spec", "dataSourceRef"], source),
        (None, Some(mut reference)) if reference.str_at(&["namespace"]).is_empty() => {
            reference.remove(&["namespace"]);
            object.set(&["spec", "dataSource"], reference);
        }
        _ => {}
    }
}

const SPEC: Path<'static> = Path::root("spec");

/// A claim keeps its spec; a bound one may ask for more storage and another class of attributes.
fn keep_spec(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let is_bound = old.str_at(&["status", "phase"]) == "Bound";
    let kept = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if old.str_at(&["spec", "volumeName"]).is_empty() {
            spec.remove(&["volumeName"]);
        }
        if is_bound {
            spec.remove(&["resources", "requests"]);
        }
        let had_class = present(old, &["spec", "volumeAttributesClassName"]).is_some();
        let has_class = present(new, &["spec", "volumeAttributesClassName"]).is_some();
        if is_bound && (!had_class || has_class) {
            spec.remove(&["volumeAttributesClassName"]);
        }
        spec
    };
    if kept(new) != kept(old) {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden(&SPEC, why);
    }
    let storage = |object: &Value, path: &[&str]| {
        object.at(path).map_or_else(|| resources::quantity(&Value::Null), resources::quantity)
    };
    let request = ["spec", "resources", "requests", "storage"];
    let (now, before) = (storage(new, &request), storage(old, &request));
    let has_shrunk = now.cmp(&before) == Ordering::Less
        && now.cmp(&storage(old, &["status", "capacity", "storage"])) != Ordering::Greater;
    if is_bound && has_shrunk {
        let path = SPEC.child("resources");
        let path = path.child("requests");
        errors.forbidden(&path.child("storage"), "field can not be less than status.capacity");
    }
    check::immutable(
        present(new, &["spec", "volumeMode"]),
        present(old, &["spec", "volumeMode"]),
        &Path::root("volumeMode"),
        errors,
    );
}

fn status(object: &Value, errors: &mut FieldErrors) {
    const WORDS: [&str; 5] = [
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
        "NodeResizePending",
    ];
    let path = Path::root("status.capacity");
    for (name, amount) in object.map_at(&["status", "capacity"]).into_iter().flat_map(|map| map.iter()) {
        resources::resource_name(name, &path.key(name), errors);
        resources::resource_amount(name, amount, &path.key(name), errors);
    }
    let path = Path::root("status.allocatedResourceStatuses");
    let statuses = object.map_at(&["status", "allocatedResourceStatuses"]);
    for (name, word) in statuses.into_iter().flat_map(|map| map.iter()) {
        check::invalid_all(content::label_key(name), name, &path, errors);
        let word = word.as_str().unwrap_or("");
        if !WORDS.contains(&word) {
            errors.not_supported(&path, word, &WORDS);
        }
    }
    let path = Path::root("status.allocatedResources");
    let amounts = object.map_at(&["status", "allocatedResources"]);
    for (name, amount) in amounts.into_iter().flat_map(|map| map.iter()) {
        check::invalid_all(content::label_key(name), name, &path, errors);
        let quantity = resources::quantity(amount);
        if quantity.sign() < 0 || !quantity.is_whole() {
            errors.invalid(&path.key(name), amount, "must be a valid resource quantity");
        }
    }
}
