//! Embedded resources have a version and a kind.

use crate::custom::node::Node;
use pintle_object::{FieldErrors, GroupVersion, Map, Path, Value, content};

/// Checks the embedded resources below an object; the object itself is the caller's.
pub(super) fn check(node: &Node, path: &Path<'_>, value: &Value, errors: &mut FieldErrors) {
    match value {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                let is_named = node.property(key).is_some();
                let Some(below) = node.field(key) else { continue };
                let path = if is_named { path.child(key) } else { path.key(key) };
                check_one(below, &path, value, errors);
            }
        }
        Value::List(items) => {
            let Some(below) = node.items.as_deref() else { return };
            for (index, item) in items.iter().enumerate() {
                check_one(below, &path.index(index), item, errors);
            }
        }
        _ => {}
    }
}

/// Checks a value that may be such a resource itself, and those below it.
pub(super) fn check_resource(node: &Node, path: &Path<'_>, value: &Value, errors: &mut FieldErrors) {
    check_one(node, path, value, errors);
}

fn check_one(node: &Node, path: &Path<'_>, value: &Value, errors: &mut FieldErrors) {
    if let Value::Map(map) = value
        && node.embedded
    {
        resource(path, map, errors);
    }
    check(node, path, value, errors);
}

/// Calls `visit` for the resources below a value, outermost first.
pub(super) fn each<E>(
    node: &Node,
    path: &Path<'_>,
    value: &mut Value,
    visit: &mut dyn FnMut(&Path<'_>, &mut Value) -> Result<(), E>,
) -> Result<(), E> {
    let mut one = |node: &Node, path: &Path<'_>, value: &mut Value| {
        if node.embedded && value.as_map().is_some() {
            visit(path, value)?;
        }
        each(node, path, value, visit)
    };
    match value {
        Value::Map(map) => {
            for (key, value) in map.iter_mut() {
                let Some(below) = node.field(key) else { continue };
                let path = if node.property(key).is_some() { path.child(key) } else { path.key(key) };
                one(below, &path, value)?;
            }
        }
        Value::List(items) => {
            let Some(below) = node.items.as_deref() else { return Ok(()) };
            for (index, item) in items.iter_mut().enumerate() {
                one(below, &path.index(index), item)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn resource(path: &Path<'_>, map: &Map, errors: &mut FieldErrors) {
    for name in ["apiVersion", "kind"] {
        let path = path.child(name);
        match map.get(name) {
            None => errors.required(&path, ""),
            Some(Value::Text(text)) if text.is_empty() => errors.invalid(&path, "", "must not be empty"),
            Some(Value::Text(text)) => {
                if let Some(why) = fault(name, text) {
                    errors.invalid(&path, text.as_str(), &why);
                }
            }
            Some(other) => errors.invalid(&path, other, "must be a string"),
        }
    }
}

fn fault(name: &str, text: &str) -> Option<String> {
    if name == "apiVersion" {
        let is_known = GroupVersion::parse(text).is_some();
        return (!is_known).then(|| format!("unexpected GroupVersion string: {text}"));
    }
    let messages = content::dns1035_label(&text.to_lowercase());
    (!messages.is_empty())
        .then(|| format!("may have mixed case, but should otherwise match: {}", messages.join(",")))
}
