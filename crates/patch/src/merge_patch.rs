//! JSON merge patch (RFC 7386), as upstream's library has it.

use pintle_object::{Map, Value};

/// Merges a patch into an untyped tree: null removes a key, maps are merged, everything else replaces.
pub fn merge_patch(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Map(target), Value::Map(patch)) => merge(target, patch),
        (target, mut patch) => {
            prune(&mut patch);
            *target = patch;
        }
    }
}

fn merge(target: &mut Map, patch: Map) {
    for (key, mut value) in patch {
        match target.get_mut(&key) {
            _ if value.is_null() => drop(target.remove(&key)),
            Some(Value::Map(inner)) => match value {
                Value::Map(below) => merge(inner, below),
                other => drop(target.insert(key, other)),
            },
            _ => {
                prune(&mut value);
                target.insert(key, value);
            }
        }
    }
}

/// New subtrees hold no null keys; nulls in lists stay.
fn prune(value: &mut Value) {
    match value {
        Value::Map(map) => map.retain(|_, value| {
            prune(value);
            !value.is_null()
        }),
        Value::List(items) => items.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Raw(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    #[test]
    fn patches_merge() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
            (r#"{}"#, r#"{"a":[null,{"b":null}]}"#, r#"{"a":[null,{}]}"#),
            (r#"{"a":null}"#, r#"{"a":{"b":null}}"#, r#"{"a":{}}"#),
        ];
        for (target, patch, expected) in cases {
            let mut tree = json::parse(target.as_bytes()).unwrap();
            merge_patch(&mut tree, json::parse(patch.as_bytes()).unwrap());
            assert_eq!(json::to_string(&tree), expected, "{target} {patch}");
        }
    }
}
