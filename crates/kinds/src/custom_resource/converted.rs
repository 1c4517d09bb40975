//! Checks the changes of a conversion webhook, and restores the fields that it may not change.

use crate::validation::meta;
use pintle_object::{FieldErrors, Map, Path, Value, json};

/// The part of an answer that is wrong.
pub enum Place {
    /// The object, or its metadata; said after "returned invalid".
    Object(String),
    /// The document as such.
    Document(String),
}

/// A converted object with the metadata of the original, but for labels and annotations, which conversion may change.
pub fn checked(original: &Value, mut converted: Value, to: &str) -> Result<Value, Place> {
    let text = |object: &Value, path: &[&str]| object.str_at(path).to_string();
    if text(&converted, &["kind"]).is_empty() {
        let shown = json::to_string(&converted);
        return Err(Place::Document(format!("Object 'Kind' is missing in '{shown}'")));
    }
    let received = text(&converted, &["apiVersion"]);
    if received != to {
        let why = format!("invalid groupVersion (expected {to}, received {received})");
        return Err(Place::Object(format!("object at index 0: {why}")));
    }
    let (expected, received) = (text(original, &["kind"]), text(&converted, &["kind"]));
    if expected != received {
        let why = format!("invalid kind (expected {expected}, received {received})");
        return Err(Place::Object(format!("object at index 0: {why}")));
    }
    for (field, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let path = ["metadata", field];
        let (expected, received) = (text(original, &path), text(&converted, &path));
        if expected != received {
            let why = format!("must have the same {name}: {expected} != {received}");
            return Err(Place::Object(format!("object: {why}")));
        }
    }
    let metadata = restored(original, &converted);
    let metadata = metadata.map_err(|why| Place::Object(format!("metadata: {why}")))?;
    converted.set(&["metadata"], metadata);
    Ok(converted)
}

fn restored(original: &Value, converted: &Value) -> Result<Map, String> {
    let answered = match converted.get("metadata") {
        None => return Err(String::from("missing metadata in converted object")),
        Some(Value::Map(map)) => map,
        Some(other) => {
            return Err(format!("invalid metadata of type {} in converted object", other.go_type()));
        }
    };
    let mut metadata = original.map_at(&["metadata"]).cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        let entries = match answered.get(field).filter(|value| !value.is_null()) {
            None => {
                metadata.remove(field);
                continue;
            }
            Some(Value::Map(entries)) => entries,
            Some(other) => {
                let ty = other.go_type();
                return Err(format!("invalid metadata.{field} of type {ty} in converted object"));
            }
        };
        if let Some((key, other)) = entries.iter().find(|(_, value)| value.as_str().is_none()) {
            let ty = other.go_type();
            return Err(format!("metadata.{field}[{key}] must be a string, but is {ty} in converted object"));
        }
        let changed = metadata.get(field).and_then(Value::as_map) != Some(entries);
        if changed {
            check(field, entries)?;
        }
        metadata.insert(field, entries.clone());
    }
    Ok(metadata)
}

fn check(field: &str, entries: &Map) -> Result<(), String> {
    let mut object = Value::map();
    object.set(&["metadata", field], entries.clone());
    let mut errors = FieldErrors::new();
    match field {
        "labels" => meta::labels(&object, &Path::root("metadata"), &mut errors),
        _ => meta::annotations(&object, &Path::root("metadata"), &mut errors),
    }
    // Upstream's path of annotations has no `s`.
    let upstream = |message: String| message.replacen("metadata.annotations", "metadata.annotation", 1);
    let messages: Vec<String> = errors.iter().map(|error| upstream(error.to_string())).collect();
    match messages.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(converted: &str, expected: &str) {
        let original = r#"{"apiVersion":"a.b/v1","kind":"W","metadata":{"name":"n","uid":"u","generation":3,
            "labels":{"l":"1"}},"spec":{"host":"x"}}"#;
        let original = json::parse(original.as_bytes()).unwrap();
        let converted = json::parse(converted.as_bytes()).unwrap();
        let found = match checked(&original, converted, "a.b/v2") {
            Ok(object) => {
                let expected = json::parse(expected.as_bytes()).unwrap();
                return assert_eq!(object.get("metadata"), Some(&expected));
            }
            Err(Place::Object(why) | Place::Document(why)) => why,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn only_labels_and_annotations_of_metadata_change() {
        let meta = |metadata: &str| format!(r#"{{"apiVersion":"a.b/v2","kind":"W","metadata":{metadata}}}"#);
        let kept = r#"{"name":"n","uid":"u","generation":3}"#;
        check(&meta(r#"{"name":"n","uid":"u","finalizers":["f"]}"#), kept);
        check(
            &meta(r#"{"name":"n","uid":"u","annotations":{"a":"b"}}"#),
            r#"{"name":"n","uid":"u","generation":3,"annotations":{"a":"b"}}"#,
        );
        check(&meta(r#"{"name":"m","uid":"u"}"#), "object: must have the same name: n != m");
        check(&meta(r#"{"name":"n"}"#), "object: must have the same UID: u != ");
        check(
            &meta(r#"{"name":"n","uid":"u","labels":{"l":1}}"#),
            "metadata: metadata.labels[l] must be a string, but is int64 in converted object",
        );
        check(
            &meta(r#"{"name":"n","uid":"u","labels":[]}"#),
            "metadata: invalid metadata.labels of type []interface {} in converted object",
        );
    }

    #[test]
    fn versions_and_kinds_are_those_that_were_asked_for() {
        check("{}", "Object 'Kind' is missing in '{}'");
        check(
            r#"{"apiVersion":"a.b/v1","kind":"W"}"#,
            "object at index 0: invalid groupVersion (expected a.b/v2, received a.b/v1)",
        );
        check(
            r#"{"apiVersion":"a.b/v2","kind":"X"}"#,
            "object at index 0: invalid kind (expected W, received X)",
        );
    }
}
