//! Validation of slices of a driver's pool of devices.

use super::{
    Bounds, ID_LEN_MAX, binding_conditions, by_field, by_itself, capacity, driver_name, label_name,
    label_value, list, pool_name, qualified_label, qualified_name, shape,
};
use crate::validation::check::{self, IMMUTABLE, present};
use crate::validation::pod_spec::node_selector;
use crate::validation::{internal, internal_type};
use pintle_object::{FieldErrors, Map, Path, Value, content};
use std::collections::BTreeMap;

const SPEC: Path<'static> = Path::root("spec");

const DEVICES_MAX: usize = 128;
/// Taints, counters and lists of attributes make devices larger.
const LARGE_DEVICES_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const CONSUMPTIONS_MAX: usize = 2;
const ATTRIBUTES_MAX: usize = 32;
const ATTRIBUTE_VALUES_MAX: usize = 48;
const ATTRIBUTE_LEN_MAX: usize = 64;
const TAINTS_MAX: usize = 16;
/// A domain, a slash and a name.
const KEY_LEN_MAX: usize = 63 + 1 + ID_LEN_MAX;
const LABEL_LEN_MAX: usize = 63;

const LISTS: [&str; 4] = ["bools", "ints", "strings", "versions"];

/// All errors of a slice's spec, and of the changes of an update.
pub fn spec(object: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let before = old.map(|old| old.get("spec").unwrap_or(&null));
    driver_name(spec, &SPEC, errors);
    pool(spec.get("pool").unwrap_or(&null), &SPEC.child("pool"), errors);
    if let Some(before) = before {
        for (field, path) in [("pool.name", ["pool", "name"].as_slice()), ("driver", &["driver"])] {
            let new = spec.str_at(path);
            if new != before.str_at(path) {
                errors.invalid(&SPEC.child(field), new, IMMUTABLE);
            }
        }
        check::immutable(
            present(spec, &["nodeName"]),
            present(before, &["nodeName"]),
            &SPEC.child("nodeName"),
            errors,
        );
    }
    nodes(spec, errors);
    let devices = spec.list_at(&["devices"]);
    if present(spec, &["sharedCounters"]).is_some() && present(spec, &["devices"]).is_some() {
        errors.invalid(&SPEC, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    let max = if devices.iter().any(is_large) { LARGE_DEVICES_MAX } else { DEVICES_MAX };
    let path = SPEC.child("devices");
    let old_devices = before.map_or(&[][..], |before| before.list_at(&["devices"]));
    // The first of a name counts.
    let old_devices: BTreeMap<&str, &Value> =
        old_devices.iter().rev().map(|old| (old.str_at(&["name"]), old)).collect();
    list(devices, Bounds::set(max), by_field("name"), &path, errors, |one, path, errors| {
        device(one, old_devices.get(one.str_at(&["name"])).copied(), spec, path, errors);
    });
    let counters = spec.list_at(&["sharedCounters"]);
    let path = SPEC.child("sharedCounters");
    list(counters, Bounds::set(COUNTER_SETS_MAX), by_field("name"), &path, errors, |set, path, errors| {
        counter_set(set, "name", COUNTERS_MAX, path, errors);
    });
}

fn pool(pool: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    pool_name(pool.str_at(&["name"]), &path.child("name"), errors);
    let (count, generation) =
        (pool.int_at(&["resourceSliceCount"]).unwrap_or(0), pool.int_at(&["generation"]).unwrap_or(0));
    if count <= 0 {
        errors.invalid(&path.child("resourceSliceCount"), count, "must be greater than zero");
    }
    if generation < 0 {
        errors.invalid(&path.child("generation"), generation, "must be greater than or equal to zero");
    }
}

/// Which nodes the devices of the slice are on: said in exactly one way.
fn nodes(spec: &Value, errors: &mut FieldErrors) {
    const WAYS: &str =
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let mut set = Vec::new();
    node_name(spec, "must be either unset or set to a non-empty string", &mut set, &SPEC, errors);
    if let Some(selector) = present(spec, &["nodeSelector"]) {
        set.push("`nodeSelector`");
        let path = SPEC.child("nodeSelector");
        node_selector(selector, &path, errors);
        if selector.list_at(&["nodeSelectorTerms"]).len() != 1 {
            let shown =
                internal_type::shown_list(selector.list_at(&["nodeSelectorTerms"]), "NodeSelectorTerm");
            let path = path.child("nodeSelectorTerms");
            errors.invalid(&path, shown, "must have exactly one node selector term");
        }
    }
    flag(spec, "allNodes", "`allNodes`", &mut set, &SPEC, errors);
    flag(spec, "perDeviceNodeSelection", "`perDeviceNodeSelection`", &mut set, &SPEC, errors);
    match set.len() {
        0 => errors.required(&SPEC, WAYS),
        1 => {}
        _ => {
            let why = format!("{WAYS}, but multiple fields are set");
            errors.invalid(&SPEC, &format!("{{{}}}", set.join(", ")), &why);
        }
    }
}

fn node_name(
    object: &Value,
    why_empty: &str,
    set: &mut Vec<&str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let path = path.child("nodeName");
    match present(object, &["nodeName"]).and_then(Value::as_str) {
        None => {}
        Some("") => errors.invalid(&path, "", why_empty),
        Some(name) => {
            set.push("`nodeName`");
            check::invalid_all(content::dns1123_subdomain(name), name, &path, errors);
        }
    }
}

/// A flag that is true or absent.
fn flag<'a>(
    object: &Value,
    field: &str,
    shown: &'a str,
    set: &mut Vec<&'a str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    match present(object, &[field]).and_then(Value::as_bool) {
        None => {}
        Some(true) => set.push(shown),
        Some(false) => {
            errors.invalid(&path.child(field), false, "must be either unset or set to true");
        }
    }
}

