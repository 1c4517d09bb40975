//! Removes a set of fields from an object.

use super::atom::{Atom, ListAtom, MapAtom, Ty, atom, item_element};
use crate::fields::{Element, FieldSet};
use crate::tree::tree;
use pintle_object::{Map, Value};
use pintle_schema::model::{List, Schema, TypeId};

/// The object without the fields and list items of a set.
///
/// Removes fields. A value that loses all below it stays, empty; the object itself becomes null.
pub(crate) fn remove(schema: &Schema, ty: TypeId, value: &Value, set: &FieldSet) -> Value {
    if set.is_empty() {
        return value.clone();
    }
    RemoveWalk { schema }.value(Ty::Of(ty), value, set)
}

struct RemoveWalk<'a> {
    schema: &'a Schema,
}

impl<'a> RemoveWalk<'a> {
    fn value(&self, ty: Ty, value: &Value, set: &FieldSet) -> Value {
        let value = &*tree(value);
        match (atom(self.schema, ty, Some(value)), value) {
            (Atom::Scalar, _) => value.clone(),
            (Atom::List(list), Value::List(items)) => match list.identity {
                Some(identity) => self.items(identity, list.item, items, set),
                None => Value::Null,
            },
            (Atom::Map(inner), Value::Map(map)) if !inner.is_atomic => self.entries(&inner, map, set),
            (Atom::List(_) | Atom::Map(_), _) => Value::Null,
        }
    }

    /// A part of the object, of which something goes.
    fn below(&self, ty: Ty, value: &Value, set: &FieldSet) -> Value {
        let value = &*tree(value);
        match (self.value(ty, value, set), value) {
            (Value::Null, Value::Map(_)) => Value::map(),
            (Value::Null, Value::List(_)) => Value::List(Vec::new()),
            (left, _) => left,
        }
    }

    fn entries(&self, inner: &MapAtom<'a>, map: &Map, set: &FieldSet) -> Value {
        let mut out = Map::with_capacity(map.len());
        for (key, value) in map.iter() {
            match set.field(key) {
                None => drop(out.insert(key, value.clone())),
                Some(node) if node.is_member => {}
                Some(node) => drop(out.insert(key, self.below(inner.child(key).0, value, &node.children))),
            }
        }
        if out.is_empty() { Value::Null } else { Value::Map(out) }
    }

    fn items(&self, list: &List, item: Ty, items: &[Value], set: &FieldSet) -> Value {
        let mut out = Vec::with_capacity(items.len());
        for value in items {
            let element = item_element(self.schema, list, value).ok();
            match element.and_then(|element| set.node(&element)) {
                None => out.push(value.clone()),
                Some(node) if node.is_member => {}
                Some(node) => out.push(self.below(item, value, &node.children)),
            }
        }
        if out.is_empty() { Value::Null } else { Value::List(out) }
    }
}

/// The set with the named fields on the way to its paths: `.a.b.c` also gets `.a`, unless it is a key of a map.
pub(crate) fn named_fields_as_members(schema: &Schema, ty: TypeId, set: &FieldSet) -> FieldSet {
    ensure(schema, Some(Ty::Of(ty)), set)
}

fn ensure(schema: &Schema, ty: Option<Ty>, set: &FieldSet) -> FieldSet {
    let atom = ty.map(|ty| atom(schema, ty, None));
    let mut out = FieldSet::new();
    for node in set.nodes() {
        let (child, is_declared) = match (&node.element, atom) {
            (Element::Field(name), Some(Atom::Map(inner))) => {
                let (child, is_declared) = inner.child(name);
                (Some(child), is_declared)
            }
            (Element::Key(_), Some(Atom::List(ListAtom { item, .. }))) => (Some(item), false),
            _ => (None, false),
        };
        let is_member = node.is_member || (is_declared && !node.children.is_empty());
        out.push(node.element.clone(), is_member, ensure(schema, child, &node.children));
    }
    out
}
