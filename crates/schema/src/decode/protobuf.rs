//! Protobuf to canonical form, and the envelope that upstream stores and sends objects in.

use super::draft::Draft;
use super::{DecodeError, zero};
use crate::model::{Route, Schema, Shape, Struct, TypeId};
use pintle_object::time::{self, Time};
use pintle_object::value::RawJson;
use pintle_object::wire::{Payload, WireError, WireReader};
use pintle_object::{Map, Text, Value, bytes, json, quantity};

/// Every protobuf document of Kubernetes begins with this.
pub const MAGIC: &[u8] = b"k8s\0";

/// The depth of nested messages: that of the deepest JSON, each level of which is up to two messages.
pub(crate) const DEPTH_MAX: usize = 2 * json::read::TREE_DEPTH_MAX + 100;

/// The envelope `runtime.Unknown`: the kind and the bytes of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub raw: &'a [u8],
    pub content_type: &'a str,
}

/// Reads the magic number and the envelope.
pub fn envelope(document: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let message = document.strip_prefix(MAGIC).ok_or_else(|| {
        DecodeError(String::from(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
        ))
    })?;
    read_envelope(message).map_err(|error| DecodeError(error.to_string()))
}

fn read_envelope(message: &[u8]) -> Result<Envelope<'_>, WireError> {
    let mut envelope = Envelope::default();
    let mut reader = WireReader::new(message);
    while let Some((field, payload)) = reader.next_field()? {
        match field {
            1 => {
                let mut inner = WireReader::new(payload.bytes(field)?);
                while let Some((field, payload)) = inner.next_field()? {
                    match field {
                        1 => envelope.api_version = text(payload.bytes(field)?)?,
                        2 => envelope.kind = text(payload.bytes(field)?)?,
                        _ => {}
                    }
                }
            }
            2 => envelope.raw = payload.bytes(field)?,
            4 => envelope.content_type = text(payload.bytes(field)?)?,
            _ => {}
        }
    }
    Ok(envelope)
}

/// Decodes a message as an object of a type; kind and apiVersion are the caller's to set.
pub fn decode(schema: &Schema, ty: TypeId, message: &[u8]) -> Result<Value, DecodeError> {
    value(schema, ty, Payload::Bytes(message), 0, DEPTH_MAX).map_err(|error| DecodeError(error.to_string()))
}

fn value(
    schema: &Schema,
    ty: TypeId,
    payload: Payload<'_>,
    field: u32,
    depth: usize,
) -> Result<Value, WireError> {
    let depth = depth.checked_sub(1).ok_or(WireError::Overflow)?;
    Ok(match schema.shape(ty) {
        Shape::Struct(inner) => {
            let mut draft = Draft::new(inner);
            structure(schema, inner, 0, payload.bytes(field)?, &mut draft, depth)?;
            draft.finish(schema)
        }
        Shape::Text => Value::Text(Text::from(text(payload.bytes(field)?)?)),
        Shape::Bool => Value::Bool(payload.varint(field)? != 0),
        Shape::Int32 => Value::Int(i64::from(payload.varint(field)? as i32)),
        Shape::Int64 => Value::Int(payload.varint(field)? as i64),
        Shape::Double => super::double(f64::from_bits(payload.fixed64(field)?)),
        Shape::Bytes => Value::from(bytes::encode(payload.bytes(field)?)),
        Shape::Quantity => amount(payload.bytes(field)?)?,
        Shape::IntOrString => int_or_string(payload.bytes(field)?)?,
        Shape::Time => moment(payload.bytes(field)?, Time::to_seconds_text)?,
        Shape::MicroTime => moment(payload.bytes(field)?, Time::to_micro_text)?,
        Shape::Duration => {
            let mut reader = WireReader::new(payload.bytes(field)?);
            let nanos = reader.next_field()?.map_or(Ok(0), |(field, payload)| payload.varint(field))?;
            Value::from(time::format_duration(nanos as i64))
        }
        Shape::RawExtension | Shape::Json | Shape::FieldsV1 => raw(payload.bytes(field)?)?,
        Shape::SchemaOrArray(inner) => schema_or_list(payload.bytes(field)?, |number, payload| {
            value(schema, *inner, payload, number, depth)
        })?,
        Shape::SchemaOrStrings(inner) => {
            schema_or_list(payload.bytes(field)?, |number, payload| match number {
                1 => value(schema, *inner, payload, number, depth),
                _ => Ok(Value::from(text(payload.bytes(number)?)?)),
            })?
        }
        Shape::SchemaOrBool(inner) => schema_or_bool(schema, *inner, payload.bytes(field)?, depth)?,
        Shape::List(list) => {
            // A wrapped list: a message with one repeated field.
            let mut items = Vec::new();
            let mut reader = WireReader::new(payload.bytes(field)?);
            while let Some((field, payload)) = reader.next_field()? {
                items.push(value(schema, list.item, payload, field, depth)?);
            }
            Value::List(items)
        }
        Shape::Map(_) | Shape::Any => Value::Null,
    })
}

