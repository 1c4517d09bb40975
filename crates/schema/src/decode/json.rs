//! JSON to canonical form in one walk: unknown fields are pruned and reported, zero values follow Go's rules.

use super::{DecodeError, Decoded, zero};
use crate::model::{Field, List, Schema, Shape, Struct, TypeId};
use pintle_object::json::{self, Kind, Reader};
use pintle_object::quantity;
use pintle_object::time::{self, Time};
use pintle_object::value::RawJson;
use pintle_object::{Map, Text, Value, bytes};

/// Strict decoding reports at most this many faults, as upstream's.
const STRICT_MAX: usize = 100;

/// Decodes a document as an object of a type.
pub fn decode(schema: &Schema, ty: TypeId, document: &[u8]) -> Result<Decoded, DecodeError> {
    let reader = Reader::new(document).map_err(|error| DecodeError(error.message))?;
    let mut decoder =
        Decoder { schema, reader, path: Vec::new(), structs: Vec::new(), strict: Vec::new(), error: None };
    let value = decoder.value(ty, None);
    match decoder.error {
        Some(error) => Err(DecodeError(error)),
        None => Ok(Decoded { value, strict: decoder.strict }),
    }
}

/// Brings an untyped tree, such as a patched object, into canonical form.
pub fn normalise(schema: &Schema, ty: TypeId, tree: &Value) -> Result<Decoded, DecodeError> {
    decode(schema, ty, json::to_string(tree).as_bytes())
}

struct Decoder<'a> {
    schema: &'a Schema,
    reader: Reader<'a>,
    path: Vec<Step<'a>>,
    /// Names of the structs around the value, innermost last.
    structs: Vec<&'a str>,
    strict: Vec<String>,
    /// The first type error; the walk goes on after it, as Go's does.
    error: Option<String>,
}

enum Step<'a> {
    Field(&'a Field),
    Unknown(Text),
    Key(Text),
    Index(usize),
}

impl<'a> Decoder<'a> {
    fn value(&mut self, ty: TypeId, field: Option<&'a Field>) -> Value {
        let schema = self.schema;
        if self.reader.kind() == Kind::Null {
            self.reader.null();
            return if field.is_some_and(|field| field.pointer) { Value::Null } else { zero(schema, ty) };
        }
        match schema.shape(ty) {
            Shape::Struct(inner) => self.structure(ty, inner, field),
            Shape::List(list) => self.list(ty, list, field),
            Shape::Map(map) => self.map(ty, map.value, field),
            Shape::Text => self.text(ty, field),
            Shape::Bool => self.bool(ty, field),
            Shape::Int32 => self.int(ty, field, i64::from(i32::MIN)..=i64::from(i32::MAX)),
            Shape::Int64 => self.int(ty, field, i64::MIN..=i64::MAX),
            Shape::Double => self.double(ty, field),
            Shape::Bytes => self.bytes(ty, field),
            Shape::Quantity => self.quantity(),
            Shape::IntOrString => self.int_or_string(field),
            Shape::Time => self.checked_text(|text| Ok(Time::parse(text)?.to_seconds_text())),
            Shape::MicroTime => self.checked_text(|text| Ok(Time::parse_micro(text)?.to_micro_text())),
            Shape::Duration => {
                self.checked_text(|text| Ok(time::format_duration(time::parse_duration(text)?)))
            }
            Shape::RawExtension | Shape::Json | Shape::FieldsV1 => {
                Value::Raw(Box::new(RawJson(json::compact(self.reader.skip()))))
            }
            Shape::SchemaOrArray(inner) => self.schema_or_list(*inner, field),
            Shape::SchemaOrStrings(inner) => self.schema_or_list(*inner, field),
            Shape::SchemaOrBool(inner) if self.reader.kind() == Kind::Bool => {
                let _ = inner;
                Value::Bool(self.reader.bool())
            }
            Shape::SchemaOrBool(inner) => self.value(*inner, field),
            Shape::Any => self.reader.value(&mut |_| {}),
        }
    }

