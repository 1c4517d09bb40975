//! Values as trees: JSON that is kept as text is read.

use pintle_object::{Map, Value, json};
use std::borrow::Cow;

/// A value as a tree: JSON kept as text is read.
pub(crate) fn tree(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Raw(raw) => Cow::Owned(json::parse(raw.0.as_bytes()).unwrap_or_default()),
        other => Cow::Borrowed(other),
    }
}

/// An object as the untyped tree that its JSON would be read into: nothing is kept as text.
pub fn untyped(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(untyped).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key, untyped(value))).collect::<Map>()),
        Value::Raw(_) => tree(value).into_owned(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => value.clone(),
    }
}
