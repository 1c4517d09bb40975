//! Protobuf to JSON without a tree in between, for GET and LIST of stored objects.
//!
//! A message's fields are in the order of their numbers, JSON wants them in declared order. So each struct is read
//! twice: once to note the place of each field's bytes, once more to write them.

use crate::decode::protobuf::{DEPTH_MAX, int_or_string, moment};
use crate::decode::{self, DecodeError, zero};
use crate::model::{Field, List, Presence, Route, Schema, Shape, Struct, TypeId};
use pintle_object::json::{write_compact, write_float, write_int, write_string, write_value};
use pintle_object::time::{self, Time};
use pintle_object::wire::{Payload, WireError, WireReader};
use pintle_object::{Value, bytes};

/// Writes the JSON of an object's message; `version` becomes its resourceVersion.
///
/// The result is that of decoding, setting the resourceVersion and encoding, at a fraction of the cost.
pub fn json(
    schema: &Schema,
    ty: TypeId,
    message: &[u8],
    version: &str,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let start = out.len();
    let transcoder = Transcoder { schema, version };
    match transcoder.value(ty, Payload::Bytes(message), 0, TranscodePlace::Object, DEPTH_MAX, out) {
        Ok(()) => Ok(()),
        Err(Stop::Wire(error)) => Err(DecodeError(error.to_string())),
        Err(Stop::Unusual) => {
            out.truncate(start);
            through_tree(schema, ty, message, version, out)
        }
    }
}

fn through_tree(
    schema: &Schema,
    ty: TypeId,
    message: &[u8],
    version: &str,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut tree = decode::protobuf::decode(schema, ty, message)?;
    if version.is_empty() {
        tree.remove(&["metadata", "resourceVersion"]);
    } else {
        tree.set(&["metadata", "resourceVersion"], version);
    }
    super::json::encode(schema, ty, &tree, out);
    Ok(())
}

/// Structs with more fields go through a tree; none is built in.
const SLOTS: usize = 64;

struct Transcoder<'a> {
    schema: &'a Schema,
    version: &'a str,
}

/// The reason why a message is not transcoded.
enum Stop {
    Wire(WireError),
    /// Maps out of order and the like, which upstream's encoder never writes.
    Unusual,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Stop {
        Stop::Wire(error)
    }
}

/// The place of a struct, for the sake of the resourceVersion.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TranscodePlace {
    Object,
    Metadata,
    Below,
}

/// For each field the range from the first to the last of its occurrences in the struct's message.
struct Slots {
    /// A bit for each present field.
    present: u64,
    ranges: [(u32, u32); SLOTS],
}

impl Slots {
    fn note(&mut self, index: u16, start: usize, end: usize) {
        let Some(range) = self.ranges.get_mut(usize::from(index)) else { return };
        let bit = 1 << index;
        if self.present & bit == 0 {
            range.0 = start as u32;
        }
        range.1 = end as u32;
        self.present |= bit;
    }

    fn span<'a>(&self, index: u16, message: &'a [u8]) -> &'a [u8] {
        let (start, end) = self.ranges.get(usize::from(index)).copied().unwrap_or_default();
        message.get(start as usize..end as usize).unwrap_or(&[])
    }
}

/// The message with a struct's fields, or one embedded in it, and its end in the former.
#[derive(Clone, Copy)]
struct TranscodedPart<'a> {
    bytes: &'a [u8],
    end: usize,
}

impl TranscodedPart<'_> {
    /// The offset of a reader of this part in the struct's message.
    fn offset(&self, reader: &WireReader<'_>) -> usize {
        self.end - reader.rest().len()
    }
}