    fn structure(&mut self, ty: TypeId, inner: &'a Struct, field: Option<&'a Field>) -> Value {
        if self.reader.kind() != Kind::Map {
            return self.mismatch(ty, field);
        }
        self.structs.push(self.schema.ty(ty).name.rsplit('.').next().unwrap_or(""));
        let mut map = Map::with_capacity(inner.fields.len().min(8));
        let mut seen: Vec<bool> = vec![false; inner.fields.len()];
        self.reader.begin_map();
        while let Some(key) = self.reader.next_key() {
            let Some(index) = inner.index(&key) else {
                self.unknown(key);
                continue;
            };
            let child = inner.at(index);
            self.path.push(Step::Field(child));
            if let Some(seen) = seen.get_mut(usize::from(index)) {
                if *seen {
                    self.complain("duplicate");
                }
                *seen = true;
            }
            let value = self.value(child.ty, Some(child));
            self.path.pop();
            if zero_shows(self.schema, child, &value) {
                map.insert(key, value);
            } else {
                map.remove(&key);
            }
        }
        self.structs.pop();
        super::fill(self.schema, inner, &mut map);
        Value::Map(map)
    }

    fn unknown(&mut self, key: Text) {
        self.path.push(Step::Unknown(key));
        self.complain("unknown");
        self.path.pop();
        self.reader.skip();
    }

    fn list(&mut self, ty: TypeId, list: &'a List, field: Option<&'a Field>) -> Value {
        if self.reader.kind() != Kind::List {
            return self.mismatch(ty, field);
        }
        let mut items = Vec::new();
        self.reader.begin_list();
        while self.reader.next_item() {
            self.path.push(Step::Index(items.len()));
            let value = self.item(list.item, field);
            items.push(value);
            self.path.pop();
        }
        Value::List(items)
    }

    /// An item of a list or map: null is the zero value, and a pointer around the list does not count.
    fn item(&mut self, ty: TypeId, field: Option<&'a Field>) -> Value {
        if self.reader.kind() == Kind::Null {
            self.reader.null();
            return zero(self.schema, ty);
        }
        self.value(ty, field)
    }

    fn map(&mut self, ty: TypeId, value_ty: TypeId, field: Option<&'a Field>) -> Value {
        if self.reader.kind() != Kind::Map {
            return self.mismatch(ty, field);
        }
        let mut map = Map::new();
        self.reader.begin_map();
        while let Some(key) = self.reader.next_key() {
            self.path.push(Step::Key(key.clone()));
            if map.contains(&key) {
                self.complain("duplicate");
            }
            let value = self.item(value_ty, field);
            self.path.pop();
            map.insert(key, value);
        }
        Value::Map(map)
    }

    fn schema_or_list(&mut self, inner: TypeId, field: Option<&'a Field>) -> Value {
        if self.reader.kind() != Kind::List {
            return self.value(inner, field);
        }
        let mut items = Vec::new();
        self.reader.begin_list();
        while self.reader.next_item() {
            let value = match self.reader.kind() {
                Kind::Text => Value::Text(self.reader.text()),
                _ => self.item(inner, field),
            };
            items.push(value);
        }
        Value::List(items)
    }

    fn text(&mut self, ty: TypeId, field: Option<&'a Field>) -> Value {
        match self.reader.kind() {
            Kind::Text => Value::Text(self.reader.text()),
            _ => self.mismatch(ty, field),
        }
    }

    fn bool(&mut self, ty: TypeId, field: Option<&'a Field>) -> Value {
        match self.reader.kind() {
            Kind::Bool => Value::Bool(self.reader.bool()),
            _ => self.mismatch(ty, field),
        }
    }

    fn int(&mut self, ty: TypeId, field: Option<&'a Field>, range: std::ops::RangeInclusive<i64>) -> Value {
        if self.reader.kind() != Kind::Number {
            return self.mismatch(ty, field);
        }
        let text = self.reader.number();
        match text.parse::<i64>() {
            Ok(int) if range.contains(&int) => Value::Int(int),
            _ => {
                let go = self.go_type(ty, field);
                self.type_error(&format!("number {text}"), &go);
                Value::Int(0)
            }
        }
    }

    fn double(&mut self, ty: TypeId, field: Option<&'a Field>) -> Value {
        match self.reader.kind() {
            Kind::Number => json::read::number(self.reader.number()),
            _ => self.mismatch(ty, field),
        }
    }

    fn bytes(&mut self, ty: TypeId, field: Option<&'a Field>) -> Value {
        if self.reader.kind() != Kind::Text {
            return self.mismatch(ty, field);
        }
        match bytes::decode(&self.reader.text()) {
            Ok(decoded) => Value::from(bytes::encode(&decoded)),
            Err(message) => self.fail(message),
        }
    }

