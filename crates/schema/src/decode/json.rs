//! JSON to canonical form in one walk: unknown fields are pruned and reported, zero values follow Go's rules.

use super::context::{At, ContextStep};
use super::draft::Draft;
use super::{DecodeError, Decoded, Empty, zero};
use crate::model::{List, Schema, Shape, Struct, TypeId};
use pintle_object::json::{self, CheckedJson, JsonKind, JsonReader};
use pintle_object::quantity;
use pintle_object::time::{self, Time};
use pintle_object::value::RawJson;
use pintle_object::{Map, StrictErrors, Text, Value, bytes};
use std::ops::RangeInclusive;

/// Go's zero time, which JSON shows as null.
const ZERO_TIME: &str = "0001-01-01T00:00:00";

const INT32: RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;
const INT64: RangeInclusive<i64> = i64::MIN..=i64::MAX;

/// Decodes a document as an object of a type.
pub fn decode(schema: &Schema, ty: TypeId, document: &[u8]) -> Result<Decoded, DecodeError> {
    read(schema, ty, JsonReader::new(document).map_err(|error| DecodeError(error.message))?)
}

/// `decode` of a document that was checked before.
pub fn decode_checked(
    schema: &Schema,
    ty: TypeId,
    document: &CheckedJson<'_>,
) -> Result<Decoded, DecodeError> {
    read(schema, ty, document.reader())
}

fn read(schema: &Schema, ty: TypeId, reader: JsonReader<'_>) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder {
        schema,
        reader,
        strict: StrictErrors::default(),
        empties: Vec::new(),
        error: None,
        nested: None,
    };
    let value = decoder.value(ty, &At::ROOT);
    match decoder.error {
        Some(fault) => Err(DecodeError(fault.message)),
        None => Ok(Decoded { value, strict: decoder.strict.into_vec(), empties: decoder.empties }),
    }
}

/// Brings an untyped tree, such as a patched object, into canonical form.
pub fn normalise(schema: &Schema, ty: TypeId, tree: &Value) -> Result<Decoded, DecodeError> {
    decode(schema, ty, json::to_string(tree).as_bytes())
}

struct Decoder<'a> {
    schema: &'a Schema,
    reader: JsonReader<'a>,
    strict: StrictErrors,
    empties: Vec<Empty>,
    /// The error that decoding will report; the walk goes on after it, as Go's does after a type error.
    error: Option<JsonFault>,
    /// Inside a type that decodes itself by a decoder of its own: the struct that errors name, see `alone`.
    nested: Option<String>,
}

