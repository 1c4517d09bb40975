//! Items that were in a list before an update.

use pintle_object::{ByValue, Text, Value};
use std::collections::BTreeMap;

/// The items of a list's old version, by their keys; of several with equal keys, the first.
pub(crate) struct Former<'a> {
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
