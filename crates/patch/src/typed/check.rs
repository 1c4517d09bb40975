//! Whether an untyped tree fits its type well enough to be merged.

use super::atom::{Atom, MapAtom, Ty, atom, check_item, item_element};
use crate::fields::FieldSet;
use crate::go;
use pintle_object::{Map, Value};
use pintle_schema::model::{List, Schema, Shape, TypeId};

/// Finds unknown fields, wrong types, items without identity, and (unless allowed) duplicate items. `None` when all is
/// valid; the text is upstream's.
pub fn check(schema: &Schema, ty: TypeId, value: &Value, allow_duplicates: bool) -> Option<String> {
    let mut walk = CheckWalk::new(schema, allow_duplicates);
    walk.value(Ty::Of(ty), value, None);
    walk.verdict()
}

/// Like `check` with duplicates allowed, for a value that resembles a valid one: parts that they share are not checked
/// again.
pub(crate) fn check_unlike(schema: &Schema, ty: TypeId, value: &Value, like: &Value) -> Option<String> {
    let mut walk = CheckWalk::new(schema, true);
    walk.value(Ty::Of(ty), value, Some(like));
    walk.verdict()
}

/// Whether two values fit their type, with duplicates allowed, in all that one of them has unlike the other.
pub(crate) fn fit_where_unlike(schema: &Schema, ty: TypeId, one: &Value, other: &Value) -> bool {
    let mut walk = CheckWalk::new(schema, true);
    walk.pair(Ty::Of(ty), one, other);
    walk.errors.is_empty()
}

/// The text of all that does not fit; a list may be wrong in every item, and names on the way may be long.
const ERRORS_BYTES_MAX: usize = 128 * 1024;

struct CheckWalk<'a, 'v> {
    schema: &'a Schema,
    allow_duplicates: bool,
    path: Vec<CheckStep<'a, 'v>>,
    errors: Vec<String>,
    /// Bytes in `errors`.
    bytes: usize,
}

enum CheckStep<'a, 'v> {
    Key(&'v str),
    /// An item of a list with identity.
    Item(&'a List, &'v Value),
    Index(usize),
}

impl<'a, 'v> CheckWalk<'a, 'v> {
    fn new(schema: &'a Schema, allow_duplicates: bool) -> CheckWalk<'a, 'v> {
        CheckWalk { schema, allow_duplicates, path: Vec::new(), errors: Vec::new(), bytes: 0 }
    }

    fn verdict(self) -> Option<String> {
        match self.errors.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(format!("errors:\n  {}", many.join("\n  "))),
        }
    }

    /// `like` is a value that needs no look where this one is the same.
    fn value(&mut self, ty: Ty, value: &'v Value, like: Option<&Value>) {
        let (Ty::Of(id) | Ty::Granular(id)) = ty else { return };
        if value.is_null() || like == Some(value) {
            return;
        }
        match (atom(self.schema, ty, Some(value)), value) {
            (Atom::Scalar, _) => self.scalar(self.schema.shape(id), value),
            (Atom::List(list), Value::List(items)) => self.items(list.identity, list.item, items),
            (Atom::List(_), _) => self.complain(format!("expected list, got {}", shown(value))),
            (Atom::Map(inner), Value::Map(map)) => self.entries(&inner, map, like),
            (Atom::Map(_), Value::Raw(raw)) if raw.0.starts_with('{') || &*raw.0 == "null" => {}
            (Atom::Map(_), _) => self.complain(format!("expected map, got {}", shown(value))),
        }
    }

    fn entries(&mut self, inner: &MapAtom<'a>, map: &'v Map, like: Option<&Value>) {
        let mut likes = like.and_then(Value::as_map).into_iter().flat_map(Map::iter).peekable();
        for (key, value) in map.iter() {
            let (ty, is_declared) = inner.child(key);
            self.path.push(CheckStep::Key(key));
            if is_declared || inner.values.is_some() {
                // Both maps are in the order of their keys.
                while likes.next_if(|(other, _)| *other < key).is_some() {}
                let like = likes.next_if(|(other, _)| *other == key);
                self.value(ty, value, like.map(|(_, like)| like));
                self.path.pop();
            } else {
                self.complain("field not declared in schema".into());
                self.path.pop();
                return;
            }
        }
    }

