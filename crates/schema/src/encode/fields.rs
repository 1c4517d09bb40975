//! The values of a struct's fields, found in its tree in one pass.

use crate::model::Struct;
use pintle_object::{Map, Value};
use std::cmp::Ordering;

/// Structs with more fields are looked up name by name; only CRDs have so many.
const SLOTS: usize = 64;

/// For each field of a struct its value in a tree.
pub(super) struct Fields<'v> {
    slots: [Option<&'v Value>; SLOTS],
    /// The tree, when the struct has more fields than there are slots.
    many: Option<&'v Map>,
}

impl<'v> Fields<'v> {
    /// Both the tree and `by_name` are sorted: they are walked side by side.
    pub(super) fn new(inner: &Struct, map: &'v Map) -> Fields<'v> {
        let mut fields = Fields { slots: [None; SLOTS], many: None };
        if inner.fields.len() > SLOTS {
            fields.many = Some(map);
            return fields;
        }
        let mut names = inner.by_name.as_slice();
        for (key, value) in map.iter() {
            while let Some((index, rest)) = names.split_first() {
                match inner.at(*index).name.as_ref().cmp(key) {
                    Ordering::Less => names = rest,
                    Ordering::Equal => {
                        names = rest;
                        if let Some(slot) = fields.slots.get_mut(usize::from(*index)) {
                            *slot = Some(value);
                        }
                        break;
                    }
                    Ordering::Greater => break,
                }
            }
        }
        fields
    }

    pub(super) fn get(&self, inner: &Struct, index: u16) -> Option<&'v Value> {
        match self.many {
            None => self.slots.get(usize::from(index)).copied().flatten(),
            Some(map) => map.get(&inner.at(index).name),
        }
    }
}
