//! Uniqueness of items in lists that are sets or maps.

use crate::custom::node::Node;
use pintle_object::{FieldErrors, Map, Path, Value, json};
use std::collections::HashMap;

pub(super) fn check(node: &Node, path: &Path<'_>, value: &Value, errors: &mut FieldErrors) {
    match value {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                if let Some(below) = node.property(key) {
                    check(below, &path.child(key), value, errors);
                } else if let Some(below) = node.field(key) {
                    check(below, &path.key(key), value, errors);
                }
            }
        }
        Value::List(items) => {
            match node.list_type.as_str() {
                "set" => check_unique(path, items, errors),
                "map" => check_keys(node, path, items, errors),
                _ => {}
            }
            let Some(below) = node.items.as_deref() else { return };
            for (index, item) in items.iter().enumerate() {
                check(below, &path.index(index), item, errors);
            }
        }
        _ => {}
    }
}

fn check_keys(node: &Node, path: &Path<'_>, items: &[Value], errors: &mut FieldErrors) {
    let other = items.iter().position(|item| !matches!(item, Value::Map(_) | Value::Null));
    if let Some((index, item)) = other.and_then(|index| Some((index, items.get(index)?))) {
        errors.invalid(&path.index(index), item, "must be an object for an array of list-type map");
        return;
    }
    let keys_of = |item: &Value| {
        let keys = node.list_keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
        Value::Map(Map::from_iter(keys))
    };
    let keys: Vec<Value> = items.iter().map(keys_of).collect();
    check_unique(path, &keys, errors);
}

/// Reports the second appearance of each value, not the third.
fn check_unique(path: &Path<'_>, values: &[Value], errors: &mut FieldErrors) {
    let mut times: HashMap<String, usize> = HashMap::new();
    for (index, value) in values.iter().enumerate() {
        let times = times.entry(json::to_string(value)).or_default();
        *times += 1;
        if *times == 2 {
            errors.duplicate(&path.index(index), value);
        }
    }
}
