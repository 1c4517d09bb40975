//! CSINode.

use super::{Context, Strategy, cells, csi_driver};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Seen, Value, content};
use std::collections::BTreeMap;

pub struct CsiNode;

const NODE_ID_LEN_MAX: usize = 192;
const DRIVERS: Path<'static> = Path::root("spec.drivers");

impl Strategy for CsiNode {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        drivers(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        drivers(new, errors);
        drivers_are_kept(new, old, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), cells::len(object, &["spec", "drivers"]), cells::age(object, now_seconds)]
    }
}

fn drivers(object: &Value, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, driver) in object.list_at(&["spec", "drivers"]).iter().enumerate() {
        let path = DRIVERS.index(index);
        let name = driver.str_at(&["name"]);
        csi_driver::driver_name(name, &path.child("name"), errors);
        node_id(driver.str_at(&["nodeID"]), &path.child("nodeID"), errors);
        if let Some(allocatable) = check::present(driver, &["allocatable"]) {
            check::non_negative_field(allocatable, "count", &path.child("allocatable"), errors);
        }
        if seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        seen.push(name);
        topology_keys(driver, &path, errors);
    }
}

fn node_id(id: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if id.is_empty() {
        errors.required(path, "");
    }
    if id.len() > NODE_ID_LEN_MAX {
        errors.invalid(path, id, &format!("must be {NODE_ID_LEN_MAX} characters or less"));
    }
}

fn topology_keys(driver: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for key in driver.list_at(&["topologyKeys"]).iter().filter_map(Value::as_str) {
        if key.is_empty() {
            errors.required(path, "");
        }
        if seen.contains(&key) {
            errors.duplicate(path, key);
        }
        seen.push(key);
        check::invalid_all(content::label_key(key), key, path, errors);
    }
}

/// The fields of a driver, in the order of upstream's error texts.
const DRIVER: Shape = &[
    ("Name", "name", Form::Text),
    ("NodeID", "nodeID", Form::Text),
    ("TopologyKeys", "topologyKeys", Form::Nullable),
    ("Allocatable", "allocatable", Form::Pointer(&[("Count", "count", Form::Nullable)])),
];

/// Checks that a driver that is named again is unchanged, except for its limits.
fn drivers_are_kept(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let strip = |driver: &Value| {
        let mut driver = driver.clone();
        driver.remove(&["allocatable"]);
        driver
    };
    // Names are unique among the drivers, or validation has refused them: the first of a name is compared.
    let mut named = BTreeMap::new();
    for new_driver in new.list_at(&["spec", "drivers"]) {
        named.entry(new_driver.str_at(&["name"])).or_insert(new_driver);
    }
    for old_driver in old.list_at(&["spec", "drivers"]) {
        let Some(new_driver) = named.get(old_driver.str_at(&["name"])) else { continue };
        let new_driver = strip(new_driver);
        if strip(old_driver) != new_driver {
            errors.invalid(&DRIVERS, internal::shown(&new_driver, DRIVER), check::IMMUTABLE);
        }
    }
}
