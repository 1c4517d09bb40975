//! A struct's tree while it is decoded: fields come in any order and end up sorted by name.

use super::zero::{shows, zero};
use crate::model::{Schema, Struct};
use pintle_object::{Map, Text, Value};

/// The fields decoded so far. Where a field belongs among them is counted from bits, without comparing names.
///
/// ```text
/// by name:   apiVersion kind metadata spec status
/// present:   0          1    0        1    0        metadata goes to place 1, for one bit is below its own
/// ```
pub(super) struct Draft<'a> {
    inner: &'a Struct,
    present: u128,
    entries: Vec<(Text, Value)>,
    /// Fields past the 128th by name; only a CRD has so many.
    rest: Map,
}

impl<'a> Draft<'a> {
    pub(super) fn new(inner: &'a Struct) -> Draft<'a> {
        let entries = Vec::with_capacity(inner.fields.len().min(8));
        Draft { inner, present: 0, entries, rest: Map::new() }
    }

    /// Sets a field, or removes it when its value is not one that output shows.
    pub(super) fn set(&mut self, schema: &Schema, index: u16, value: Value) {
        let field = self.inner.at(index);
        let is_shown = shows(schema, field.presence, field.pointer, field.ty, &value);
        if !is_shown && !clears_managers(&field.name, &value) {
            self.take(index);
            return;
        }
        let Some((place, bit)) = self.place(index) else {
            self.rest.insert(self.key(index), value);
            return;
        };
        if self.present & bit == 0 {
            self.present |= bit;
            let key = self.key(index);
            self.entries.insert(place, (key, value));
        } else if let Some((_, slot)) = self.entries.get_mut(place) {
            *slot = value;
        }
    }

    pub(super) fn get_mut(&mut self, index: u16) -> Option<&mut Value> {
        let Some((place, bit)) = self.place(index) else {
            return self.rest.get_mut(&self.inner.at(index).name);
        };
        if self.present & bit == 0 {
            return None;
        }
        self.entries.get_mut(place).map(|(_, value)| value)
    }

    pub(super) fn take(&mut self, index: u16) -> Option<Value> {
        let Some((place, bit)) = self.place(index) else {
            return self.rest.remove(&self.inner.at(index).name);
        };
        if self.present & bit == 0 {
            return None;
        }
        self.present &= !bit;
        Some(self.entries.remove(place).1)
    }

    /// The tree, with the fields that output always shows.
    pub(super) fn finish(mut self, schema: &Schema) -> Value {
        for index in &self.inner.always {
            if self.get_mut(*index).is_none() {
                let field = self.inner.at(*index);
                let value = if field.pointer { Value::Null } else { zero(schema, field.ty) };
                self.set(schema, *index, value);
            }
        }
        let mut map = Map::from_sorted(self.entries);
        for (key, value) in self.rest {
            map.insert(key, value);
        }
        Value::Map(map)
    }

    /// The index of a field among `entries`, present or not, and its bit in `present`.
    fn place(&self, index: u16) -> Option<(usize, u128)> {
        let rank = self.inner.ranks.get(usize::from(index)).copied().unwrap_or(0);
        let bit = 1_u128.checked_shl(rank.into())?;
        Some(((self.present & (bit - 1)).count_ones() as usize, bit))
    }

    fn key(&self, index: u16) -> Text {
        self.inner.keys.get(usize::from(index)).cloned().unwrap_or_default()
    }
}

/// An empty `metadata.managedFields` differs from an absent one: it asks for the managers to be forgotten. Tracking
/// takes it out again.
fn clears_managers(name: &str, value: &Value) -> bool {
    name == "managedFields" && matches!(value, Value::List(list) if list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, Presence, Shape, Str, Type, TypeId};
    use pintle_object::json;

    /// Fields `f0`, `f1`, …, of which the first is always shown.
    fn schema(count: u16) -> Schema {
        let field = |index: u16| Field {
            name: Str::Owned(format!("f{index}")),
            tags: Box::new([0]),
            ty: TypeId(1),
            presence: if index == 0 { Presence::Always } else { Presence::NonZero },
            pointer: false,
            required: false,
            default: None,
            patch: None,
            rules: None,
            go_type: "".into(),
            embedded: "".into(),
            granular: false,
        };
        let inner = Struct::new((0..count).map(field).collect(), false);
        let ty = |shape| Type { name: "".into(), shape };
        Schema { types: vec![ty(Shape::Struct(inner)), ty(Shape::Text)], ..Schema::default() }
    }

    #[test]
    fn fields_end_up_sorted_however_they_come() {
        for count in [5, 127, 300] {
            let schema = schema(count);
            let Shape::Struct(inner) = schema.shape(TypeId(0)) else { panic!("made a struct") };
            let mut draft = Draft::new(inner);
            let last = count - 1;
            draft.set(&schema, last, Value::from("x"));
            draft.set(&schema, 3, Value::from("y"));
            draft.set(&schema, 1, Value::from("z"));
            draft.set(&schema, last, Value::from("w"));
            draft.set(&schema, 3, Value::from(""));
            assert_eq!(draft.take(1), Some(Value::from("z")));
            assert_eq!(draft.get_mut(1), None);
            let expected = format!(r#"{{"f0":"","f{last}":"w"}}"#);
            assert_eq!(json::to_string(&draft.finish(&schema)), expected);
        }
    }
}