    fn quantity(&mut self) -> Value {
        let canonical = match self.reader.kind() {
            Kind::Text => quantity::canonical(self.reader.text().trim()),
            _ => quantity::canonical(String::from_utf8_lossy(self.reader.skip()).trim()),
        };
        match canonical {
            Ok(text) => Value::from(text),
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn int_or_string(&mut self, field: Option<&'a Field>) -> Value {
        match self.reader.kind() {
            Kind::Text => Value::Text(self.reader.text()),
            Kind::Number => {
                let text = self.reader.number();
                match text.parse::<i32>() {
                    Ok(int) => Value::Int(int.into()),
                    Err(_) => {
                        self.type_error(&format!("number {text}"), "int32");
                        Value::Int(0)
                    }
                }
            }
            kind => {
                let _ = field;
                self.reader.skip();
                self.type_error(kind.word(), "int32");
                Value::Int(0)
            }
        }
    }

    fn checked_text(&mut self, canonical: impl FnOnce(&str) -> Result<String, String>) -> Value {
        match self.reader.kind() {
            Kind::Text => match canonical(&self.reader.text()) {
                Ok(text) => Value::from(text),
                Err(message) => self.fail(message),
            },
            kind => {
                self.reader.skip();
                self.type_error(kind.word(), "string");
                Value::Null
            }
        }
    }

    /// A value of another kind than the type's: passed over and reported.
    fn mismatch(&mut self, ty: TypeId, field: Option<&'a Field>) -> Value {
        let word = self.reader.kind().word();
        self.reader.skip();
        let go = self.go_type(ty, field);
        self.type_error(word, &go);
        zero(self.schema, ty)
    }

    /// `json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string`
    fn type_error(&mut self, word: &str, go: &str) {
        let target = match self.structs.last() {
            Some(inner) => format!("struct field {inner}.{}", self.go_path()),
            None => String::from("value"),
        };
        self.fail(format!("json: cannot unmarshal {word} into Go {target} of type {go}"));
    }

    fn fail(&mut self, message: String) -> Value {
        self.error.get_or_insert(message);
        Value::Null
    }

    /// Field names from the root, with those of embedded structs and without keys and indices.
    fn go_path(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for step in &self.path {
            if let Step::Field(field) = step {
                if !field.embedded.is_empty() {
                    parts.push(&field.embedded);
                }
                parts.push(&field.name);
            }
        }
        parts.join(".")
    }

    fn go_type(&self, ty: TypeId, field: Option<&Field>) -> String {
        let named = field.map_or("", |field| field.go_type.as_ref());
        let is_item = field.is_some_and(|field| field.ty != ty);
        match (named.is_empty(), is_item) {
            (false, false) => String::from(named),
            (false, true) if named.starts_with("[]") => String::from(named.trim_start_matches("[]")),
            _ => go_name(self.schema, ty),
        }
    }

    fn complain(&mut self, what: &str) {
        if self.strict.len() < STRICT_MAX {
            let complaint = format!("{what} field \"{}\"", self.full_path());
            self.strict.push(complaint);
        }
    }

    /// `spec.containers[0].foo`
    fn full_path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            let name: &str = match step {
                Step::Field(field) => &field.name,
                Step::Unknown(name) | Step::Key(name) => name,
                Step::Index(index) => {
                    path.push_str(&format!("[{index}]"));
                    continue;
                }
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        path
    }
}

fn zero_shows(schema: &Schema, field: &Field, value: &Value) -> bool {
    super::zero::shows(schema, field.presence, field.pointer, field.ty, value)
}

/// How Go's errors print a type: `v1.PodSpec`, `[]v1.Container`, `map[string]string`.
fn go_name(schema: &Schema, ty: TypeId) -> String {
    let named = |name: &str| {
        let mut parts = name.rsplit('.');
        let (short, package) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        format!("{package}.{short}")
    };
    match schema.shape(ty) {
        Shape::List(list) if schema.ty(ty).name.is_empty() => format!("[]{}", go_name(schema, list.item)),
        Shape::Map(map) => format!("map[string]{}", go_name(schema, map.value)),
        Shape::Text => String::from("string"),
        Shape::Bool => String::from("bool"),
        Shape::Int32 => String::from("int32"),
        Shape::Int64 => String::from("int64"),
        Shape::Double => String::from("float64"),
        Shape::Bytes => String::from("[]uint8"),
        _ => named(&schema.ty(ty).name),
    }
}
