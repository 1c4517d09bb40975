//! Items of lists that are sets or maps stand once.

use super::Node;
use pintle_object::{ByValue, FieldErrors, Map, Path, Text, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Items of a list as it was, by the keys that tell them apart; of several that are alike, the first.
pub(super) struct Former<'a> {
    keys: &'a [Text],
    items: BTreeMap<Vec<Option<ByValue<'a>>>, &'a Value>,
}

impl<'a> Former<'a> {
    pub fn new(keys: &'a [Text], old: &'a [Value]) -> Former<'a> {
        let mut former = Former { keys, items: BTreeMap::new() };
        for item in old {
            former.items.entry(former.keys_of(item)).or_insert(item);
        }
        former
    }

    /// The item that was there before in the place of this one.
    pub fn get(&self, item: &Value) -> Option<&'a Value> {
        // A key that lives as long as the item, in a map of keys that live longer.
        let items: &BTreeMap<Vec<Option<ByValue<'_>>>, &'a Value> = &self.items;
        items.get(&self.keys.iter().map(|key| item.get(key).map(ByValue)).collect::<Vec<_>>()).copied()
    }

    fn keys_of(&self, item: &'a Value) -> Vec<Option<ByValue<'a>>> {
        self.keys.iter().map(|key| item.get(key).map(ByValue)).collect()
    }
}

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
