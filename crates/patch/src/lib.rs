//! Changes of objects: JSON patch, merge patch, strategic merge patch, server-side apply, and the managed fields
//! that account for them.
//!
//! Everything works on `pintle_object::Value` trees, driven by a `pintle_schema` type where the rules depend on it.
//! A patch yields an untyped tree, which the caller brings into canonical form (`schema::decode::json::normalise`).
//! This crate is pure: no I/O, no clock.

pub mod apply;
pub mod document;
pub mod fields;
pub mod go;
pub mod json_patch;
pub mod managed;
pub mod merge_patch;
pub mod strategic;
pub mod typed;

pub use apply::{ApplyError, Conflict, apply};
pub use fields::{Element, FieldSet};
pub use managed::{
    Filter, Tracking, Versions, keep_times_of_noop, manager_name, reset_fields, reset_fields_of_custom,
    track_update,
};

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
