//! Kinds of values, as strategic merges distinguish them.

use pintle_object::Value;

/// Go's dynamic type of a value decoded from JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Null,
    Bool,
    Int,
    Float,
    Text,
    List,
    Map,
}

impl ValueKind {
    pub fn go_name(self) -> &'static str {
        match self {
            ValueKind::List => "[]interface {}",
            ValueKind::Map => "map[string]interface {}",
            ValueKind::Null => "<nil>",
            ValueKind::Bool => "bool",
            ValueKind::Int => "int64",
            ValueKind::Float => "float64",
            ValueKind::Text => "string",
        }
    }
}

pub(crate) fn kind_of(value: &Value) -> ValueKind {
    match value {
        Value::Null => ValueKind::Null,
        Value::Bool(_) => ValueKind::Bool,
        Value::Int(_) => ValueKind::Int,
        Value::Float(_) => ValueKind::Float,
        Value::Text(_) => ValueKind::Text,
        Value::List(_) => ValueKind::List,
        Value::Map(_) | Value::Raw(_) => ValueKind::Map,
    }
}
