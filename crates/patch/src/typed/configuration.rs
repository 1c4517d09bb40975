//! Merges a configuration without a manager into an object: the changes of a mutating policy.

use super::atom::{Atom, Ty, atom};
use super::{check, merge::merge};
use crate::tree::{tree, untyped};
use pintle_object::Value;
use pintle_schema::model::{Schema, TypeId};

/// The object with the fields of a configuration. What is one value as a whole may not be set, as its other parts
/// would be lost by accident.
///
/// # Errors
/// The configuration cannot be merged.
pub fn merge_configuration(
    schema: &Schema,
    ty: TypeId,
    live: &Value,
    config: &Value,
) -> Result<Value, String> {
    if let Some(why) = check(schema, ty, config, false) {
        return Err(format!("failed to convert patch object to typed object: {why}"));
    }
    let mut found = Vec::new();
    atomics(schema, Ty::Of(ty), config, &mut String::new(), &mut found);
    if !found.is_empty() {
        let found = found.join(", ");
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {found}"
        ));
    }
    let live = untyped(live);
    if let Some(why) = check(schema, ty, &live, true) {
        return Err(format!("failed to convert original object to typed object: {why}"));
    }
    merge(schema, ty, &live, config).map_err(|why| format!("failed to merge patch: {why}"))
}

/// The paths of all that is one value as a whole.
fn atomics(schema: &Schema, ty: Ty, value: &Value, path: &mut String, found: &mut Vec<String>) {
    let value = tree(value);
    let len = path.len();
    match (atom(schema, ty, Some(&value)), &*value) {
        (Atom::Map(inner), Value::Map(map)) => {
            if inner.is_atomic {
                found.push(path.clone());
            }
            for (key, value) in map.iter() {
                let (ty, is_declared) = inner.child(key);
                if is_declared {
                    path.push('.');
                    path.push_str(key);
                    atomics(schema, ty, value, path, found);
                    path.truncate(len);
                }
            }
        }
        (Atom::List(inner), Value::List(items)) => {
            if inner.identity.is_none() {
                found.push(path.clone());
            }
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                atomics(schema, inner.item, item, path, found);
                path.truncate(len);
            }
        }
        _ => {}
    }
}
