//! ConfigMap.

use super::{Strategy, cells};
use crate::validation::check::invalid_all;
use crate::validation::meta;
use pintle_object::{FieldErrors, Path, Value, bytes, content};

pub struct ConfigMap;

/// The size that a map or secret may have, so that it fits a request to etcd.
pub(super) const SIZE_MAX: usize = 1024 * 1024;

impl Strategy for ConfigMap {
    fn default(&self, object: &mut Value) {
        empty_for_null(object, "binaryData");
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        let mut size = 0;
        for (field, other) in [("data", Some("binaryData")), ("binaryData", None)] {
            let path = Path::root(field);
            for (key, value) in object.map_at(&[field]).into_iter().flat_map(|map| map.iter()) {
                invalid_all(content::config_map_key(key), key, &path.key(key), errors);
                if other.is_some_and(|other| object.at(&[other, key]).is_some()) {
                    errors.invalid(&path.key(key), key, "duplicate of key present in binaryData");
                }
                let text = value.as_str().unwrap_or("");
                size += if other.is_some() {
                    text.len()
                } else {
                    bytes::decode(text).map_or(0, |data| data.len())
                };
            }
        }
        if size > SIZE_MAX {
            errors.too_long(&Path::root(""), SIZE_MAX);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        frozen(new, old, &["data", "binaryData"], errors);
        self.validate(new, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let count = |field: &str| object.map_at(&[field]).map_or(0, pintle_object::Map::len);
        let data = count("data") + count("binaryData");
        let data = Value::Int(i64::try_from(data).unwrap_or(i64::MAX));
        vec![cells::name(object), data, cells::age(object, now_seconds)]
    }
}

/// Data that is null is empty.
pub(super) fn empty_for_null(object: &mut Value, field: &str) {
    if let Some(map) = object.get_mut(field).and_then(Value::as_map_mut) {
        map.iter_mut().filter(|(_, value)| value.is_null()).for_each(|(_, value)| *value = Value::from(""));
    }
}

/// Refuses changes of an object that is marked immutable.
pub(super) fn frozen(new: &Value, old: &Value, fields: &[&str], errors: &mut FieldErrors) {
    const WHY: &str = "field is immutable when `immutable` is set";
    if !old.bool_at(&["immutable"]) {
        return;
    }
    if !new.bool_at(&["immutable"]) {
        errors.forbidden(&Path::root("immutable"), WHY);
    }
    for field in fields {
        if new.get(field) != old.get(field) {
            errors.forbidden(&Path::root(field), WHY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_immutable_map_keeps_its_data() {
        let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
        let old = parse(r#"{"immutable":true,"data":{"a":"1"}}"#);
        let new = parse(r#"{"data":{"a":"2"}}"#);
        let mut errors = FieldErrors::new();
        frozen(&new, &old, &["data", "binaryData"], &mut errors);
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["immutable", "data"]);
    }
}
