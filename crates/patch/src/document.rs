//! The documents of patches: read from JSON, with upstream's refusals.

use crate::json_patch::OPERATIONS_MAX;
use pintle_object::json::{self, JsonKind, JsonReader};
use pintle_object::{Map, Status, StrictErrors, Value};

/// A patch that was read, and the findings of strict decoding in it.
pub struct Read<D> {
    pub document: D,
    pub strict: Vec<String>,
}

const MEMBERS: [&str; 4] = ["op", "path", "from", "value"];

/// The operations of a JSON patch.
///
/// With field validation, upstream first reads the patch strictly into a type of its own, whose name and fields
/// show in the messages.
///
/// # Errors
/// 400 for an invalid patch, 413 for one of too many operations.
pub fn operations(bytes: &[u8], is_strict: bool) -> Result<Read<Vec<Value>>, Status> {
    let (list, item) = match is_strict {
        true => ("[]handlers.jsonPatchOp", "handlers.jsonPatchOp"),
        false => ("jsonpatch.Patch", "jsonpatch.Operation"),
    };
    let refuse = |why: String| match is_strict {
        true => Status::bad_request(format!("error decoding patch: {why}")),
        false => Status::bad_request(why),
    };
    let (tree, mut strict) = read(bytes).map_err(refuse)?;
    let operations = match tree {
        Value::List(operations) => operations,
        Value::Null => Vec::new(),
        other => return Err(refuse(mismatch(&other, list))),
    };
    for (place, operation) in operations.iter().enumerate() {
        let map = match operation {
            Value::Map(map) => map,
            Value::Null => continue,
            other => return Err(refuse(mismatch(other, item))),
        };
        if is_strict && let Some(why) = wrong_member(map) {
            return Err(refuse(why));
        }
        for key in map.keys().filter(|key| !MEMBERS.contains(key)) {
            strict.add("unknown", || format!("[{place}].{key}"));
        }
    }
    if operations.len() > OPERATIONS_MAX {
        return Err(Status::too_large(format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.len()
        )));
    }
    let strict = strict.into_vec().into_iter().map(|text| format!("json patch {text}")).collect();
    Ok(Read { document: operations, strict })
}

/// The operations of a JSON patch that an admission webhook sends.
///
/// # Errors
/// Go's errors of an invalid patch.
pub fn webhook_operations(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let (tree, _) = read(bytes)?;
    let operations = match tree {
        Value::List(operations) => operations,
        Value::Null => Vec::new(),
        other => return Err(mismatch(&other, "jsonpatch.Patch")),
    };
    match operations.iter().find(|one| !is_map(one)) {
        Some(other) => Err(mismatch(other, "jsonpatch.Operation")),
        None => Ok(operations),
    }
}

fn wrong_member(operation: &Map) -> Option<String> {
    let wrong = operation.iter().find(|(key, value)| {
        matches!(*key, "op" | "path" | "from") && !matches!(value, Value::Text(_) | Value::Null)
    });
    wrong.map(|(key, value)| {
        let word = value.json_word();
        format!("json: cannot unmarshal {word} into Go struct field jsonPatchOp.{key} of type string")
    })
}

/// The document of a merge patch. Where fields are not validated it may be a list, which becomes the whole object.
///
/// # Errors
/// 400 for an invalid patch.
pub fn merge_patch(bytes: &[u8], is_strict: bool) -> Result<Read<Value>, Status> {
    let invalid = || Status::bad_request("Invalid JSON Patch");
    let read = match (is_strict, read(bytes)) {
        (false, read) => read.map_err(|_| invalid())?,
        (true, Ok(read)) if is_map(&read.0) => read,
        (true, Ok(read)) => return Err(decoding(mismatch(&read.0, "map[string]interface {}"))),
        (true, Err(why)) => return Err(decoding(why)),
    };
    match read {
        (document @ (Value::Map(_) | Value::List(_)), strict) => {
            Ok(Read { document, strict: strict.into_vec() })
        }
        _ => Err(invalid()),
    }
}

fn decoding(why: String) -> Status {
    Status::bad_request(format!("error decoding patch: {why}"))
}

/// The document of a strategic merge patch.
///
/// # Errors
/// 400 for an invalid patch.
pub fn strategic_merge_patch(bytes: &[u8]) -> Result<Read<Map>, Status> {
    let (tree, strict) = read(bytes).map_err(Status::bad_request)?;
    let strict = strict.into_vec();
    match tree {
        Value::Map(document) => Ok(Read { document, strict }),
        Value::Null => Ok(Read { document: Map::new(), strict }),
        other => Err(Status::bad_request(mismatch(&other, "map[string]interface {}"))),
    }
}

