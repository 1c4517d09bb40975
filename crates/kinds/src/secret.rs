//! Secret.

use super::config_map::{SIZE_MAX, frozen};
use super::{Strategy, cells};
use crate::validation::check::{IMMUTABLE, invalid_all};
use crate::validation::{key_pair, meta};
use pintle_object::{FieldErrors, Path, Value, bytes, content, json};

pub struct Secret;

const DATA: Path<'static> = Path::root("data");
const ACCOUNT: &str = "kubernetes.io/service-account.name";

impl Strategy for Secret {
    /// `stringData` is written only: it ends up in `data`.
    fn default(&self, object: &mut Value) {
        super::config_map::empty_for_null(object, "data");
        let Some(Value::Map(strings)) = object.remove(&["stringData"]) else { return };
        for (key, value) in strings.iter() {
            let data = bytes::encode(value.as_str().unwrap_or("").as_bytes());
            object.set(&["data", key], data);
        }
    }

    fn prepare_create(&self, _object: &mut Value, _context: &super::Context<'_>) {}

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &super::Context<'_>) {
        if new.str_at(&["type"]).is_empty() {
            super::keep(new, old, "type");
        }
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        let mut size = 0;
        for (key, value) in object.map_at(&["data"]).into_iter().flat_map(|map| map.iter()) {
            invalid_all(content::config_map_key(key), key, &DATA.key(key), errors);
            size += value.as_str().and_then(|text| bytes::decode(text).ok()).map_or(0, |data| data.len());
        }
        if size > SIZE_MAX {
            errors.too_long(&DATA, SIZE_MAX);
        }
        content_of_type(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        let kind = new.str_at(&["type"]);
        if kind != old.str_at(&["type"]) {
            errors.invalid(&Path::root("type"), kind, IMMUTABLE);
        }
        frozen(new, old, &["data"], errors);
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        if new.str_at(&["type"]) != "kubernetes.io/tls" {
            return;
        }
        let data = |key: &str| bytes::decode(new.str_at(&["data", key])).unwrap_or_default();
        out.extend(key_pair::mismatch(&data("tls.crt"), &data("tls.key")));
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["type"]),
            cells::len(object, &["data"]),
            cells::age(object, now_seconds),
        ]
    }
}

/// Each type of secret requires keys of its own.
fn content_of_type(object: &Value, errors: &mut FieldErrors) {
    let has = |key: &str| object.at(&["data", key]).is_some();
    match object.str_at(&["type"]) {
        "kubernetes.io/service-account-token"
            if object.str_at(&["metadata", "annotations", ACCOUNT]).is_empty() =>
        {
            errors.required(&Path::root("metadata.annotations").key(ACCOUNT), "");
        }
        "kubernetes.io/dockercfg" => registry_logins(object, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => registry_logins(object, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            errors.required(&DATA.key("username"), "");
            errors.required(&DATA.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if object.str_at(&["data", "ssh-privatekey"]).is_empty() => {
            errors.required(&DATA.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].iter().filter(|key| !has(key)) {
                errors.required(&DATA.key(key), "");
            }
        }
        _ => {}
    }
}

/// Logins are a JSON object; an error never shows them.
fn registry_logins(object: &Value, key: &str, errors: &mut FieldErrors) {
    let Some(data) = object.at(&["data", key]) else {
        return errors.required(&DATA.key(key), "");
    };
    let data = data.as_str().and_then(|text| bytes::decode(text).ok()).unwrap_or_default();
    let why = match json::parse(&data) {
        Err(error) => error.to_string(),
        Ok(Value::Map(_) | Value::Null) => return,
        Ok(other) => {
            let kind = match other {
                Value::List(_) => "array",
                Value::Text(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
        }
    };
    errors.invalid(&DATA.key(key), "<secret contents redacted>", &why);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_require_their_keys() {
        let cases: [(&str, &[&str]); 4] = [
            (r#"{"type":"kubernetes.io/tls"}"#, &["data[tls.crt]", "data[tls.key]"]),
            (r#"{"type":"kubernetes.io/basic-auth","data":{"username":""}}"#, &[]),
            (r#"{"type":"kubernetes.io/dockercfg","data":{".dockercfg":"e30="}}"#, &[]),
            (r#"{"type":"kubernetes.io/dockercfg","data":{".dockercfg":"W10="}}"#, &["data[.dockercfg]"]),
        ];
        for (json, expected) in cases {
            let object = pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
            let mut errors = FieldErrors::new();
            content_of_type(&object, &mut errors);
            let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(fields, expected, "{json}");
        }
    }
}
