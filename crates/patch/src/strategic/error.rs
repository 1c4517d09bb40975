//! The errors of strategic merge patches, in upstream's words.

use crate::go;
use crate::strategic::kind::ValueKind;
use pintle_object::{Map, Value};
use std::fmt;

pub(super) const BAD_PRIMITIVE_LIST: &str = "invalid patch format of primitive list";
pub(super) const BAD_RETAIN_KEYS: &str = "invalid patch format of retainKeys";
pub(super) const BAD_ELEMENT_ORDER: &str = "invalid patch format of setElementOrder list";
pub(super) const LIST_OF_LISTS: &str = "lists of lists are not supported";

/// The side at fault, as upstream's status has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategicFault {
    /// 400, with the message.
    BadRequest,
    /// 422, with a generic message.
    Unprocessable,
    /// 500, with the message: upstream does not classify it.
    Unclassified,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategicError {
    pub fault: StrategicFault,
    pub message: String,
}

impl StrategicError {
    pub(super) fn bad_request(message: &str) -> StrategicError {
        StrategicError { fault: StrategicFault::BadRequest, message: message.into() }
    }

    pub(super) fn other(message: impl Into<String>) -> StrategicError {
        StrategicError { fault: StrategicFault::Unclassified, message: message.into() }
    }
}

impl fmt::Display for StrategicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

pub(super) fn list_of_lists() -> StrategicError {
    StrategicError { fault: StrategicFault::Unprocessable, message: LIST_OF_LISTS.into() }
}

pub(super) fn no_merge_key(map: &Map, key: &str) -> StrategicError {
    let shown = go::text(&Value::Map(map.clone()));
    StrategicError::other(format!("map: {shown} does not contain declared merge key: {key}"))
}

pub(super) fn bad_type(expected: ValueKind, actual: &Value) -> StrategicError {
    let actual = match actual {
        Value::Null => "%!s(<nil>)",
        other => other.go_type(),
    };
    StrategicError::other(format!("expected a {}, but received a {actual}", expected.go_name()))
}

/// The message shows the map with its directive.
pub(super) fn bad_patch_type(directive: Value, mut map: Map) -> StrategicError {
    let shown = match &directive {
        Value::Text(text) => text.to_string(),
        other => format!("%!s({}={})", other.go_type(), go::text(other)),
    };
    map.insert(crate::strategic::directive::DIRECTIVE, directive);
    let map = go::text(&Value::Map(map));
    StrategicError::other(format!("unknown patch type: {shown} in map: {map}"))
}