fn is_large(device: &Value) -> bool {
    let attributes = device.map_at(&["attributes"]).into_iter().flat_map(Map::values);
    !device.list_at(&["taints"]).is_empty()
        || !device.list_at(&["consumesCounters"]).is_empty()
        || attributes.into_iter().any(|one| LISTS.iter().any(|list| present(one, &[list]).is_some()))
}

/// Counters by name, of a set or taken from one; `field` names the set.
fn counter_set(set: &Value, field: &str, max: usize, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = set.str_at(&[field]);
    if name.is_empty() {
        errors.required(&path.child(field), "");
    } else {
        label_name(name, &path.child(field), errors);
    }
    let path = path.child("counters");
    let counters = set.map_at(&["counters"]).filter(|counters| !counters.is_empty());
    let Some(counters) = counters else { return errors.required(&path, "") };
    if counters.len() > max {
        return errors.too_many(&path, counters.len(), max);
    }
    for name in counters.keys() {
        label_name(name, &path, errors);
    }
}

fn device(device: &Value, old: Option<&Value>, spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    label_name(device.str_at(&["name"]), &path.child("name"), errors);
    let empty = Map::new();
    let attributes = device.map_at(&["attributes"]).unwrap_or(&empty);
    let capacities = device.map_at(&["capacity"]).unwrap_or(&empty);
    sizes(attributes, capacities, path, errors);
    let attributes_path = path.child("attributes");
    for (name, value) in attributes.iter() {
        qualified_name(name, &attributes_path, errors);
        attribute(value, &attributes_path.key(&truncated(name, KEY_LEN_MAX)), errors);
    }
    let is_shared = device.bool_at(&["allowMultipleAllocations"]);
    let capacity_path = path.child("capacity");
    for (name, value) in capacities.iter() {
        qualified_name(name, &capacity_path, errors);
        let name = truncated(name, KEY_LEN_MAX);
        let path = capacity_path.key(&name);
        if is_shared {
            capacity::policy(value, &path, errors);
        } else if present(value, &["requestPolicy"]).is_some() {
            errors.forbidden(&path.child("requestPolicy"), "allowMultipleAllocations must be true");
        }
    }
    let taints = device.list_at(&["taints"]);
    if old.is_none_or(|old| old.list_at(&["taints"]) != taints) {
        list(taints, Bounds::list(TAINTS_MAX), by_itself, &path.child("taints"), errors, taint);
    }
    let consumed = device.list_at(&["consumesCounters"]);
    let consumed_path = path.child("consumesCounters");
    let bounds = Bounds::set(CONSUMPTIONS_MAX);
    list(consumed, bounds, by_field("counterSet"), &consumed_path, errors, |one, path, errors| {
        counter_set(one, "counterSet", COUNTERS_MAX, path, errors);
    });
    device_nodes(device, spec.bool_at(&["perDeviceNodeSelection"]), path, errors);
    binding_conditions(device, path, errors);
}

fn sizes(attributes: &Map, capacities: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let total = attributes.len() + capacities.len();
    if total > ATTRIBUTES_MAX {
        let why = format!("the total number of attributes and capacities must not exceed {ATTRIBUTES_MAX}");
        errors.invalid(path, total, &why);
    }
    let count = |one: &Value| LISTS.iter().map(|list| one.list_at(&[list]).len()).sum::<usize>().max(1);
    let values: usize = attributes.values().map(count).sum();
    if values > ATTRIBUTE_VALUES_MAX {
        let why = format!("the total number of attribute values must not exceed {ATTRIBUTE_VALUES_MAX}");
        errors.invalid(path, values, &why);
    }
}

