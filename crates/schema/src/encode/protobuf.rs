//! Canonical form to protobuf, byte for byte as upstream's generated code writes it.

use super::fields::Fields;
use crate::decode::protobuf::MAGIC;
use crate::model::{Field, Schema, Shape, Struct, TypeId};
use pintle_object::time::{self, Time};
use pintle_object::wire::{write_bytes, write_fixed64, write_message, write_number, write_varint};
use pintle_object::{Map, Value, bytes, json};

/// The document of an object: the magic number, and the envelope with the object's message in it.
pub fn document(schema: &Schema, ty: TypeId, api_version: &str, kind: &str, value: &Value) -> Vec<u8> {
    let mut raw = Vec::with_capacity(512);
    encode(schema, ty, value, &mut raw);
    envelope(api_version, kind, &raw)
}

/// The document around an encoded message.
pub fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = envelope_head(api_version, kind, raw.len());
    out.extend_from_slice(raw);
    envelope_tail(&mut out);
    out
}

/// The document's beginning, up to a message of this length.
pub(super) fn envelope_head(api_version: &str, kind: &str, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + api_version.len() + kind.len() + 24);
    envelope_start(api_version, kind, len, &mut out);
    out
}

/// The same for a message that is written elsewhere.
pub(super) fn envelope_start(api_version: &str, kind: &str, len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    write_message(out, 1, |out| {
        write_bytes(out, 1, api_version.as_bytes());
        write_bytes(out, 2, kind.as_bytes());
    });
    out.push(2 << 3 | 2);
    write_varint(out, len as u64);
}

/// Content encoding and type, both empty.
pub(super) fn envelope_tail(out: &mut Vec<u8>) {
    write_bytes(out, 3, b"");
    write_bytes(out, 4, b"");
}

/// Writes the message of an object of a type.
pub fn encode(schema: &Schema, ty: TypeId, value: &Value, out: &mut Vec<u8>) {
    static EMPTY: Map = Map::new();
    if let Shape::Struct(inner) = schema.shape(ty) {
        let fields = Fields::new(inner, value.as_map().unwrap_or(&EMPTY));
        structure(schema, inner, &inner.by_tag, 0, &fields, out);
    }
}

/// Writes the fields of `order`, all of which are in the same message at this level of embedding.
fn structure(
    schema: &Schema,
    inner: &Struct,
    order: &[u16],
    level: usize,
    fields: &Fields<'_>,
    out: &mut Vec<u8>,
) {
    let mut rest = order;
    while let Some(first) = rest.first() {
        let field = inner.at(*first);
        let tag = field.tags.get(level).copied().unwrap_or(0);
        if field.tags.len() == level + 1 {
            write_field(schema, field, tag, fields.get(inner, *first), out);
            rest = rest.get(1..).unwrap_or(&[]);
            continue;
        }
        let same = rest.iter().take_while(|index| inner.at(**index).tags.get(level) == Some(&tag)).count();
        let (embedded, after) = rest.split_at(same);
        write_message(out, tag, |out| structure(schema, inner, embedded, level + 1, fields, out));
        rest = after;
    }
}

fn write_field(schema: &Schema, field: &Field, tag: u32, value: Option<&Value>, out: &mut Vec<u8>) {
    let value = value.filter(|value| !value.is_null());
    match (schema.shape(field.ty), value) {
        (_, None) if field.pointer => {}
        (Shape::List(list), Some(Value::List(items))) if !list.wrapped => {
            items.iter().for_each(|item| write(schema, list.item, tag, item, out));
        }
        (Shape::Map(inner), Some(Value::Map(entries))) => {
            for (key, item) in entries.iter() {
                write_message(out, tag, |out| {
                    write_bytes(out, 1, key.as_bytes());
                    write(schema, inner.value, 2, item, out);
                });
            }
        }
        (Shape::List(_) | Shape::Map(_) | Shape::Bytes, None) => {}
        (_, value) => write(schema, field.ty, tag, value.unwrap_or(&Value::Null), out),
    }
}

