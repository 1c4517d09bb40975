//! Which fields differ between two objects of a type.

use super::atom::{Atom, ListAtom, MapAtom, Ty, atom, items_of, map_of, sorted_items};
use crate::fields::{Element, FieldSet};
use crate::tree::tree;
use pintle_object::{Map, Value};
use pintle_schema::model::{List, Schema, TypeId};

/// The fields that differ between an old and a new object.
///
/// No path is in two of the sets, except that of an item that had duplicates and has none any more: the marker of
/// the duplicates is removed, the item is added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    pub added: FieldSet,
    pub modified: FieldSet,
    pub removed: FieldSet,
}

impl Comparison {
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// The fields that the writer of the new object gets: those that it added or changed.
    pub fn taken(&self) -> FieldSet {
        self.modified.union(&self.added)
    }

    /// Removes from a set the fields that the writer of the new object gets, and removed ones.
    pub fn take_from(&self, set: &mut FieldSet) {
        set.subtract(&self.added);
        set.subtract(&self.modified);
        set.subtract(&self.removed);
    }

    fn push(&mut self, element: Element, mark: Mark, below: Comparison) {
        if !below.removed.is_empty() || mark.removed {
            self.removed.push(element.clone(), mark.removed, below.removed);
        }
        if !below.modified.is_empty() || mark.modified {
            self.modified.push(element.clone(), mark.modified, below.modified);
        }
        if !below.added.is_empty() || mark.added {
            self.added.push(element, mark.added, below.added);
        }
    }
}

/// Compares two objects of a type, both in canonical form.
///
/// Fails when a list with identity has an item without it.
pub fn compare(schema: &Schema, ty: TypeId, old: &Value, new: &Value) -> Result<Comparison, String> {
    let mut out = Comparison::default();
    let mark = Walk { schema }.value(Ty::Of(ty), Some(old), Some(new), &mut out)?;
    debug_assert!(!mark.added && !mark.removed, "both sides are given");
    Ok(out)
}

/// The change of a path itself, besides changes below it.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    added: bool,
    modified: bool,
    removed: bool,
    /// The path is a leaf: nothing below it is looked at.
    is_leaf: bool,
}

struct Walk<'a> {
    schema: &'a Schema,
}

impl<'a> Walk<'a> {
    /// Adds the differences below a path to `out`, and returns that of the path itself.
    fn value(
        &self,
        ty: Ty,
        old: Option<&Value>,
        new: Option<&Value>,
        out: &mut Comparison,
    ) -> Result<Mark, String> {
        if matches!(old, Some(Value::Raw(_))) || matches!(new, Some(Value::Raw(_))) {
            if old == new {
                return Ok(Mark::default());
            }
            let (old, new) = (old.map(tree), new.map(tree));
            return self.value(ty, old.as_deref(), new.as_deref(), out);
        }
        let left = atom(self.schema, ty, old.or(new));
        let right = atom(self.schema, ty, new.or(old));
        let mut mark = Mark::default();
        if left.kind() != right.kind() {
            let apart = self.atom(&left, old, new, out)?;
            mark.modified |= apart.modified;
        }
        let joined = self.atom(&right, old, new, out)?;
        mark.added |= joined.added;
        mark.removed |= joined.removed;
        mark.modified |= joined.modified;
        if !joined.is_leaf {
            mark.added |= old.is_none();
            mark.removed |= old.is_some() && new.is_none();
        }
        Ok(mark)
    }

