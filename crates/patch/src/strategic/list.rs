//! Merging lists: of maps by key, of scalars as sets.

use super::error::{StrategicError, bad_patch_type, no_merge_key};
use super::lookup::Lookup;
use super::merge_map;
use super::order::normalise;
use crate::go;
use crate::strategic::directive::DIRECTIVE;
use crate::strategic::error::list_of_lists;
use crate::strategic::kind::{ValueKind, kind_of};
use pintle_object::{ByValue, Keyed, Map, Seen, Value, repeats};
use std::collections::BTreeMap;

/// Merges a patch's list into a list; a deletion list takes its items out instead.
pub(super) fn merge(
    held: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
    lookup: Lookup<'_>,
    is_deletion: bool,
) -> Result<Vec<Value>, StrategicError> {
    if held.is_empty() && patch.is_empty() {
        return Ok(held);
    }
    if item_kind(&[&held, &patch])? != ValueKind::Map {
        if is_deletion {
            return Ok(without(held, &patch));
        }
        return merge_scalars(held, patch);
    }
    if merge_key.is_empty() {
        let kind = lookup.go_kind();
        return Err(StrategicError::other(format!("cannot merge lists without merge key for {kind}")));
    }
    let (held, patch) = obey_directives(held, patch, merge_key)?;
    let order = held.clone();
    let merged = merge_maps(held, patch.clone(), merge_key, lookup)?;
    let (from_patch, server_only) = partition(merged, &patch, merge_key)?;
    normalise(from_patch, server_only, &patch, &order, merge_key)
}

fn merge_scalars(held: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, StrategicError> {
    let order = held.clone();
    let all: Vec<Value> = held.into_iter().chain(patch.iter().cloned()).collect();
    let again = repeats(all.iter().map(ByValue));
    let merged = all.into_iter().zip(again).filter(|(_, is_again)| !is_again).map(|(item, _)| item).collect();
    let (from_patch, server_only) = partition(merged, &patch, "")?;
    normalise(from_patch, server_only, &patch, &order, "")
}

fn without(mut held: Vec<Value>, gone: &[Value]) -> Vec<Value> {
    let gone: Seen<ByValue<'_>> = gone.iter().map(ByValue).collect();
    held.retain(|item| !gone.contains(&ByValue(item)));
    held
}

/// `$patch` in items: removes named items, or replaces the list. Returns the current items, and the rest of the patch.
fn obey_directives(
    mut held: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let mut rest = Vec::with_capacity(patch.len());
    let mut is_replaced = false;
    let mut deleted = Seen::new();
    for item in patch {
        let Value::Map(map) = &item else { continue };
        match map.get(DIRECTIVE).map(|directive| (directive, directive.as_str())) {
            None => rest.push(item),
            Some((_, Some("delete"))) => {
                let name = map.get(merge_key).ok_or_else(|| no_merge_key(map, merge_key))?;
                deleted.push(Keyed(name.clone()));
            }
            Some((_, Some("replace"))) => is_replaced = true,
            Some((_, Some("merge"))) => {
                return Err(StrategicError::other("merging lists cannot yet be specified in the patch"));
            }
            Some((directive, _)) => return Err(bad_patch_type(directive.clone(), map.clone())),
        }
    }
    if !deleted.is_empty() {
        let is_deleted =
            |item: &Value| item.get(merge_key).is_some_and(|name| deleted.contains(&Keyed(name.clone())));
        held.retain(|item| !is_deleted(item));
    }
    Ok(if is_replaced { (rest, Vec::new()) } else { (held, rest) })
}

/// Merges each item of the patch into the item with its key, or appends it.
fn merge_maps(
    mut held: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
    lookup: Lookup<'_>,
) -> Result<Vec<Value>, StrategicError> {
    // The first item of a key is the one that is merged into.
    let mut places: BTreeMap<Keyed, usize> = BTreeMap::new();
    for (place, item) in held.iter().enumerate() {
        if let Some(name) = item.get(merge_key) {
            places.entry(Keyed(name.clone())).or_insert(place);
        }
    }
    for item in patch {
        let Value::Map(map) = item else { continue };
        let name = map.get(merge_key).ok_or_else(|| no_merge_key(&map, merge_key))?;
        let place = *places.entry(Keyed(name.clone())).or_insert(held.len());
        match held.get_mut(place) {
            Some(twin) => {
                let inner = match std::mem::take(twin) {
                    Value::Map(inner) => inner,
                    _ => Map::new(),
                };
                *twin = Value::Map(merge_map(inner, map, lookup)?);
            }
            None => held.push(Value::Map(map)),
        }
    }
    Ok(held)
}

/// Separates the items that the other list has from the others; an empty merge key compares whole items.
pub(super) fn partition(
    items: Vec<Value>,
    by: &[Value],
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let names =
        by.iter().filter_map(|other| if merge_key.is_empty() { Some(other) } else { other.get(merge_key) });
    let names: Seen<ByValue<'_>> = names.map(ByValue).collect();
    let mut inside = Vec::with_capacity(items.len());
    let mut outside = Vec::new();
    for item in items {
        let is_inside = if merge_key.is_empty() {
            names.contains(&ByValue(&item))
        } else {
            let map = item.as_map().ok_or_else(|| super::bad_type(ValueKind::Map, &item))?;
            let name = map.get(merge_key).ok_or_else(|| no_merge_key(map, merge_key))?;
            names.contains(&ByValue(name))
        };
        if is_inside { inside.push(item) } else { outside.push(item) }
    }
    Ok((inside, outside))
}

/// The one kind that all items of the lists have.
pub(crate) fn item_kind(lists: &[&[Value]]) -> Result<ValueKind, StrategicError> {
    let mut items = lists.iter().copied().flatten();
    let Some(first) = items.next() else {
        return Err(StrategicError::other("no elements in any of the given slices"));
    };
    match kind_of(first) {
        ValueKind::List => Err(list_of_lists()),
        kind if items.all(|item| kind_of(item) == kind) => Ok(kind),
        _ => {
            let shown: Vec<String> = lists.iter().map(|list| go::text(&Value::List(list.to_vec()))).collect();
            let shown = shown.join(" ");
            Err(StrategicError::other(format!("list element types are not identical: [{shown}]")))
        }
    }
}