/// Writes one value under a tag; a missing one as its zero value.
fn write(schema: &Schema, ty: TypeId, tag: u32, value: &Value, out: &mut Vec<u8>) {
    match schema.shape(ty) {
        Shape::Struct(_) => write_message(out, tag, |out| encode(schema, ty, value, out)),
        Shape::Text => write_bytes(out, tag, value.as_str().unwrap_or("").as_bytes()),
        Shape::Bool => write_number(out, tag, u64::from(value.as_bool().unwrap_or(false))),
        Shape::Int32 | Shape::Int64 => write_number(out, tag, value.as_i64().unwrap_or(0) as u64),
        Shape::Double => write_fixed64(out, tag, double(value).to_bits()),
        Shape::Bytes => {
            write_bytes(out, tag, &bytes::decode(value.as_str().unwrap_or("")).unwrap_or_default())
        }
        Shape::Quantity => {
            let text = value.as_str().unwrap_or("0");
            write_message(out, tag, |out| write_bytes(out, 1, text.as_bytes()));
        }
        Shape::IntOrString => write_message(out, tag, |out| int_or_string(value, out)),
        Shape::Time => write_message(out, tag, |out| moment(value, Time::parse, 1_000_000_000, out)),
        Shape::MicroTime => write_message(out, tag, |out| moment(value, Time::parse_micro, 1_000, out)),
        Shape::Duration => {
            let nanos = time::parse_duration(value.as_str().unwrap_or("0")).unwrap_or(0);
            write_message(out, tag, |out| write_number(out, 1, nanos as u64));
        }
        Shape::RawExtension | Shape::Json | Shape::FieldsV1 => write_message(out, tag, |out| raw(value, out)),
        Shape::SchemaOrArray(inner) => write_message(out, tag, |out| match value {
            Value::List(items) => items.iter().for_each(|item| write(schema, *inner, 2, item, out)),
            value => write(schema, *inner, 1, value, out),
        }),
        Shape::SchemaOrStrings(inner) => write_message(out, tag, |out| match value {
            Value::List(items) => {
                items.iter().for_each(|item| write_bytes(out, 2, item.as_str().unwrap_or("").as_bytes()));
            }
            value => write(schema, *inner, 1, value, out),
        }),
        Shape::SchemaOrBool(inner) => write_message(out, tag, |out| match value {
            Value::Map(_) => {
                write_number(out, 1, 1);
                write(schema, *inner, 2, value, out);
            }
            value => write_number(out, 1, u64::from(value.as_bool().unwrap_or(false))),
        }),
        Shape::List(list) => write_message(out, tag, |out| {
            value.as_list().unwrap_or(&[]).iter().for_each(|item| write(schema, list.item, 1, item, out));
        }),
        Shape::Map(_) | Shape::Any => {}
    }
}

fn int_or_string(value: &Value, out: &mut Vec<u8>) {
    let text = value.as_str();
    write_number(out, 1, u64::from(text.is_some()));
    write_number(out, 2, value.as_i64().unwrap_or(0) as u64);
    write_bytes(out, 3, text.unwrap_or("").as_bytes());
}

/// Seconds and nanoseconds, the latter cut to the precision of the type's text.
fn moment(value: &Value, parse: fn(&str) -> Result<Time, String>, unit: u32, out: &mut Vec<u8>) {
    let Some(time) = value.as_str().and_then(|text| parse(text).ok()) else { return };
    write_number(out, 1, time.seconds as u64);
    write_number(out, 2, u64::from(time.nanos - time.nanos % unit));
}

fn raw(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Raw(raw) => write_bytes(out, 1, raw.0.as_bytes()),
        tree => write_bytes(out, 1, json::to_string(tree).as_bytes()),
    }
}

fn double(value: &Value) -> f64 {
    match value {
        Value::Int(int) => *int as f64,
        Value::Float(float) => *float,
        _ => 0.0,
    }
}
