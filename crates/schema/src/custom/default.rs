//! Defaults of a CRD's schema.

use crate::custom::node::Node;
use pintle_object::Value;

/// Drops nulls of fields that are not nullable and have no default; those with one are defaulted later.
pub(super) fn drop_nulls(node: Option<&Node>, value: &mut Value) {
    match value {
        Value::Map(map) => map.retain(|key, value| {
            let below = node.and_then(|node| node.field(key));
            let is_dropped =
                value.is_null() && below.is_some_and(|below| !below.nullable && below.default.is_none());
            if !is_dropped {
                drop_nulls(below, value);
            }
            !is_dropped
        }),
        Value::List(items) => {
            let below = node.and_then(|node| node.items.as_deref());
            items.iter_mut().for_each(|item| drop_nulls(below, item));
        }
        _ => {}
    }
}

/// Bytes of JSON that defaults may add to an object: twice the size limit of the store. Each item of a list may get all
/// defaults of its schema, so a few bytes could otherwise become larger than memory.
const DEFAULT_BYTES_MAX: usize = 3 << 20;

/// The error of an object that was not filled in to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultsTooLarge;

/// Sets the defaults of absent fields. When it fails, some of them are set.
pub(super) fn fill(node: &Node, value: &mut Value) -> Result<(), DefaultsTooLarge> {
    let mut left = DEFAULT_BYTES_MAX;
    fill_within(&mut left, node, value)
}

fn fill_within(left: &mut usize, node: &Node, value: &mut Value) -> Result<(), DefaultsTooLarge> {
    match value {
        Value::Map(map) => {
            for (name, property) in &node.properties {
                let Some(default) = &property.default else { continue };
                if map.get(name).is_none_or(|value| is_refused_null(property, value)) {
                    take(left, name.len() + property.default_bytes)?;
                    map.insert(name.clone(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                let is_additional = node.property(key).is_none();
                let Some(below) = node.field(key) else { continue };
                if is_additional && is_refused_null(below, value) {
                    take(left, below.default_bytes)?;
                    *value = below.default.clone().unwrap_or_default();
                }
                fill_within(left, below, value)?;
            }
        }
        Value::List(items) => {
            let Some(below) = node.items.as_deref() else { return Ok(()) };
            for item in items {
                if is_refused_null(below, item) {
                    take(left, below.default_bytes)?;
                    *item = below.default.clone().unwrap_or_default();
                }
                fill_within(left, below, item)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn take(left: &mut usize, bytes: usize) -> Result<(), DefaultsTooLarge> {
    *left = left.checked_sub(bytes).ok_or(DefaultsTooLarge)?;
    Ok(())
}

fn is_refused_null(node: &Node, value: &Value) -> bool {
    value.is_null() && !node.nullable
}