impl<'a> Transcoder<'a> {
    fn value(
        &self,
        ty: TypeId,
        payload: Payload<'a>,
        number: u32,
        place: TranscodePlace,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let depth = depth.checked_sub(1).ok_or(WireError::Overflow)?;
        match self.schema.shape(ty) {
            Shape::Struct(inner) => self.structure(inner, payload.bytes(number)?, place, depth, out)?,
            Shape::Text => write_string(out, text(payload.bytes(number)?)?),
            Shape::Bool => write_bool(payload.varint(number)? != 0, out),
            Shape::Int32 => write_int(out, i64::from(payload.varint(number)? as i32)),
            Shape::Int64 => write_int(out, payload.varint(number)? as i64),
            Shape::Double => write_float(out, f64::from_bits(payload.fixed64(number)?)),
            Shape::Bytes => {
                write_plain(&bytes::encode(payload.bytes(number)?), out);
            }
            Shape::Quantity => quantity(payload.bytes(number)?, out)?,
            Shape::IntOrString => write_value(out, &int_or_string(payload.bytes(number)?)?),
            Shape::Time => write_value(out, &moment(payload.bytes(number)?, Time::to_seconds_text)?),
            Shape::MicroTime => write_value(out, &moment(payload.bytes(number)?, Time::to_micro_text)?),
            Shape::Duration => {
                let first = WireReader::new(payload.bytes(number)?).next_field()?;
                let nanos = first.map_or(Ok(0), |(number, payload)| payload.varint(number))?;
                write_plain(&time::format_duration(nanos as i64), out);
            }
            Shape::RawExtension | Shape::Json | Shape::FieldsV1 => raw(payload.bytes(number)?, out)?,
            Shape::List(list) => {
                let message = payload.bytes(number)?;
                self.list(list, message, None, depth, out)?;
            }
            Shape::SchemaOrArray(_)
            | Shape::SchemaOrBool(_)
            | Shape::SchemaOrStrings(_)
            | Shape::Map(_)
            | Shape::Any => return Err(Stop::Unusual),
        }
        Ok(())
    }

