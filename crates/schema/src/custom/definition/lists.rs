//! Kinds of lists and maps: `x-kubernetes-list-type`, its keys, and `x-kubernetes-map-type`.

use super::{Strictness, internal};
use pintle_object::field::Shown;
use pintle_object::{ByValue, FieldErrors, Path, Seen, Value, repeats};

const LIST: &str = "x-kubernetes-list-type";
const KEYS: &str = "x-kubernetes-list-map-keys";
const MAP: &str = "x-kubernetes-map-type";
const IN_SET: &str = "must be atomic as item of a list with x-kubernetes-list-type=set";

pub(super) fn check(props: &Value, strictness: Strictness, path: &Path<'_>, errors: &mut FieldErrors) {
    let list_type = text(props, LIST);
    let map_type = text(props, MAP);
    if map_type.is_some() {
        needs_type(props, "object", MAP, path, errors);
    }
    if let Some(other) = map_type.filter(|ty| !["atomic", "granular"].contains(ty)) {
        errors.not_supported(&path.child(MAP), other, &["atomic", "granular"]);
    }
    if list_type.is_some() && props.str_at(&["type"]) != "array" {
        needs_type(props, "array", LIST, path, errors);
    } else if strictness.atomic_sets && is_set_of_parts(props) {
        let items = path.child("items");
        let shown = props.at(&["items", LIST]).unwrap_or(&Value::Null);
        let is_list = props.str_at(&["items", "type"]) == "array";
        errors.invalid(&items.child(if is_list { LIST } else { MAP }), shown, IN_SET);
    }
    if let Some(other) = list_type.filter(|ty| !["atomic", "set", "map"].contains(ty)) {
        errors.not_supported(&path.child(LIST), other, &["atomic", "set", "map"]);
    }
    if !props.list_at(&[KEYS]).is_empty() {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            None => errors.required(&path.child(LIST), why),
            Some("map") => {}
            Some(other) => errors.invalid(&path.child(LIST), other, why),
        }
    }
    if list_type == Some("map") {
        map_list(props, path, errors);
    }
    if strictness.map_keys {
        keys(props, path, errors);
    }
}

/// A set whose items can be changed in part.
pub(super) fn is_set_of_parts(props: &Value) -> bool {
    let Some(items) = props.get("items").filter(|_| text(props, LIST) == Some("set")) else { return false };
    match items.str_at(&["type"]) {
        "array" => text(items, LIST).is_some_and(|ty| ty != "atomic"),
        "object" => text(items, MAP) != Some("atomic"),
        _ => false,
    }
}

pub(super) fn has_unfit_keys(props: &Value) -> bool {
    let mut errors = FieldErrors::new();
    keys(props, &Path::EMPTY, &mut errors);
    !errors.is_empty()
}

fn needs_type(props: &Value, ty: &str, what: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let why = format!("must be {ty} if {what} is specified");
    match props.str_at(&["type"]) {
        "" => errors.required(&path.child("type"), &why),
        own if own == ty => {}
        other => errors.invalid(&path.child("type"), other, &why),
    }
}

fn map_list(props: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let keys = props.list_at(&[KEYS]);
    if keys.is_empty() {
        errors.required(&path.child(KEYS), "must not be empty if x-kubernetes-list-type is map");
    }
    let path_of_items = path.child("items");
    let Some(items) = props.get("items") else {
        errors.required(&path_of_items, "must have a schema if x-kubernetes-list-type is map");
        return;
    };
    if items.as_map().is_none() {
        let why = "must only have a single schema if x-kubernetes-list-type is map";
        errors.invalid(&path_of_items, Shown(internal::items(items)), why);
        return;
    }
    let ty = items.str_at(&["type"]);
    if ty != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.invalid(&path_of_items.child("type"), ty, why);
        return;
    }
    let shown = props.get(KEYS).unwrap_or(&Value::Null);
    for (key, is_repeated) in keys.iter().zip(repeats(keys.iter().map(ByValue))) {
        let name = key.as_str().unwrap_or("");
        match items.at(&["properties", name]).map(|property| property.str_at(&["type"])) {
            None => errors.invalid(&path.child(KEYS), shown, "entries must all be names of item properties"),
            Some("array" | "object") => {
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let properties = path_of_items.child("properties");
                errors.invalid(&properties.key(name).child("type"), ty, why);
            }
            Some(_) => {}
        }
        if is_repeated {
            errors.invalid(&path.child(KEYS), shown, "must not contain duplicate entries");
        }
    }
}

/// Checks that items and their keys are required, so that items can be identified.
fn keys(props: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(items) = props.get("items").filter(|items| items.as_map().is_some()) else { return };
    let Some(list_type @ ("set" | "map")) = text(props, LIST) else { return };
    let path = path.child("items");
    if items.bool_at(&["nullable"]) {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.forbidden(&path.child("nullable"), &why);
    }
    if list_type == "set" {
        return;
    }
    let properties = path.child("properties");
    let required: Seen<&str> = items.list_at(&["required"]).iter().filter_map(Value::as_str).collect();
    for key in props.list_at(&[KEYS]) {
        let name = key.as_str().unwrap_or("");
        let Some(property) = items.at(&["properties", name]) else { continue };
        let path = properties.key(name);
        if !required.contains(&name) && property.get("default").is_none_or(Value::is_null) {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                       property";
            errors.required(&path.child("default"), why);
        }
        if property.bool_at(&["nullable"]) {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&path.child("nullable"), why);
        }
    }
}

/// A text that may be empty, which is not the same as absent.
fn text<'a>(props: &'a Value, name: &str) -> Option<&'a str> {
    props.get(name).and_then(Value::as_str)
}