struct JsonFault {
    message: String,
    /// Go stops at an error of a type that decodes itself, and reports it rather than an earlier type error.
    is_final: bool,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, ty: TypeId, at: &At<'_>) -> Value {
        let kind = self.reader.kind();
        if kind == JsonKind::Null {
            self.reader.null();
            return if at.is_pointer() { Value::Null } else { zero(self.schema, ty) };
        }
        match (self.schema.shape(ty), kind) {
            (Shape::Struct(inner), JsonKind::Map) => self.structure(ty, inner, at),
            (Shape::List(list), JsonKind::List) => self.list(list, at),
            (Shape::Map(map), JsonKind::Map) => self.map(map.value, at),
            (Shape::Text, JsonKind::Text) => Value::Text(self.reader.text()),
            (Shape::Bool, JsonKind::Bool) => Value::Bool(self.reader.bool()),
            (Shape::Int32, JsonKind::Number) => self.int(ty, at, INT32),
            (Shape::Int64, JsonKind::Number) => self.int(ty, at, INT64),
            (Shape::Double, JsonKind::Number) => self.double(ty, at),
            (Shape::Bytes, JsonKind::Text) => self.bytes(),
            (Shape::Quantity, _) => self.quantity(kind),
            (Shape::IntOrString, _) => self.int_or_string(kind, at),
            (Shape::Time, _) => self.checked(kind, at, |text| Ok(Time::parse(text)?.to_seconds_text())),
            (Shape::MicroTime, _) => {
                self.checked(kind, at, |text| Ok(Time::parse_micro(text)?.to_micro_text()))
            }
            (Shape::Duration, _) => self
                .checked(kind, at, |text| Ok(Text::from(time::format_duration(time::parse_duration(text)?)))),
            (Shape::RawExtension | Shape::Json | Shape::FieldsV1, _) => {
                Value::Raw(Box::new(RawJson(json::compact(self.reader.skip()))))
            }
            (Shape::SchemaOrArray(inner) | Shape::SchemaOrBool(inner) | Shape::SchemaOrStrings(inner), _) => {
                self.alone(ty, *inner, kind, at)
            }
            (Shape::Any, _) => self.any(kind, at),
            (
                Shape::Struct(_)
                | Shape::List(_)
                | Shape::Map(_)
                | Shape::Text
                | Shape::Bool
                | Shape::Int32
                | Shape::Int64
                | Shape::Double
                | Shape::Bytes,
                _,
            ) => self.mismatch(ty, at),
        }
    }

    fn structure(&mut self, ty: TypeId, inner: &'a Struct, at: &At<'_>) -> Value {
        let of = self.schema.ty(ty).name.as_ref();
        let mut draft = Draft::new(inner);
        let mut seen = SeenKeys::default();
        self.reader.begin_map();
        while let Some(key) = self.reader.next_name() {
            let Some(index) = inner.index(&key) else {
                self.complain("unknown", &at.then(ContextStep::Key(&key)));
                self.reader.skip();
                continue;
            };
            let field = inner.at(index);
            let here = at.then(ContextStep::Field { of, field });
            let is_again = seen.mark(index);
            if is_again {
                self.complain("duplicate", &here);
            }
            let mut value = self.value(field.ty, &here);
            if is_again && let Some(earlier) = draft.take(index) {
                value = merged(earlier, value);
            }
            draft.set(self.schema, index, value);
        }
        draft.finish(self.schema)
    }

    fn list(&mut self, list: &'a List, at: &At<'_>) -> Value {
        let mut items = Vec::new();
        self.reader.begin_list();
        while self.reader.next_item() {
            let value = self.value(list.item, &at.then(ContextStep::Index(items.len())));
            items.push(value);
        }
        if items.is_empty() {
            self.empties.push(Empty::list(at));
        }
        Value::List(items)
    }

    fn map(&mut self, value_ty: TypeId, at: &At<'_>) -> Value {
        let mut map = Map::new();
        self.reader.begin_map();
        while let Some(key) = self.reader.next_key() {
            let here = at.then(ContextStep::Key(&key));
            if map.contains(&key) {
                self.complain("duplicate", &here);
            }
            let value = self.value(value_ty, &here);
            map.insert(key, value);
        }
        if map.is_empty() {
            self.empties.push(Empty::map(at));
        }
        Value::Map(map)
    }

    /// A subtree without a schema.
    fn any(&mut self, kind: JsonKind, at: &At<'_>) -> Value {
        match kind {
            JsonKind::List => {
                let mut items = Vec::new();
                self.reader.begin_list();
                while self.reader.next_item() {
                    let value = self.any_item(&at.then(ContextStep::Index(items.len())));
                    items.push(value);
                }
                Value::List(items)
            }
            JsonKind::Map => {
                let mut map = Map::new();
                self.reader.begin_map();
                while let Some(key) = self.reader.next_key() {
                    let here = at.then(ContextStep::Key(&key));
                    if map.contains(&key) {
                        self.complain("duplicate", &here);
                    }
                    let value = self.any_item(&here);
                    map.insert(key, value);
                }
                Value::Map(map)
            }
            JsonKind::Null | JsonKind::Bool | JsonKind::Number | JsonKind::Text => {
                self.reader.value(&mut |_| {})
            }
        }
    }

    fn any_item(&mut self, at: &At<'_>) -> Value {
        self.any(self.reader.kind(), at)
    }

    fn int(&mut self, ty: TypeId, at: &At<'_>, range: RangeInclusive<i64>) -> Value {
        let text = self.reader.number();
        match text.parse::<i64>() {
            Ok(int) if range.contains(&int) => Value::Int(int),
            _ => {
                self.type_error(&format!("number {text}"), &at.go_type(self.schema, ty), at);
                Value::Int(0)
            }
        }
    }

    fn double(&mut self, ty: TypeId, at: &At<'_>) -> Value {
        let text = self.reader.number();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => super::double(number),
            _ => {
                self.type_error(&format!("number {text}"), &at.go_type(self.schema, ty), at);
                Value::Int(0)
            }
        }
    }

    fn bytes(&mut self) -> Value {
        match bytes::decode(&self.reader.text()) {
            Ok(decoded) => Value::from(bytes::encode(&decoded)),
            Err(message) => {
                self.fault(message, false);
                Value::Null
            }
        }
    }

    fn quantity(&mut self, kind: JsonKind) -> Value {
        let canonical = match kind {
            JsonKind::Text => quantity::canonical(self.reader.text().trim()),
            _ => quantity::canonical(String::from_utf8_lossy(self.reader.skip()).trim()),
        };
        match canonical {
            Ok(text) => Value::from(text),
            Err(error) => {
                self.fault(error.to_string(), true);
                Value::Null
            }
        }
    }

    fn int_or_string(&mut self, kind: JsonKind, at: &At<'_>) -> Value {
        let mut word = String::from(kind.word());
        match kind {
            JsonKind::Text => return Value::Text(self.reader.text()),
            JsonKind::Number => {
                let text = self.reader.number();
                if let Ok(int) = text.parse::<i32>() {
                    return Value::Int(int.into());
                }
                word = format!("number {text}");
            }
            JsonKind::Null | JsonKind::Bool | JsonKind::List | JsonKind::Map => drop(self.reader.skip()),
        }
        self.final_type_error(&word, "int32", at);
        Value::Int(0)
    }

    /// A text that is brought into canonical form.
    fn checked(&mut self, kind: JsonKind, at: &At<'_>, canonical: fn(&str) -> Result<Text, String>) -> Value {
        if kind != JsonKind::Text {
            self.reader.skip();
            self.final_type_error(kind.word(), "string", at);
            return Value::Null;
        }
        match canonical(&self.reader.text()) {
            Ok(text) if text.starts_with(ZERO_TIME) => Value::Null,
            Ok(text) => Value::from(text),
            Err(message) => {
                self.fault(message, true);
                Value::Null
            }
        }
    }

    /// One of two shapes. Upstream decodes it by a decoder of its own: without strictness, and with the struct
    /// around the whole value in the errors.
    fn alone(&mut self, ty: TypeId, inner: TypeId, kind: JsonKind, at: &At<'_>) -> Value {
        let (earlier, strict) = (self.error.take(), std::mem::take(&mut self.strict));
        let outer = self.nested.clone();
        self.nested = outer.clone().or_else(|| Some(String::from(at.struct_name())));
        let value = self.one_of_two(ty, inner, kind, at);
        (self.nested, self.strict) = (outer, strict);
        match &mut self.error {
            Some(fault) => fault.is_final = true,
            None => self.error = earlier,
        }
        value
    }

    fn one_of_two(&mut self, ty: TypeId, inner: TypeId, kind: JsonKind, at: &At<'_>) -> Value {
        match (self.schema.shape(ty), kind) {
            (Shape::SchemaOrBool(_), JsonKind::Bool) => Value::Bool(self.reader.bool()),
            (Shape::SchemaOrBool(_), kind) if kind != JsonKind::Map => {
                self.reader.skip();
                self.fault(String::from("boolean or JSON schema expected"), true);
                Value::Null
            }
            (_, JsonKind::Map) => self.value(inner, at),
            (Shape::SchemaOrStrings(_), JsonKind::List) => self.texts(at),
            (_, JsonKind::List) => {
                let mut items = Vec::new();
                self.reader.begin_list();
                while self.reader.next_item() {
                    let value = self.value(inner, &at.then(ContextStep::Index(items.len())));
                    items.push(value);
                }
                Value::List(items)
            }
            _ => {
                self.reader.skip();
                Value::Null
            }
        }
    }

    fn texts(&mut self, at: &At<'_>) -> Value {
        let mut items = Vec::new();
        self.reader.begin_list();
        while self.reader.next_item() {
            items.push(match self.reader.kind() {
                JsonKind::Text => Value::Text(self.reader.text()),
                kind => {
                    self.reader.skip();
                    if kind != JsonKind::Null {
                        self.type_error(kind.word(), "string", at);
                    }
                    Value::Text(Text::const_new(""))
                }
            });
        }
        Value::List(items)
    }

    /// A value of another kind than the type's: passed over and reported.
    fn mismatch(&mut self, ty: TypeId, at: &At<'_>) -> Value {
        let word = self.reader.kind().word();
        self.reader.skip();
        self.type_error(word, &at.go_type(self.schema, ty), at);
        zero(self.schema, ty)
    }

    fn type_error(&mut self, word: &str, go: &str, at: &At<'_>) {
        let message = self.type_message(word, go, at);
        self.fault(message, false);
    }

    fn final_type_error(&mut self, word: &str, go: &str, at: &At<'_>) {
        let message = self.type_message(word, go, at);
        self.fault(message, true);
    }

    /// `json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string`
    fn type_message(&self, word: &str, go: &str, at: &At<'_>) -> String {
        let target = at.target(self.nested.as_deref());
        format!("json: cannot unmarshal {word} into Go {target} of type {go}")
    }

    fn fault(&mut self, message: String, is_final: bool) {
        let stands = self.error.as_ref().is_some_and(|earlier| earlier.is_final || !is_final);
        if !stands {
            self.error = Some(JsonFault { message, is_final });
        }
    }

    fn complain(&mut self, what: &str, at: &At<'_>) {
        self.strict.add(what, || at.strict_path());
    }
}

/// The value of a repeated field: Go decodes the second one into the first.
fn merged(earlier: Value, later: Value) -> Value {
    match (earlier, later) {
        (Value::Map(mut earlier), Value::Map(later)) => {
            for (key, value) in later {
                let value = match earlier.remove(&key) {
                    Some(below) => merged(below, value),
                    None => value,
                };
                earlier.insert(key, value);
            }
            Value::Map(earlier)
        }
        (_, later) => later,
    }
}

/// The fields of one struct that a document has shown so far.
#[derive(Default)]
struct SeenKeys {
    low: u128,
    /// Fields past the 128th; only a CRD has so many.
    high: Vec<u16>,
}

impl SeenKeys {
    /// Marks a field; whether it was marked before.
    fn mark(&mut self, index: u16) -> bool {
        let Some(bit) = 1_u128.checked_shl(index.into()) else {
            let is_again = self.high.contains(&index);
            self.high.push(index);
            return is_again;
        };
        let is_again = self.low & bit != 0;
        self.low |= bit;
        is_again
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
