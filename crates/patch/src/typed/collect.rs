//! The set of fields that an object sets.

use super::atom::{Atom, MapAtom, Ty, atom, sorted_items};
use crate::fields::{Element, FieldSet};
use crate::tree::tree;
use pintle_object::{Map, Value};
use pintle_schema::model::{List, Schema, TypeId};

/// Every leaf field and list item of an object, as an applier of it would own them.
///
/// Fails when a list with identity has an item without it.
pub fn fields_of(schema: &Schema, ty: TypeId, value: &Value) -> Result<FieldSet, String> {
    let mut set = FieldSet::new();
    Collect { schema }.value(Ty::Of(ty), value, &mut set)?;
    Ok(set)
}

struct Collect<'a> {
    schema: &'a Schema,
}

impl<'a> Collect<'a> {
    /// Adds the fields below a path to `below`; whether the path itself is a set field.
    fn value(&self, ty: Ty, value: &Value, below: &mut FieldSet) -> Result<bool, String> {
        let value = &*tree(value);
        match atom(self.schema, ty, Some(value)) {
            Atom::Scalar => Ok(true),
            Atom::List(list) => match (list.identity, value) {
                (None, _) => Ok(true),
                (Some(identity), Value::List(items)) => {
                    self.items(identity, list.item, items, below)?;
                    Ok(false)
                }
                (Some(_), _) => Ok(false),
            },
            Atom::Map(inner) if inner.is_atomic => Ok(true),
            Atom::Map(inner) => {
                if let Value::Map(map) = value {
                    self.entries(&inner, map, below)?;
                }
                Ok(false)
            }
        }
    }

    fn entries(&self, inner: &MapAtom<'a>, map: &Map, below: &mut FieldSet) -> Result<(), String> {
        for (key, value) in map.iter() {
            let (ty, is_declared) = inner.child(key);
            let mut children = FieldSet::new();
            let is_leaf = self.value(ty, value, &mut children)?;
            let is_empty = value.is_null() || tree(value).as_map().is_some_and(Map::is_empty);
            below.push(Element::field(key), is_leaf || is_empty || !is_declared, children);
        }
        Ok(())
    }

    fn items(&self, list: &List, item: Ty, items: &[Value], below: &mut FieldSet) -> Result<(), String> {
        let index = sorted_items(self.schema, list, items)?;
        for group in index.chunk_by(|a, b| a.0.order(&b.0).is_eq()) {
            let mut children = FieldSet::new();
            // Duplicates are one opaque item.
            if let [(_, value)] = group {
                self.value(item, value, &mut children)?;
            }
            if let Some((element, _)) = group.first() {
                below.push(element.clone(), true, children);
            }
        }
        Ok(())
    }
}
