//! Merges an applied configuration into an object.

use super::atom::{Atom, MapAtom, Ty, atom, item_element, items_of, map_of};
use crate::fields::Element;
use crate::tree::tree;
use pintle_object::{Map, Value};
use pintle_schema::model::{List, Schema, TypeId};

/// Both objects together: a leaf that both set is the configuration's, and nothing is removed.
pub(crate) fn merge(schema: &Schema, ty: TypeId, live: &Value, config: &Value) -> Result<Value, String> {
    let merged = Walk { schema }.value(Ty::Of(ty), Some(live), Some(config))?;
    Ok(merged.unwrap_or_default())
}

struct Walk<'a> {
    schema: &'a Schema,
}

/// The items of a list by their path elements, in order.
type Index<'v> = Vec<(Element, &'v Value)>;

impl<'a> Walk<'a> {
    fn value(&self, ty: Ty, live: Option<&Value>, config: Option<&Value>) -> Result<Option<Value>, String> {
        let (live, config) = (live.map(tree), config.map(tree));
        let (live, config) = (live.as_deref(), config.as_deref());
        match atom(self.schema, ty, config.or(live)) {
            Atom::Scalar => Ok(leaf(live, config)),
            Atom::List(list) => {
                let (a, b) = (items_of(live), items_of(config));
                match list.identity {
                    Some(identity) if !(a.is_empty() && b.is_empty()) => {
                        self.items(identity, list.item, a, b)
                    }
                    _ => Ok(leaf(live, config)),
                }
            }
            Atom::Map(inner) => {
                let (a, b) = (map_of(live), map_of(config));
                if inner.is_atomic || (a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty)) {
                    return Ok(leaf(live, config));
                }
                self.entries(&inner, a.unwrap_or(&EMPTY), b.unwrap_or(&EMPTY))
            }
        }
    }

    fn entries(&self, inner: &MapAtom<'a>, live: &Map, config: &Map) -> Result<Option<Value>, String> {
        let mut out = Map::with_capacity(live.len().max(config.len()));
        for (key, value) in live.iter() {
            if let Some(merged) = self.value(inner.child(key).0, Some(value), config.get(key))? {
                out.insert(key, merged);
            }
        }
        for (key, value) in config.iter().filter(|(key, _)| !live.contains(key)) {
            if let Some(merged) = self.value(inner.child(key).0, None, Some(value))? {
                out.insert(key, merged);
            }
        }
        Ok((!out.is_empty()).then_some(Value::Map(out)))
    }

    /// Common items are in the order of the configuration; the live object's own keep their places among them.
    fn items(
        &self,
        list: &List,
        item: Ty,
        live: &[Value],
        config: &[Value],
    ) -> Result<Option<Value>, String> {
        let live = self.index(list, live)?;
        let config = self.index(list, config)?;
        let (in_live, in_config) = (Places::of(&live), Places::of(&config));
        if let Some(element) = in_config.first_duplicate() {
            return Err(format!("duplicate entries for key {element}"));
        }
        let mut shared = config.iter().map(|(element, _)| element).filter(|element| in_live.has(element));
        let mut next_shared = shared.next();
        // By place in the configuration.
        let mut merged = vec![false; config.len()];
        let mut out = Vec::with_capacity(live.len().max(config.len()));
        let (mut l, mut r) = (0, 0);
        while l < live.len() || r < config.len() {
            if let (Some((own, _)), Some((wanted, value))) = (live.get(l), config.get(r)) {
                if own == wanted {
                    mark(&mut merged, r);
                    out.extend(self.value(item, in_live.find(own), Some(value))?);
                    (l, r) = (l + 1, r + 1);
                    next_shared = shared.next();
                    continue;
                }
                if in_config.has(own) && next_shared.is_some_and(|next| next != own) {
                    l += 1;
                    continue;
                }
            }
            if let Some((own, value)) = live.get(l) {
                if !in_config.has(own) {
                    out.extend(self.value(item, Some(value), None)?);
                    l += 1;
                    continue;
                }
                if in_config.place(own).is_some_and(|place| merged.get(place) == Some(&true)) {
                    l += 1;
                }
            }
            if let Some((wanted, value)) = config.get(r) {
                mark(&mut merged, r);
                out.extend(self.value(item, in_live.find(wanted), Some(value))?);
                r += 1;
                if next_shared == Some(wanted) {
                    next_shared = shared.next();
                }
            }
        }
        Ok((!out.is_empty()).then_some(Value::List(out)))
    }

    fn index<'v>(&self, list: &List, items: &'v [Value]) -> Result<Index<'v>, String> {
        let element = |(place, item): (usize, &'v Value)| {
            let element = item_element(self.schema, list, item);
            element.map(|element| (element, item)).map_err(|why| format!("element {place}: {why}"))
        };
        items.iter().enumerate().map(element).collect()
    }
}

static EMPTY: Map = Map::new();
static NULL: Value = Value::Null;

fn leaf(live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    config.or(live).cloned()
}

fn mark(merged: &mut [bool], place: usize) {
    if let Some(mark) = merged.get_mut(place) {
        *mark = true;
    }
}

/// Places of items, sorted by their elements.
struct Places<'i, 'v> {
    index: &'i [(Element, &'v Value)],
    sorted: Vec<usize>,
}

impl<'i, 'v> Places<'i, 'v> {
    fn of(index: &'i [(Element, &'v Value)]) -> Self {
        let mut sorted: Vec<usize> = (0..index.len()).collect();
        sorted.sort_by(|a, b| match (index.get(*a), index.get(*b)) {
            (Some((a, _)), Some((b, _))) => a.order(b),
            _ => std::cmp::Ordering::Equal,
        });
        Places { index, sorted }
    }

    /// The places of the items of an element, in order.
    fn all(&self, element: &Element) -> &[usize] {
        let order = |place: &usize| self.index.get(*place).map(|(known, _)| known.order(element));
        let from = self.sorted.partition_point(|place| order(place).is_some_and(std::cmp::Ordering::is_lt));
        let rest = self.sorted.get(from..).unwrap_or_default();
        let count = rest.partition_point(|place| order(place).is_some_and(std::cmp::Ordering::is_eq));
        rest.get(..count).unwrap_or_default()
    }

    fn has(&self, element: &Element) -> bool {
        !self.all(element).is_empty()
    }

    fn place(&self, element: &Element) -> Option<usize> {
        self.all(element).first().copied()
    }

    /// The item of an element; items that have duplicates are merged as if they were null.
    fn find(&self, element: &Element) -> Option<&'v Value> {
        match self.all(element) {
            [] => None,
            [one] => self.index.get(*one).map(|(_, value)| *value),
            _ => Some(&NULL),
        }
    }

    /// The element whose second item comes first.
    fn first_duplicate(&self) -> Option<&'i Element> {
        let pairs = self.sorted.windows(2).filter_map(|pair| match pair {
            [a, b] => {
                let ((first, _), (second, _)) = (self.index.get(*a)?, self.index.get(*b)?);
                first.order(second).is_eq().then_some(*b)
            }
            _ => None,
        });
        pairs.min().and_then(|place| self.index.get(place)).map(|(element, _)| element)
    }
}
