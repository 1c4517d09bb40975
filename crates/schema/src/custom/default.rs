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

pub(super) fn fill(node: &Node, value: &mut Value) {
    match value {
        Value::Map(map) => {
            for (name, property) in &node.properties {
                let Some(default) = &property.default else { continue };
                if map.get(name).is_none_or(|value| is_refused_null(property, value)) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                let is_additional = node.property(key).is_none();
                let Some(below) = node.field(key) else { continue };
                if is_additional && is_refused_null(below, value) {
                    *value = below.default.clone().unwrap_or_default();
                }
                fill(below, value);
            }
        }
        Value::List(items) => {
            let Some(below) = node.items.as_deref() else { return };
            for item in items {
                if is_refused_null(below, item) {
                    *item = below.default.clone().unwrap_or_default();
                }
                fill(below, item);
            }
        }
        _ => {}
    }
}

fn is_refused_null(node: &Node, value: &Value) -> bool {
    value.is_null() && !node.nullable
}
