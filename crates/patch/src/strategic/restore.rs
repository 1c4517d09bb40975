//! Errors of a strategically merged tree that does not fit its type.
//!
//! Upstream goes from the tree to the object without JSON in between, so that the words differ from those of
//! decoding.

use pintle_object::{Value, bytes};
use pintle_schema::model::{Field, Schema, Shape, Struct, TypeId};

/// The first value that does not fit, in declared order of the fields.
pub fn mismatch(schema: &Schema, ty: TypeId, value: &Value) -> Option<String> {
    check(schema, ty, None, value)
}

fn check(schema: &Schema, ty: TypeId, field: Option<&Field>, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match (schema.shape(ty), value) {
        (Shape::Struct(inner), Value::Map(_)) => structure(schema, inner, value),
        (Shape::Struct(_), _) => Some(format!("cannot restore struct from: {}", kind(value))),
        (Shape::List(list), Value::List(items)) => {
            items.iter().find_map(|item| check(schema, list.item, None, item))
        }
        (Shape::List(_), _) => Some(format!("cannot restore slice from {}", kind(value))),
        (Shape::Map(map), Value::Map(entries)) => {
            entries.values().find_map(|item| check(schema, map.value, None, item))
        }
        (Shape::Map(_), _) => Some(format!("cannot restore map from {}", kind(value))),
        (Shape::Bytes, Value::Text(text)) => {
            bytes::decode(text).err().map(|why| format!("error decoding from json: {why}"))
        }
        (Shape::Bytes, _) => Some(format!("cannot restore slice from {}", kind(value))),
        (Shape::Text, _) => scalar("string", field, value),
        (Shape::Bool, _) => scalar("bool", field, value),
        (Shape::Int32, _) => scalar("int32", field, value),
        (Shape::Int64, _) => scalar("int64", field, value),
        (Shape::Double, _) => scalar("float64", field, value),
        _ => None,
    }
}

fn structure(schema: &Schema, inner: &Struct, value: &Value) -> Option<String> {
    inner.fields.iter().find_map(|field| check(schema, field.ty, Some(field), value.get(&field.name)?))
}

/// Go converts between the numbers, and between number and text (which is then refused).
fn scalar(wanted: &str, field: Option<&Field>, value: &Value) -> Option<String> {
    let named = field.map(|field| field.go_type.as_ref()).filter(|name| !name.is_empty()).unwrap_or(wanted);
    let is_number = matches!(wanted, "int32" | "int64" | "float64");
    let cannot = |from: &str| Some(format!("cannot convert {from} to {named}"));
    match value {
        Value::Text(_) if wanted == "string" => None,
        Value::Bool(_) if wanted == "bool" => None,
        Value::Int(_) if is_number => None,
        Value::Int(_) if wanted == "string" => cannot("int64"),
        Value::Float(float) if is_number => match wanted {
            "float64" => None,
            _ if float.fract() == 0.0 => None,
            _ => cannot("float64"),
        },
        _ => Some(format!("unrecognized type: {wanted}")),
    }
}

/// Go's `reflect.Kind` of a value decoded from JSON.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::Text(_) => "string",
        Value::List(_) => "slice",
        Value::Map(_) | Value::Raw(_) => "map",
    }
}
