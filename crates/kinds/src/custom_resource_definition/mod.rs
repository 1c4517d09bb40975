//! CustomResourceDefinition.

pub mod approval;
mod parts;
mod spec;
mod view;

#[cfg(test)]
mod tests;

use super::{Context, Strategy, keep, keep_metadata};
use crate::conditions::{is_true, set_condition};
use crate::validation::meta as metadata;
use pintle_object::field::quote;
use pintle_object::meta;
use pintle_object::time::Time;
use pintle_object::{ErrorKind, FieldError, FieldErrors, Value, json};
use pintle_schema::custom::definition;
use spec::Rigor;
use view::DefinitionView;

/// A definition that is deleted is held by this finalizer until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

pub struct CustomResourceDefinition;

impl Strategy for CustomResourceDefinition {
    fn default(&self, object: &mut Value) {
        let singular = object.str_at(&["spec", "names", "kind"]).to_lowercase();
        let Some(names) = object.at_mut(&["spec", "names"]) else { return };
        if names.str_at(&["singular"]).is_empty() {
            names.set(&["singular"], singular);
        }
        if names.str_at(&["listKind"]).is_empty() && !names.str_at(&["kind"]).is_empty() {
            let list = format!("{}List", names.str_at(&["kind"]));
            names.set(&["listKind"], list);
        }
        if let Some(versions) = object.at_mut(&["spec", "versions"]) {
            respell(versions);
        }
        if object.list_at(&["status", "storedVersions"]).is_empty() {
            add_stored_version(object);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.remove(&["status"]);
        add_stored_version(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
        add_stored_version(new);
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        let finalizers = new.at(&["metadata", "finalizers"]).cloned();
        keep(new, old, "spec");
        keep_metadata(new, old);
        match finalizers {
            Some(finalizers) => new.set(&["metadata", "finalizers"], finalizers),
            None => drop(new.remove(&["metadata", "finalizers"])),
        }
    }

    fn begin_deletion(&self, object: &mut Value, now: Time) -> bool {
        let mut finalizers: Vec<String> = meta::finalizers(object).into_iter().map(String::from).collect();
        if !finalizers.iter().any(|name| name == CLEANUP) {
            finalizers.push(CLEANUP.into());
        }
        meta::set_finalizers(object, &finalizers);
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        set_condition(object, "Terminating", "True", "InstanceDeletionPending", message, now);
        true
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        let mut found = FieldErrors::new();
        metadata::validate(object, self.name_rule(), &mut found);
        with_own_name(object, found).into_iter().for_each(|error| errors.push(error));
        spec::check(object, &Rigor::new(), errors);
        spec::check_status(object, errors);
        spec::check_stored_versions(object, errors);
        spec::check_approval(object, None, errors);
        spec::check_unknown_fields(object, None, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        metadata::validate_update(new, old, errors);
        spec::check(new, &Rigor::since(old), errors);
        spec::check_changes(new, old, is_true(old, "Established"), errors);
        spec::check_status(new, errors);
        spec::check_stored_versions(new, errors);
        spec::check_approval(new, Some(old), errors);
        spec::check_unknown_fields(new, Some(old), errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        metadata::validate_update(new, old, errors);
        spec::check_status(new, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let formats = |object: &Value| -> Vec<String> {
            DefinitionView::of(object)
                .schemas()
                .into_iter()
                .flat_map(definition::unrecognized_formats)
                .collect()
        };
        let known = old.map(formats).unwrap_or_default();
        let new_formats = formats(new).into_iter().filter(|format| !known.contains(format));
        out.extend(new_formats.map(|format| format!("unrecognized format {}", quote(&format))));
    }
}

/// A definition is named by its plural and group. Upstream says so together with the rules of names.
fn with_own_name(object: &Value, found: FieldErrors) -> Vec<FieldError> {
    let mut errors = found.into_vec();
    let own =
        format!("{}.{}", object.str_at(&["spec", "names", "plural"]), object.str_at(&["spec", "group"]));
    for field in ["generateName", "name"] {
        let name = object.str_at(&["metadata", field]);
        if name.is_empty() || name == own {
            continue;
        }
        let message = format!("Invalid value: {}: must be spec.names.plural+\".\"+spec.group", quote(name));
        let field = format!("metadata.{field}");
        let names = ["metadata.generateName", field.as_str()];
        let place = errors.iter().take_while(|error| names.contains(&error.field.as_str())).count();
        errors.insert(place, FieldError { kind: ErrorKind::Invalid, field, message });
    }
    errors
}

/// Defaults, examples and enumerated values are read and written again: `1.0` becomes `1`.
fn respell(value: &mut Value) {
    match value {
        Value::Raw(raw) => {
            if let Ok(tree) = json::parse(raw.0.as_bytes()) {
                raw.0 = json::to_string(&tree);
            }
        }
        Value::List(items) => items.iter_mut().for_each(respell),
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| respell(value)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

/// Objects may be stored in any version that ever was the one to store in.
fn add_stored_version(object: &mut Value) {
    let versions = object.list_at(&["spec", "versions"]);
    let storage = versions.iter().find(|version| version.bool_at(&["storage"]));
    let Some(name) = storage.map(|version| version.str_at(&["name"]).to_string()) else { return };
    let mut stored = object.list_at(&["status", "storedVersions"]).to_vec();
    if !stored.iter().any(|version| version.as_str() == Some(name.as_str())) {
        stored.push(Value::from(name));
        object.set(&["status", "storedVersions"], stored);
    }
}
