//! Values as Go's `fmt` prints them: messages of patches show trees this way.

use pintle_object::field::quote;
use pintle_object::{Value, json};

/// Go's `%v`.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Text(text) => text.to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" ")),
        Value::Map(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}:{}", text(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => json::to_string(value),
        Value::Raw(_) => text(&crate::tree(value)),
    }
}

/// Go's `%#v`.
pub fn syntax(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "interface {}(nil)".into(),
        Value::Text(text) => quote(text),
        Value::List(items) => format!("[]interface {{}}{{{}}}", join(items.iter().map(syntax).collect())),
        Value::Map(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}:{}", quote(key), syntax(value)));
            format!("map[string]interface {{}}{{{}}}", join(pairs.collect()))
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => json::to_string(value),
        Value::Raw(_) => syntax(&crate::tree(value)),
    }
}

/// Go's `%T` of a value decoded from JSON.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::Text(_) => "string",
        Value::List(_) => "[]interface {}",
        Value::Map(_) | Value::Raw(_) => "map[string]interface {}",
    }
}
