//! Strategic merge patch: a merge patch that knows which lists are merged by key.
//!
//! ```text
//! {"spec":{"containers":[{"name":"a","image":"x"}]}}                    merges into container a
//! {"containers":[{"name":"a","$patch":"delete"}]}                       removes it
//! {"volumes":[{"name":"v","$retainKeys":["name","emptyDir"],...}]}      clears the other fields of v
//! {"$deleteFromPrimitiveList/finalizers":["f"]}                         removes f from a list of texts
//! {"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}           orders the list
//! ```

mod directive;
mod error;
mod kind;
mod list;
mod lookup;
mod order;
mod restore;

pub use error::{StrategicError, StrategicFault};
pub use restore::mismatch;

use crate::strategic::directive::{DELETE_PREFIX, DIRECTIVE, ORDER_PREFIX, RETAIN_KEYS};
use crate::strategic::kind::{ValueKind, kind_of};
use error::{bad_patch_type, bad_type};
use lookup::Lookup;
use pintle_object::{Map, Value};
use pintle_schema::model::{Schema, TypeId};

/// Merges a patch into an untyped tree (see `crate::tree::untyped`) of a type.
pub fn strategic_merge(
    schema: &Schema,
    ty: TypeId,
    target: Value,
    patch: Map,
) -> Result<Value, StrategicError> {
    let target = match target {
        Value::Map(map) => map,
        _ => Map::new(),
    };
    merge_map(target, patch, Lookup::new(schema, ty)).map(Value::Map)
}

/// Merges a patch's map into a map.
fn merge_map(mut target: Map, mut patch: Map, lookup: Lookup<'_>) -> Result<Map, StrategicError> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Map::new()),
            _ => Err(bad_patch_type(directive, patch)),
        };
    }
    retain_keys(&mut target, &mut patch)?;
    order::merge_ordered(&mut target, &mut patch, lookup)?;
    for (key, value) in patch {
        merge_key(&mut target, &key, value, lookup)?;
    }
    Ok(target)
}

fn merge_key(
    target: &mut Map,
    key: &str,
    mut value: Value,
    lookup: Lookup<'_>,
) -> Result<(), StrategicError> {
    let is_deletion = key.starts_with(DELETE_PREFIX);
    let key = if is_deletion {
        extract_key(key, DELETE_PREFIX).ok_or(StrategicError::bad_request(error::BAD_PRIMITIVE_LIST))?
    } else {
        key
    };
    if value.is_null() {
        target.remove(key);
        return Ok(());
    }
    let is_mergeable = target.get(key).is_some_and(|held| kind_of(held) == kind_of(&value));
    if !is_mergeable {
        if !is_deletion {
            discard_nulls(&mut value);
            put(target, key, value);
        }
        return Ok(());
    }
    let held = target.get_mut(key).map(std::mem::take).unwrap_or_default();
    let merged = match (held, value) {
        (Value::Map(held), Value::Map(patch)) => {
            let (below, rule) = lookup.of_map(key)?;
            let is_replaced = rule.is_some_and(|rule| rule.replace);
            Value::Map(if is_replaced { patch } else { merge_map(held, patch, below)? })
        }
        (Value::List(held), Value::List(patch)) => {
            let (below, rule) = lookup.of_list(key)?;
            if is_deletion || rule.is_some_and(|rule| rule.merge) {
                let merge_key = rule.map_or("", |rule| rule.merge_key.as_ref());
                Value::List(list::merge(held, patch, merge_key, below, is_deletion)?)
            } else {
                Value::List(patch)
            }
        }
        (_, value) => {
            put(target, key, value);
            return Ok(());
        }
    };
    target.insert(key, merged);
    Ok(())
}

/// Sets a key to a value without the directives that it may still hold.
fn put(target: &mut Map, key: &str, value: Value) {
    match without_directives(value) {
        Some(value) => drop(target.insert(key, value)),
        None => drop(target.remove(key)),
    }
}

/// `$retainKeys`: clears the fields that it does not name; the patch may set only those it names.
fn retain_keys(target: &mut Map, patch: &mut Map) -> Result<(), StrategicError> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::List(names) = directive else {
        return Err(StrategicError::bad_request(error::BAD_RETAIN_KEYS));
    };
    let is_named = |key: &str| names.iter().any(|name| name.as_str() == Some(key));
    for (key, value) in patch.iter() {
        let is_free = value.is_null() || key.starts_with(DELETE_PREFIX) || key.starts_with(ORDER_PREFIX);
        if !is_free && !is_named(key) {
            return Err(StrategicError::bad_request(error::BAD_RETAIN_KEYS));
        }
    }
    target.retain(|key, _| is_named(key));
    Ok(())
}

/// The field of a directive: `$setElementOrder/containers` is for `containers`.
fn extract_key<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    let (before, after) = key.split_once('/')?;
    (before == prefix).then_some(after)
}

/// Removes the null keys of a new subtree.
fn discard_nulls(value: &mut Value) {
    match value {
        Value::Map(map) => map.retain(|_, value| {
            discard_nulls(value);
            !value.is_null()
        }),
        Value::List(items) => items.iter_mut().for_each(discard_nulls),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Raw(_) => {}
    }
}

/// A new subtree without the maps that are directives.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Map(map) if map.contains(DIRECTIVE) => None,
        Value::Map(map) => {
            let kept = map.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?)));
            Some(Value::Map(kept.collect()))
        }
        Value::List(items) => Some(Value::List(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

/// The items of a list that must be one.
fn expect_list(value: Value) -> Result<Vec<Value>, StrategicError> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(bad_type(ValueKind::List, &other)),
    }
}

#[cfg(test)]
mod tests;