/// Reads the fields of one message: the struct's own, or one embedded in it.
fn structure<'a>(
    schema: &Schema,
    inner: &'a Struct,
    routes: u16,
    message: &[u8],
    draft: &mut Draft<'a>,
    depth: usize,
) -> Result<(), WireError> {
    let mut reader = WireReader::new(message);
    while let Some((number, payload)) = reader.next_field()? {
        match inner.route(routes, number) {
            Route::Nowhere => {}
            Route::Field(index) => read_field(schema, inner, index, number, payload, draft, depth)?,
            Route::Embedded(routes) => {
                structure(schema, inner, routes, payload.bytes(number)?, draft, depth)?;
            }
        }
    }
    Ok(())
}

fn read_field(
    schema: &Schema,
    inner: &Struct,
    index: u16,
    number: u32,
    payload: Payload<'_>,
    draft: &mut Draft<'_>,
    depth: usize,
) -> Result<(), WireError> {
    let field = inner.at(index);
    match schema.shape(field.ty) {
        Shape::List(list) if !list.wrapped => {
            let item = value(schema, list.item, payload, number, depth)?;
            match draft.get_mut(index) {
                Some(Value::List(items)) => items.push(item),
                _ => draft.set(schema, index, Value::List(vec![item])),
            }
        }
        Shape::Map(map) => {
            let (key, item) = entry(schema, map.value, payload.bytes(number)?, depth)?;
            match draft.get_mut(index) {
                Some(Value::Map(entries)) => drop(entries.insert(key, item)),
                _ => draft.set(schema, index, Value::Map(Map::from_iter([(key, item)]))),
            }
        }
        _ => {
            let value = value(schema, field.ty, payload, number, depth)?;
            draft.set(schema, index, value);
        }
    }
    Ok(())
}

fn entry(schema: &Schema, ty: TypeId, message: &[u8], depth: usize) -> Result<(Text, Value), WireError> {
    let mut key = Text::const_new("");
    let mut item = match schema.shape(ty) {
        Shape::Bytes => Value::from(""),
        _ => zero(schema, ty),
    };
    let mut reader = WireReader::new(message);
    while let Some((field, payload)) = reader.next_field()? {
        match field {
            1 => key = Text::from(text(payload.bytes(field)?)?),
            2 => item = value(schema, ty, payload, field, depth)?,
            _ => {}
        }
    }
    Ok((key, item))
}