    fn structure(
        &self,
        inner: &Struct,
        message: &'a [u8],
        place: TranscodePlace,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        if inner.fields.len() > SLOTS {
            return Err(Stop::Unusual);
        }
        let mut slots = Slots { present: 0, ranges: [(0, 0); SLOTS] };
        locate(inner, 0, TranscodedPart { bytes: message, end: message.len() }, &mut slots)?;
        let mut shown = slots.present | inner.always.iter().fold(0, |bits, index| bits | 1 << index);
        let version = inner.index("resourceVersion").filter(|_| place == TranscodePlace::Metadata);
        shown |= version.map_or(0, |index| 1 << index);
        out.push(b'{');
        while shown != 0 {
            let index = shown.trailing_zeros() as u16;
            shown &= shown - 1;
            let (field, span) = (inner.at(index), slots.span(index, message));
            if self.is_hidden(field, span) && version != Some(index) {
                continue;
            }
            let start = out.len();
            write_name(field, out);
            let value_start = out.len();
            if version == Some(index) {
                write_string(out, self.version);
            } else if span.is_empty() {
                self.absent(field, out);
            } else {
                self.field(field, span, place, depth, out)?;
            }
            if !self.shows(field, out.get(value_start..).unwrap_or(&[])) {
                out.truncate(start);
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn field(
        &self,
        field: &Field,
        span: &'a [u8],
        place: TranscodePlace,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let tag = field.tags.last().copied().unwrap_or(0);
        match self.schema.shape(field.ty) {
            Shape::List(list) if !list.wrapped => self.list(list, span, Some(tag), depth, out),
            Shape::Map(map) => self.map(map.value, span, tag, depth, out),
            _ => {
                let mut reader = WireReader::new(span);
                let mut last = None;
                while let Some((number, payload)) = reader.next_field()? {
                    if number == tag {
                        last = Some(payload);
                    }
                }
                let place = match place {
                    TranscodePlace::Object if field.name == "metadata" => TranscodePlace::Metadata,
                    _ => TranscodePlace::Below,
                };
                match last {
                    Some(payload) => self.value(field.ty, payload, tag, place, depth, out),
                    None => Err(Stop::Unusual),
                }
            }
        }
    }

    /// The items under a tag, or all fields of a wrapped list's message.
    fn list(
        &self,
        list: &List,
        span: &'a [u8],
        tag: Option<u32>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        out.push(b'[');
        let mut reader = WireReader::new(span);
        let mut is_first = true;
        while let Some((number, payload)) = reader.next_field()? {
            if tag.is_some_and(|tag| tag != number) {
                continue;
            }
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            self.value(list.item, payload, number, TranscodePlace::Below, depth, out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn map(
        &self,
        value_ty: TypeId,
        span: &'a [u8],
        tag: u32,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        out.push(b'{');
        let mut reader = WireReader::new(span);
        let mut last = None;
        while let Some((number, payload)) = reader.next_field()? {
            if number != tag {
                continue;
            }
            let (key, value) = entry(payload.bytes(tag)?)?;
            if last.is_some_and(|last| last >= key) {
                return Err(Stop::Unusual);
            }
            if last.is_some() {
                out.push(b',');
            }
            last = Some(key);
            write_string(out, key);
            out.push(b':');
            match value {
                Some(payload) => self.value(value_ty, payload, 2, TranscodePlace::Below, depth, out)?,
                None => return Err(Stop::Unusual),
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Whether a field is seen not to show before it is written: it is absent, or zero and short.
    fn is_hidden(&self, field: &Field, span: &[u8]) -> bool {
        match (field.presence, span) {
            (Presence::Always, []) => field.tags.first() == Some(&0),
            (_, []) => true,
            (Presence::NonZero, [.., 0]) if !field.pointer => {
                let tag = field.tags.last().copied().unwrap_or(0);
                let is_scalar = matches!(
                    self.schema.shape(field.ty),
                    Shape::Text | Shape::Bytes | Shape::Bool | Shape::Int32 | Shape::Int64
                );
                // One byte after the tag: a length of zero, or the number zero.
                is_scalar && span.len() == if tag < 16 { 2 } else { 3 }
            }
            _ => false,
        }
    }

    /// Writes an absent field's value, if it has one.
    fn absent(&self, field: &Field, out: &mut Vec<u8>) {
        let value = if field.pointer { Value::Null } else { zero(self.schema, field.ty) };
        super::json::encode(self.schema, field.ty, &value, out);
    }

    /// Whether output shows a field with this JSON.
    fn shows(&self, field: &Field, written: &[u8]) -> bool {
        match field.presence {
            Presence::Always => true,
            Presence::Set => written != b"null",
            Presence::NonZero if field.pointer => written != b"null",
            Presence::NonZero => !self.is_zero(field.ty, written),
        }
    }

    fn is_zero(&self, ty: TypeId, written: &[u8]) -> bool {
        match (self.schema.shape(ty), written) {
            (_, b"null" | b"{}" | b"[]") => true,
            (Shape::Text | Shape::Bytes, b"\"\"") | (Shape::Bool, b"false") => true,
            (Shape::Int32 | Shape::Int64 | Shape::Double, b"0" | b"-0") => true,
            (Shape::Struct(_), _) => {
                let mut zero_json = Vec::new();
                super::json::encode(self.schema, ty, &zero(self.schema, ty), &mut zero_json);
                written == zero_json
            }
            _ => false,
        }
    }
}

/// Notes where the fields are; those of embedded messages count as the struct's own.
fn locate(inner: &Struct, routes: u16, part: TranscodedPart<'_>, slots: &mut Slots) -> Result<(), Stop> {
    let mut reader = WireReader::new(part.bytes);
    loop {
        let start = part.offset(&reader);
        let Some((number, payload)) = reader.next_field()? else { return Ok(()) };
        let end = part.offset(&reader);
        match inner.route(routes, number) {
            Route::Nowhere => {}
            Route::Field(index) => slots.note(index, start, end),
            Route::Embedded(routes) => {
                let embedded = TranscodedPart { bytes: payload.bytes(number)?, end };
                locate(inner, routes, embedded, slots)?;
            }
        }
    }
}

fn write_name(field: &Field, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn entry(message: &[u8]) -> Result<(&str, Option<Payload<'_>>), Stop> {
    let (mut key, mut value) = ("", None);
    let mut reader = WireReader::new(message);
    while let Some((number, payload)) = reader.next_field()? {
        match number {
            1 => key = text(payload.bytes(number)?)?,
            2 => value = Some(payload),
            _ => {}
        }
    }
    Ok((key, value))
}

fn quantity(message: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    match WireReader::new(message).next_field()? {
        Some((number, payload)) => write_string(out, text(payload.bytes(number)?)?),
        None => write_plain("0", out),
    }
    Ok(())
}

fn raw(message: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    match WireReader::new(message).next_field()? {
        Some((number, payload)) => {
            let document = payload.bytes(number)?;
            if document.is_empty() || pintle_object::json::read::check(document).is_err() {
                return Err(Stop::Unusual);
            }
            write_compact(out, text(document)?);
        }
        None => out.extend_from_slice(b"null"),
    }
    Ok(())
}

fn write_bool(flag: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if flag { b"true" } else { b"false" });
}

/// Writes text that needs no escapes.
fn write_plain(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Utf8)
}