    /// Checks the differing parts of two values of a type.
    fn pair(&mut self, ty: Ty, one: &'v Value, other: &'v Value) {
        if let (Value::Map(map), Value::Map(others)) = (one, other)
            && let Ty::Of(_) | Ty::Granular(_) = ty
            && let Atom::Map(inner) = atom(self.schema, ty, Some(one))
        {
            return self.pairs(&inner, map, others);
        }
        self.value(ty, one, None);
        self.value(ty, other, None);
    }

    fn pairs(&mut self, inner: &MapAtom<'a>, map: &'v Map, others: &'v Map) {
        for (key, one, two) in map.joined(others).filter(|(_, one, two)| one != two) {
            let (ty, is_declared) = inner.child(key);
            self.path.push(CheckStep::Key(key));
            match (one, two) {
                _ if !is_declared && inner.values.is_none() => {
                    self.complain("field not declared in schema".into());
                }
                (Some(one), Some(two)) => self.pair(ty, one, two),
                (one, two) => one.or(two).into_iter().for_each(|value| self.value(ty, value, None)),
            }
            self.path.pop();
        }
    }

    fn items(&mut self, identity: Option<&'a List>, ty: Ty, items: &'v [Value]) {
        let mut seen = FieldSet::new();
        for (place, item) in items.iter().enumerate() {
            let step = match identity {
                None => CheckStep::Index(place),
                Some(list) => match check_item(self.schema, list, item) {
                    Ok(()) => CheckStep::Item(list, item),
                    Err(why) => return self.complain(format!("element {place}: {why}")),
                },
            };
            if let Some(list) = identity
                && !self.allow_duplicates
                && let Ok(element) = item_element(self.schema, list, item)
            {
                if seen.node(&element).is_some() {
                    self.complain(format!("duplicate entries for key {element}"));
                }
                seen.push(element, true, FieldSet::new());
            }
            self.path.push(step);
            self.value(ty, item, None);
            self.path.pop();
        }
    }

    fn scalar(&mut self, shape: &Shape, value: &Value) {
        match shape {
            Shape::Bool if !matches!(value, Value::Bool(_)) => {
                self.complain(format!("expected boolean, got {}", shown(value)));
            }
            Shape::Int32 | Shape::Int64 | Shape::Double if !is_number(value) => {
                self.complain(format!("expected numeric (int or float), got {}", value.go_type()));
            }
            Shape::IntOrString | Shape::Quantity => {
                if matches!(value, Value::List(_) | Value::Map(_) | Value::Raw(_)) {
                    self.complain(format!("expected any scalar, got {}", shown(value)));
                }
            }
            Shape::Text | Shape::Bytes | Shape::Time | Shape::MicroTime | Shape::Duration
                if !matches!(value, Value::Text(_)) =>
            {
                let held = go::syntax(value);
                self.complain(format!("expected string, got &value.valueUnstructured{{Value:{held}}}"));
            }
            _ => {}
        }
    }

    fn complain(&mut self, message: String) {
        if self.bytes > ERRORS_BYTES_MAX {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            match step {
                CheckStep::Key(key) => path.push_str(&format!(".{key}")),
                CheckStep::Item(list, item) => {
                    let element = item_element(self.schema, list, item).expect("the item was checked");
                    path.push_str(&element.to_string());
                }
                CheckStep::Index(place) => path.push_str(&format!("[{place}]")),
            }
        }
        let error = if path.is_empty() { message } else { format!("{path}: {message}") };
        self.bytes += error.len();
        self.errors.push(error);
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_))
}

/// Go's `%v` of upstream's wrapper of a value.
fn shown(value: &Value) -> String {
    format!("&{{{}}}", go::text(value))
}
