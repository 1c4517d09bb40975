//! JSON patch with the semantics of upstream's library, which are not those of RFC 6902: indices may be negative,
//! `replace` makes a missing key, `test` takes a missing value for null, and what stands before a path's first
//! slash does not matter.

use crate::go;
use pintle_object::field::quote;
use pintle_object::{Map, Value};

/// Upstream refuses patches with more operations: each costs a walk through the object.
pub const OPERATIONS_MAX: usize = 10_000;
/// What all `copy` operations of a patch together may add, in bytes of JSON.
pub const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Why a JSON patch does not apply; clients see none of it, only a 422.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchError(pub String);

impl std::fmt::Display for PatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl PatchError {
    /// Whether a test of the patch found another value, so that the patch is not meant for the object.
    pub fn is_failed_test(&self) -> bool {
        self.0.starts_with(FAILED_TEST)
    }
}

const FAILED_TEST: &str = "testing value ";

/// Applies the operations of a patch (a list of maps with `op`, `path`, `from`, `value`) to an untyped tree.
pub fn json_patch(target: &mut Value, operations: &[Value]) -> Result<(), PatchError> {
    let mut copied_bytes = 0;
    for operation in operations {
        let operation = operation.as_map().ok_or_else(|| refused("Unexpected kind: unknown"))?;
        apply(target, operation, &mut copied_bytes)?;
    }
    Ok(())
}

fn apply(target: &mut Value, operation: &Map, copied_bytes: &mut usize) -> Result<(), PatchError> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let path = || text("path").ok_or_else(|| refused("operation is missing a path"));
    let from = || text("from").ok_or_else(|| refused("operation is missing a from"));
    let value = operation.get("value").unwrap_or(&Value::Null);
    match text("op").unwrap_or("unknown") {
        "add" => Place::find(target, path()?, "add")?.add(value.clone()),
        "remove" => Place::find(target, path()?, "remove")?.remove().map(drop),
        "replace" if path()?.is_empty() => {
            // Only another map or list takes the place of the whole.
            if matches!(value, Value::Map(_) | Value::List(_)) {
                *target = value.clone();
            }
            Ok(())
        }
        "replace" => Place::find(target, path()?, "replace")?.replace(value.clone()),
        "test" => test(&mut Place::find(target, path()?, "test")?, value),
        "move" => {
            let moved = Place::find(target, from()?, "move")?.remove()?;
            Place::find(target, path()?, "move")?.add(moved)
        }
        "copy" => {
            let copied = Place::find(target, from()?, "copy")?.get()?.clone();
            *copied_bytes += json_len(&copied);
            if *copied_bytes > COPIED_BYTES_MAX {
                return Err(refused("the copies of the patch are too large"));
            }
            Place::find(target, path()?, "copy")?.add(copied)
        }
        other => Err(refused(&format!("Unexpected kind: {other}"))),
    }
}

fn test(place: &mut Place<'_>, value: &Value) -> Result<(), PatchError> {
    if place.get()? == value {
        return Ok(());
    }
    Err(refused(&format!("{FAILED_TEST}{} failed", go::text(value))))
}