fn is_map(tree: &Value) -> bool {
    matches!(tree, Value::Map(_) | Value::Null)
}

/// Go's words for a value that a type cannot hold.
fn mismatch(tree: &Value, go_type: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {go_type}", tree.json_word())
}

/// An untyped document, and `duplicate field "data.k"` for every key that a map has twice.
fn read(bytes: &[u8]) -> Result<(Value, StrictErrors), String> {
    let mut reader = JsonReader::new(bytes).map_err(|error| error.message)?;
    let mut strict = StrictErrors::default();
    let value = read_value(&mut reader, &mut String::new(), &mut strict);
    Ok((value, strict))
}

fn read_value(reader: &mut JsonReader<'_>, path: &mut String, strict: &mut StrictErrors) -> Value {
    let len = path.len();
    match reader.kind() {
        JsonKind::Map => {
            reader.begin_map();
            let mut map = Map::new();
            while let Some(key) = reader.next_key() {
                if len > 0 {
                    path.push('.');
                }
                path.push_str(&key);
                if map.contains(&key) {
                    strict.add("duplicate", || path.as_str());
                }
                let value = read_value(reader, path, strict);
                path.truncate(len);
                map.insert(key, value);
            }
            Value::Map(map)
        }
        JsonKind::List => {
            reader.begin_list();
            let mut list = Vec::new();
            while reader.next_item() {
                path.push_str(&format!("[{}]", list.len()));
                list.push(read_value(reader, path, strict));
                path.truncate(len);
            }
            Value::List(list)
        }
        JsonKind::Null | JsonKind::Bool | JsonKind::Number | JsonKind::Text => reader.value(&mut |_| {}),
    }
}

/// The JSON of a patched tree, with numbers as the patch spells them: upstream does not read them in between, so
/// that `2.0` is no integer.
pub fn as_sent(tree: &Value) -> String {
    let mut out = Vec::new();
    write_as_sent(tree, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn write_as_sent(tree: &Value, out: &mut Vec<u8>) {
    let separate = |index: usize, out: &mut Vec<u8>| {
        if index > 0 {
            out.push(b',');
        }
    };
    match tree {
        Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
            out.extend_from_slice(format!("{float:.1}").as_bytes());
        }
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write_as_sent(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (index, (key, value)) in map.iter().enumerate() {
                separate(index, out);
                json::write_string(out, key);
                out.push(b':');
                write_as_sent(value, out);
            }
            out.push(b'}');
        }
        other => json::write_value(out, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_named_with_their_path() {
        let (_, strict) = read(br#"{"data":{"k":"1","k":"2"},"l":[{"a":1,"a":2}]}"#).unwrap();
        assert_eq!(strict.into_vec(), ["duplicate field \"data.k\"", "duplicate field \"l[0].a\""]);
    }

    #[test]
    fn what_is_no_json_patch_is_refused() {
        let cases = [
            (
                "{}",
                true,
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            ),
            ("{}", false, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
            (
                "[1]",
                true,
                "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
            ),
            ("[1]", false, "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
            (
                r#"[{"op":1}]"#,
                true,
                "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
            ),
            ("[", false, "unexpected end of JSON input"),
        ];
        for (patch, is_strict, expected) in cases {
            let refused = operations(patch.as_bytes(), is_strict).err().map(|status| status.message);
            assert_eq!(refused.as_deref(), Some(expected), "{patch}");
        }
        assert!(operations(b"null", true).is_ok_and(|read| read.document.is_empty()));
        assert!(operations(br#"[{"op":1}]"#, false).is_ok());
    }

    #[test]
    fn what_is_no_merge_patch_is_refused() {
        let cases = [
            ("null", true, "Invalid JSON Patch"),
            (
                "[]",
                true,
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            ("1", false, "Invalid JSON Patch"),
            ("{", false, "Invalid JSON Patch"),
            ("{", true, "error decoding patch: unexpected end of JSON input"),
        ];
        for (patch, is_strict, expected) in cases {
            let refused = merge_patch(patch.as_bytes(), is_strict).err().map(|status| status.message);
            assert_eq!(refused.as_deref(), Some(expected), "{patch}");
        }
    }
}
