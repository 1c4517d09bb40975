//! Zero values: the JSON of Go's encoder for a field that was never set.

use crate::model::{Presence, Schema, Shape, Struct, TypeId};
use pintle_object::{Map, Text, Value};

/// The zero value of a type as JSON shows it in a field that is not a pointer.
pub fn zero(schema: &Schema, ty: TypeId) -> Value {
    match schema.shape(ty) {
        Shape::Struct(inner) => {
            let mut map = Map::new();
            fill(schema, inner, &mut map);
            Value::Map(map)
        }
        Shape::Text => Value::Text(Text::const_new("")),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::Double | Shape::IntOrString => Value::Int(0),
        Shape::Quantity => Value::Text(Text::const_new("0")),
        Shape::Duration => Value::Text(Text::const_new("0s")),
        Shape::List(_)
        | Shape::Map(_)
        | Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::RawExtension
        | Shape::Json
        | Shape::FieldsV1
        | Shape::SchemaOrArray(_)
        | Shape::SchemaOrBool(_)
        | Shape::SchemaOrStrings(_)
        | Shape::Any => Value::Null,
    }
}

/// Puts in the fields that output always shows.
pub fn fill(schema: &Schema, inner: &Struct, map: &mut Map) {
    for index in &inner.always {
        let field = inner.at(*index);
        if !map.contains(&field.name) {
            let value = if field.pointer { Value::Null } else { zero(schema, field.ty) };
            map.insert(field.name.as_ref(), value);
        }
    }
}

/// Whether a decoded value is the zero value of its type.
pub fn is_zero(schema: &Schema, ty: TypeId, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Int(int) => *int == 0 && !matches!(schema.shape(ty), Shape::IntOrString),
        Value::Float(float) => *float == 0.0,
        Value::Text(text) => text.is_empty() && !matches!(schema.shape(ty), Shape::IntOrString),
        Value::List(list) => list.is_empty(),
        Value::Map(map) if map.is_empty() => true,
        Value::Map(_) => matches!(schema.shape(ty), Shape::Struct(_)) && *value == zero(schema, ty),
        Value::Raw(_) => false,
    }
}

/// Whether a field with this presence shows this value.
pub fn shows(schema: &Schema, presence: Presence, pointer: bool, ty: TypeId, value: &Value) -> bool {
    match presence {
        Presence::Always => true,
        Presence::Set => !value.is_null(),
        Presence::NonZero if pointer => !value.is_null(),
        Presence::NonZero => !is_zero(schema, ty, value),
    }
}