/// The container that a path leads to, and the last step in it.
enum Place<'a> {
    Key(&'a mut Map, String),
    Item(&'a mut Vec<Value>, String),
}

static NULL: Value = Value::Null;

impl<'a> Place<'a> {
    fn find(target: &'a mut Value, path: &str, operation: &str) -> Result<Place<'a>, PatchError> {
        let missing = || {
            refused(&format!(
                "{operation} operation does not apply: doc is missing path: {}: missing value",
                quote(path)
            ))
        };
        let (_, steps) = path.split_once('/').ok_or_else(missing)?;
        let (parents, last) =
            steps.rsplit_once('/').map_or((None, steps), |(parents, last)| (Some(parents), last));
        let mut container = target;
        for step in parents.into_iter().flat_map(|parents| parents.split('/')) {
            container = match container {
                Value::Map(map) => map.get_mut(&unescape(step)),
                Value::List(items) => {
                    let index = index(&unescape(step), items.len()).map_err(|_| missing())?;
                    items.get_mut(index)
                }
                _ => None,
            }
            .ok_or_else(missing)?;
        }
        match container {
            Value::Map(map) => Ok(Place::Key(map, unescape(last))),
            Value::List(items) => Ok(Place::Item(items, unescape(last))),
            _ => Err(missing()),
        }
    }

    /// The value; a missing key reads as null.
    fn get(&self) -> Result<&Value, PatchError> {
        match self {
            Place::Key(map, key) => Ok(map.get(key).unwrap_or(&NULL)),
            Place::Item(items, step) => Ok(items.get(index(step, items.len())?).unwrap_or(&NULL)),
        }
    }

    fn add(self, value: Value) -> Result<(), PatchError> {
        match self {
            Place::Key(map, key) => drop(map.insert(key.as_str(), value)),
            Place::Item(items, step) if step == "-" => items.push(value),
            Place::Item(items, step) => {
                let place = index(&step, items.len() + 1)?;
                items.insert(place, value);
            }
        }
        Ok(())
    }

    fn replace(self, value: Value) -> Result<(), PatchError> {
        match self {
            Place::Key(map, key) => drop(map.insert(key.as_str(), value)),
            Place::Item(items, step) => {
                let place = index(&step, items.len())?;
                if let Some(item) = items.get_mut(place) {
                    *item = value;
                }
            }
        }
        Ok(())
    }

    fn remove(self) -> Result<Value, PatchError> {
        match self {
            Place::Key(map, key) => map
                .remove(&key)
                .ok_or_else(|| refused(&format!("Unable to remove nonexistent key: {key}: missing value"))),
            Place::Item(items, step) => {
                let place = index(&step, items.len())?;
                Ok(items.remove(place))
            }
        }
    }
}

/// A place in a list of `len` places; negative ones count from the end.
fn index(step: &str, len: usize) -> Result<usize, PatchError> {
    let invalid = || refused(&format!("Unable to access invalid index: {step}"));
    let index: i64 = step.parse().map_err(|_| invalid())?;
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < len).ok_or_else(invalid)
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn json_len(value: &Value) -> usize {
    pintle_object::json::to_string(value).len()
}

fn refused(why: &str) -> PatchError {
    PatchError(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn patched(target: &str, patch: &str) -> Option<String> {
        let mut tree = json::parse(target.as_bytes()).unwrap();
        let patch = json::parse(patch.as_bytes()).unwrap();
        json_patch(&mut tree, patch.as_list().unwrap()).ok()?;
        Some(json::to_string(&tree))
    }

    #[test]
    fn operations_apply() {
        let cases = [
            (r#"{}"#, r#"[{"op":"add","path":"/a","value":1}]"#, r#"{"a":1}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/-","value":3}]"#, r#"{"a":[1,2,3]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/0","value":3}]"#, r#"{"a":[3,1,2]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/-1","value":3}]"#, r#"{"a":[1,2,3]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"remove","path":"/a/-1"}]"#, r#"{"a":[1]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"replace","path":"/a/-2","value":5}]"#, r#"{"a":[5,2]}"#),
            (r#"{}"#, r#"[{"op":"replace","path":"/a","value":1}]"#, r#"{"a":1}"#),
            (r#"{}"#, r#"[{"op":"test","path":"/a","value":null}]"#, r#"{}"#),
            (r#"{}"#, r#"[{"op":"add","path":"/a"}]"#, r#"{"a":null}"#),
            (r#"{"x/y":{"~":1}}"#, r#"[{"op":"replace","path":"/x~1y/~0","value":2}]"#, r#"{"x/y":{"~":2}}"#),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/b"}]"#, r#"{"b":1}"#),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/c"}]"#,
                r#"{"a":{"b":1},"c":{"b":1}}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"ignored/a","value":2}]"#, r#"{"a":2}"#),
            (r#"{"a":1}"#, r#"[]"#, r#"{"a":1}"#),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":{"b":2}}]"#, r#"{"b":2}"#),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":1}]"#, r#"{"a":1}"#),
        ];
        for (target, patch, expected) in cases {
            assert_eq!(patched(target, patch).as_deref(), Some(expected), "{patch}");
        }
    }

    #[test]
    fn operations_that_do_not_apply_are_refused() {
        let cases = [
            (r#"{}"#, r#"[{"op":"remove","path":"/a"}]"#),
            (r#"{}"#, r#"[{"op":"add","path":"/a/b","value":1}]"#),
            (r#"{}"#, r#"[{"op":"add","path":"","value":1}]"#),
            (r#"{}"#, r#"[{"op":"add","value":1}]"#),
            (r#"{}"#, r#"[{"path":"/a","value":1}]"#),
            (r#"{}"#, r#"[{"op":"bogus","path":"/a"}]"#),
            (r#"{}"#, r#"[1]"#),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a"}]"#),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"/a/b","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/2","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/-3","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"replace","path":"/a/1","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"replace","path":"/a/x","value":2}]"#),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/b","path":"/c"}]"#),
        ];
        for (target, patch) in cases {
            assert_eq!(patched(target, patch), None, "{patch}");
        }
    }

    #[test]
    fn copies_are_bounded() {
        let mut patch = String::from("[");
        for place in 0..30 {
            patch.push_str(&format!(r#"{{"op":"copy","from":"/a","path":"/b{place}"}},{{"op":"copy","from":"/b{place}","path":"/a/b{place}"}},"#));
        }
        patch.push_str(r#"{"op":"test","path":"/none","value":null}]"#);
        assert_eq!(patched(r#"{"a":{"text":"0123456789"}}"#, &patch), None);
    }
}