/// One schema (field 1), or items (field 2), each read by `read`.
fn schema_or_list(
    message: &[u8],
    read: impl Fn(u32, Payload<'_>) -> Result<Value, WireError>,
) -> Result<Value, WireError> {
    let mut one = Value::Null;
    let mut items = Vec::new();
    let mut reader = WireReader::new(message);
    while let Some((number, payload)) = reader.next_field()? {
        match number {
            1 => one = read(number, payload)?,
            2 => items.push(read(number, payload)?),
            _ => {}
        }
    }
    Ok(if items.is_empty() { one } else { Value::List(items) })
}

fn schema_or_bool(schema: &Schema, inner: TypeId, message: &[u8], depth: usize) -> Result<Value, WireError> {
    let mut found = Value::Bool(false);
    let mut reader = WireReader::new(message);
    while let Some((field, payload)) = reader.next_field()? {
        match field {
            1 if !matches!(found, Value::Map(_)) => found = Value::Bool(payload.varint(field)? != 0),
            2 => found = value(schema, inner, payload, field, depth)?,
            _ => {}
        }
    }
    Ok(found)
}

/// A quantity in the form in which it is written again; nothing is zero.
fn amount(message: &[u8]) -> Result<Value, WireError> {
    let mut found = Value::from("0");
    let mut reader = WireReader::new(message);
    while let Some((field, payload)) = reader.next_field()? {
        if field == 1 {
            let text = text(payload.bytes(field)?)?;
            found = Value::from(quantity::canonical(text).map_err(WireError::Quantity)?);
        }
    }
    Ok(found)
}

/// A JSON document; other content, such as an object in protobuf, is skipped.
fn raw(message: &[u8]) -> Result<Value, WireError> {
    let Some((field, payload)) = WireReader::new(message).next_field()? else { return Ok(Value::Null) };
    let document = payload.bytes(field)?;
    let Ok(depth) = json::read::check(document) else { return Ok(Value::Null) };
    // Readers of trees count on this bound.
    if depth > json::read::TREE_DEPTH_MAX {
        return Err(WireError::Overflow);
    }
    if document == b"null" {
        return Ok(Value::Null);
    }
    Ok(Value::Raw(Box::new(RawJson(json::compact(document)))))
}

pub(crate) fn int_or_string(message: &[u8]) -> Result<Value, WireError> {
    let (mut is_text, mut int, mut found) = (false, 0, "");
    let mut reader = WireReader::new(message);
    while let Some((field, payload)) = reader.next_field()? {
        match field {
            1 => is_text = payload.varint(field)? == 1,
            2 => int = payload.varint(field)? as i32,
            3 => found = text(payload.bytes(field)?)?,
            _ => {}
        }
    }
    Ok(if is_text { Value::from(found) } else { Value::from(int) })
}

pub(crate) fn moment(message: &[u8], show: fn(Time) -> Text) -> Result<Value, WireError> {
    if message.is_empty() {
        return Ok(Value::Null);
    }
    let mut time = Time { seconds: 0, nanos: 0 };
    let mut reader = WireReader::new(message);
    while let Some((field, payload)) = reader.next_field()? {
        match field {
            1 => time.seconds = payload.varint(field)? as i64,
            2 => time.nanos = payload.varint(field)? as u32,
            _ => {}
        }
    }
    Ok(Value::from(show(time)))
}

fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::builtin;
    use pintle_object::GroupVersionKind;

    /// A Pod with an overhead of so much CPU.
    fn pod(cpu: &str) -> Vec<u8> {
        let nested = |tag: &[u8], inner: &[u8]| [tag, &[inner.len() as u8], inner].concat();
        let quantity = nested(&[0x12], &nested(&[0x0a], cpu.as_bytes()));
        let entry = [nested(&[0x0a], b"cpu"), quantity].concat();
        nested(&[0x12], &nested(&[0x82, 0x02], &entry))
    }

    #[test]
    fn quantities_are_canonical_or_refused() {
        let api = builtin();
        let ty = api.kind(&GroupVersionKind::new("", "v1", "Pod")).expect("Pod is built in");
        for (text, expected) in [("1000m", "1"), ("1.5", "1500m"), ("2Gi", "2Gi"), ("+3", "+3")] {
            let tree = decode(&api.schema, ty, &pod(text)).unwrap();
            assert_eq!(tree.str_at(&["spec", "overhead", "cpu"]), expected, "{text}");
        }
        let words =
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        for text in ["", "\u{8}", "much"] {
            assert_eq!(decode(&api.schema, ty, &pod(text)).unwrap_err().0, words, "{text:?}");
        }
    }
}