fn attribute(attribute: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let text = |field: &str| present(attribute, &[field]).and_then(Value::as_str);
    if let Some(value) = text("string") {
        attribute_text(value, &path.child("string"), errors);
    }
    if let Some(value) = text("version") {
        version(value, &path.child("version"), errors);
    }
    for field in LISTS {
        let path = path.child(field);
        for (index, item) in attribute.list_at(&[field]).iter().enumerate() {
            match (field, item.as_str().unwrap_or("")) {
                ("strings", text) => attribute_text(text, &path.index(index), errors),
                ("versions", text) => version(text, &path.index(index), errors),
                _ => {}
            }
        }
    }
    let fields = ["bool", "int", "string", "version"].iter().chain(&LISTS);
    match fields.filter(|field| present(attribute, &[field]).is_some()).count() {
        0 => errors.invalid(path, "", "exactly one value must be specified"),
        1 => {}
        _ => {
            let shown = internal::shown(attribute, shape::ATTRIBUTE);
            errors.invalid(path, shown, "exactly one value must be specified");
        }
    }
}

fn attribute_text(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if text.len() > ATTRIBUTE_LEN_MAX {
        errors.too_long(path, ATTRIBUTE_LEN_MAX);
    }
}

fn version(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if !is_semantic_version(text) {
        errors.invalid(path, text, "must be a string compatible with semver.org spec 2.0.0");
    }
    attribute_text(text, path, errors);
}

/// `1.2.3-alpha.1+build.5`
fn is_semantic_version(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = |word: &str| is_digits(word) && (word == "0" || !word.starts_with('0'));
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, release) = text.split_once('-').map_or((text, None), |(core, rest)| (core, Some(rest)));
    let mut numbers = core.split('.');
    let is_core = numbers.clone().count() == 3 && numbers.all(is_number);
    let is_release = |word: &str| is_word(word) && (!is_digits(word) || is_number(word));
    is_core
        && release.is_none_or(|release| release.split('.').all(is_release))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn taint(taint: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    qualified_label(taint.str_at(&["key"]), &path.child("key"), errors);
    let value = taint.str_at(&["value"]);
    if !value.is_empty() {
        label_value(value, &path.child("value"), errors);
    }
    match taint.str_at(&["effect"]) {
        "" => errors.required(&path.child("effect"), ""),
        effect if !super::EFFECTS.contains(&effect) => {
            errors.not_supported(&path.child("effect"), effect, &super::EFFECTS);
        }
        _ => {}
    }
}

/// Checks the node of one device, in slices that leave it to their devices.
fn device_nodes(device: &Value, is_per_device: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    const WAYS: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    if !is_per_device {
        if ["nodeName", "nodeSelector", "allNodes"].iter().any(|way| present(device, &[way]).is_some()) {
            let why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
            errors.invalid(path, &Value::Null, why);
        }
        return;
    }
    let mut set = Vec::new();
    node_name(device, "must not be empty", &mut set, path, errors);
    if let Some(selector) = present(device, &["nodeSelector"]) {
        set.push("`nodeSelector`");
        node_selector(selector, &path.child("nodeSelector"), errors);
    }
    flag(device, "allNodes", "`allNodes`", &mut set, path, errors);
    match set.len() {
        0 => errors.required(path, WAYS),
        1 => {}
        _ => errors.invalid(path, &format!("{{{}}}", set.join(", ")), WAYS),
    }
}

/// A key in a path; the middle of a long one is cut.
fn truncated(key: &str, max: usize) -> String {
    const ELLIPSIS: &str = "...";
    let max = max.max(LABEL_LEN_MAX.min(16));
    if key.len() <= max {
        return key.to_string();
    }
    let rest = max - ELLIPSIS.len();
    let (head, tail) = (key.get(..rest.div_ceil(2)), key.get(key.len() - rest / 2..));
    format!("{}{ELLIPSIS}{}", head.unwrap_or(""), tail.unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        let cases = [
            ("1.2.3", true),
            ("1.2.3-alpha.1+b.5", true),
            ("1.0.0+0-x", true),
            ("01.2.3", false),
            ("1.2", false),
            ("1.2.3.4", false),
            ("1.2.3-01", false),
            ("1.2.3-", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_semantic_version(text), expected, "{text}");
        }
    }
}
