//! Kinds of values, as strategic merges tell them apart.

use pintle_object::Value;

/// Go's dynamic type of a value decoded from JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Text,
    List,
    Map,
}

impl Kind {
    pub fn go_name(self) -> &'static str {
        match self {
            Kind::List => "[]interface {}",
            Kind::Map => "map[string]interface {}",
            Kind::Null => "<nil>",
            Kind::Bool => "bool",
            Kind::Int => "int64",
            Kind::Float => "float64",
            Kind::Text => "string",
        }
    }
}

pub(crate) fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Bool,
        Value::Int(_) => Kind::Int,
        Value::Float(_) => Kind::Float,
        Value::Text(_) => Kind::Text,
        Value::List(_) => Kind::List,
        Value::Map(_) | Value::Raw(_) => Kind::Map,
    }
}
