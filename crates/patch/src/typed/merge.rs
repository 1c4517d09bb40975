//! Merges an applied configuration into an object.

use super::atom::{Atom, MapAtom, Ty, atom, item_element, items_of, map_of};
use crate::fields::Element;
use crate::tree;
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

    /// Items that both have stand in the order of the configuration; the live object's own keep their places
    /// among them.
    fn items(
        &self,
        list: &List,
        item: Ty,
        live: &[Value],
        config: &[Value],
    ) -> Result<Option<Value>, String> {
        let live = self.index(list, live)?;
        let config = self.index(list, config)?;
        if let Some((element, _)) = first_duplicate(&config) {
            return Err(format!("duplicate entries for key {element}"));
        }
        let mut shared = config.iter().map(|(element, _)| element).filter(|element| has(&live, element));
        let mut next_shared = shared.next();
        let mut merged: Vec<&Element> = Vec::with_capacity(config.len());
        let mut out = Vec::with_capacity(live.len().max(config.len()));
        let (mut l, mut r) = (0, 0);
        while l < live.len() || r < config.len() {
            if let (Some((own, _)), Some((wanted, value))) = (live.get(l), config.get(r)) {
                if own == wanted {
                    merged.push(wanted);
                    out.extend(self.value(item, find(&live, own), Some(value))?);
                    (l, r) = (l + 1, r + 1);
                    next_shared = shared.next();
                    continue;
                }
                if has(&config, own) && next_shared.is_some_and(|next| next != own) {
                    l += 1;
                    continue;
                }
            }
            if let Some((own, value)) = live.get(l) {
                if !has(&config, own) {
                    out.extend(self.value(item, Some(value), None)?);
                    l += 1;
                    continue;
                }
                if merged.contains(&own) {
                    l += 1;
                }
            }
            if let Some((wanted, value)) = config.get(r) {
                merged.push(wanted);
                out.extend(self.value(item, find(&live, wanted), Some(value))?);
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

fn has(index: &Index<'_>, element: &Element) -> bool {
    index.iter().any(|(known, _)| known == element)
}

/// The item of an element; items that have duplicates are merged as if they were null.
fn find<'v>(index: &Index<'v>, element: &Element) -> Option<&'v Value> {
    let mut found = index.iter().filter(|(known, _)| known == element).map(|(_, value)| *value);
    let first = found.next()?;
    Some(if found.next().is_some() { &NULL } else { first })
}

fn first_duplicate<'i, 'v>(index: &'i Index<'v>) -> Option<&'i (Element, &'v Value)> {
    index.iter().enumerate().find_map(|(place, entry)| {
        index.iter().take(place).any(|(known, _)| *known == entry.0).then_some(entry)
    })
}