    fn atom(
        &self,
        atom: &Atom<'a>,
        old: Option<&Value>,
        new: Option<&Value>,
        out: &mut Comparison,
    ) -> Result<Mark, String> {
        match atom {
            Atom::Scalar => Ok(leaf(old, new)),
            Atom::List(ListAtom { item, identity }) => {
                let (a, b) = (items_of(old), items_of(new));
                match identity {
                    Some(list) if !(a.is_empty() && b.is_empty()) => {
                        self.items(list, *item, a, b, out)?;
                        Ok(Mark::default())
                    }
                    _ => Ok(leaf(old, new)),
                }
            }
            Atom::Map(inner) => {
                let (a, b) = (map_of(old), map_of(new));
                if inner.is_atomic || (a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty)) {
                    return Ok(leaf(old, new));
                }
                self.entries(inner, a.unwrap_or(&EMPTY), b.unwrap_or(&EMPTY), out)?;
                Ok(Mark::default())
            }
        }
    }

    fn entries(&self, inner: &MapAtom<'a>, old: &Map, new: &Map, out: &mut Comparison) -> Result<(), String> {
        // Most fields are equal, and need no look at their type.
        for (key, a, b) in old.joined(new).filter(|(_, a, b)| a != b) {
            let mut below = Comparison::default();
            let mark = self.value(inner.child(key).0, a, b, &mut below)?;
            if mark.added || mark.modified || mark.removed || !below.is_same() {
                out.push(Element::field(key), mark, below);
            }
        }
        Ok(())
    }

    fn items(
        &self,
        list: &List,
        item: Ty,
        old: &[Value],
        new: &[Value],
        out: &mut Comparison,
    ) -> Result<(), String> {
        if old == new {
            return Ok(());
        }
        let (old, new) = (sorted_items(self.schema, list, old)?, sorted_items(self.schema, list, new)?);
        let (mut left, mut right) = (groups(&old).peekable(), groups(&new).peekable());
        loop {
            let element = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => {
                    if a.0.order(b.0).is_le() {
                        a.0
                    } else {
                        b.0
                    }
                }
                (Some(a), None) => a.0,
                (None, Some(b)) => b.0,
                (None, None) => return Ok(()),
            };
            let a = left.next_if(|group| group.0.order(element).is_eq()).map_or(&[][..], |group| group.1);
            let b = right.next_if(|group| group.0.order(element).is_eq()).map_or(&[][..], |group| group.1);
            let mut below = Comparison::default();
            let mark = self.same_items(item, a, b, &mut below)?;
            out.push(element.clone(), mark, below);
        }
    }

    /// Compares the items of one identity; duplicates on a side are one opaque value.
    fn same_items(
        &self,
        item: Ty,
        old: &[(Element, &Value)],
        new: &[(Element, &Value)],
        below: &mut Comparison,
    ) -> Result<Mark, String> {
        let mark = Mark::default();
        match (old, new) {
            ([] | [_], [] | [_]) => {
                let (a, b) = (old.first().map(|(_, value)| *value), new.first().map(|(_, value)| *value));
                self.value(item, a, b, below)
            }
            ([_, _, ..], [_, _, ..]) => {
                let is_same = old.iter().map(|(_, value)| *value).eq(new.iter().map(|(_, value)| *value));
                Ok(Mark { modified: !is_same, ..mark })
            }
            ([_, _, ..], rest) => {
                if let Some((_, value)) = rest.first() {
                    self.value(item, None, Some(value), below)?;
                }
                Ok(Mark { removed: true, added: !rest.is_empty(), ..mark })
            }
            (rest, _) => {
                if let Some((_, value)) = rest.first() {
                    self.value(item, Some(value), None, below)?;
                }
                Ok(Mark { added: true, ..mark })
            }
        }
    }
}

static EMPTY: Map = Map::new();

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Mark {
    Mark {
        added: old.is_none(),
        removed: old.is_some() && new.is_none(),
        modified: old.is_some() && new.is_some() && old != new,
        is_leaf: true,
    }
}

/// Runs of equal elements of a sorted index.
fn groups<'i, 'v>(
    index: &'i [(Element, &'v Value)],
) -> impl Iterator<Item = (&'i Element, &'i [(Element, &'v Value)])> {
    index
        .chunk_by(|a, b| a.0.order(&b.0).is_eq())
        .filter_map(|group| group.first().map(|(element, _)| (element, group)))
}
