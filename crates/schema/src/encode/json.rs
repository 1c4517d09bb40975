//! Canonical form to JSON in Go's field order.

use super::fields::Fields;
use crate::model::{Schema, Shape, Struct, TypeId};
use pintle_object::json::{write_string, write_value};
use pintle_object::{Map, Value};

/// Writes an object of a type as compact JSON.
pub fn encode(schema: &Schema, ty: TypeId, value: &Value, out: &mut Vec<u8>) {
    match (schema.shape(ty), value) {
        (Shape::Struct(inner), Value::Map(map)) => structure(schema, inner, map, out),
        (Shape::List(list), Value::List(items)) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                encode(schema, list.item, item, out);
            }
            out.push(b']');
        }
        (Shape::Map(inner), Value::Map(map)) => {
            out.push(b'{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                encode(schema, inner.value, item, out);
            }
            out.push(b'}');
        }
        (Shape::SchemaOrArray(inner), Value::List(items)) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                encode(schema, *inner, item, out);
            }
            out.push(b']');
        }
        (
            Shape::SchemaOrArray(inner) | Shape::SchemaOrBool(inner) | Shape::SchemaOrStrings(inner),
            Value::Map(_),
        ) => {
            encode(schema, *inner, value, out);
        }
        _ => write_value(out, value),
    }
}

fn structure(schema: &Schema, inner: &Struct, map: &Map, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    let fields = Fields::new(inner, map);
    for (index, field) in inner.fields.iter().enumerate() {
        let Some(value) = fields.get(inner, index as u16) else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        out.push(b'"');
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b"\":");
        encode(schema, field.ty, value, out);
    }
    out.push(b'}');
}
