//! Documents in protobuf: the messages of gnostic's `openapi_v2` and `openapi_v3`.
//!
//! One table per message says which key of the document is which field. Values that may be anything (defaults,
//! enums, extensions) are YAML text there; JSON is YAML.

use pintle_object::{Value, json, wire};

/// The way in which a value becomes a field.
enum WireKind {
    Text,
    Texts,
    Bool,
    Int,
    Double,
    /// Any value, as YAML text.
    Any,
    /// A list of any values.
    Anys,
    /// Version 3's default: a number, a flag or a text.
    Scalar,
    /// A text inside a message of one field.
    WrappedText,
    /// One message, inside messages of one field each.
    Message(&'static [u32], Choose),
    Messages(Choose),
    /// Names of security schemes, each with an empty list of scopes.
    Requirements,
    /// A map: its entries are repeated fields of that number, each with a name and a value.
    Named(u32, Choose),
}

/// The message of a value, and the alternatives (fields of one-ofs) that contain it.
type Choose = fn(&Value) -> (&'static [u32], &'static Message);

struct Message {
    fields: &'static [(&'static str, u32, WireKind)],
    /// The field of extensions, `x-…`; 0 for none.
    extensions: u32,
}

/// A document of version 2 as `openapi.v2.Document`.
pub fn v2(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, document, &v2::DOCUMENT);
    out
}

/// A document of version 3 as `openapi.v3.Document`.
pub fn v3(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, document, &v3::DOCUMENT);
    out
}

fn write(out: &mut Vec<u8>, value: &Value, message: &Message) {
    for (key, number, kind) in message.fields {
        if let Some(value) = value.get(key) {
            write_field(out, *number, kind, value);
        }
    }
    if message.extensions == 0 {
        return;
    }
    let entries = value.as_map().into_iter().flat_map(|map| map.iter());
    for (key, value) in entries.filter(|(key, _)| key.starts_with("x-")) {
        wire::write_message(out, message.extensions, |out| {
            wire::write_bytes(out, 1, key.as_bytes());
            write_any(out, 2, value);
        });
    }
}

fn write_field(out: &mut Vec<u8>, number: u32, kind: &WireKind, value: &Value) {
    let list = || value.as_list().unwrap_or_default().iter();
    match kind {
        WireKind::Text => write_text(out, number, value),
        WireKind::Texts => list().for_each(|text| write_text(out, number, text)),
        WireKind::Bool => wire::write_number(out, number, u64::from(value.as_bool().unwrap_or(false))),
        WireKind::Int => wire::write_number(out, number, value.as_i64().unwrap_or(0).cast_unsigned()),
        WireKind::Double => wire::write_fixed64(out, number, double(value).to_bits()),
        WireKind::Any => write_any(out, number, value),
        WireKind::Anys => list().for_each(|value| write_any(out, number, value)),
        WireKind::Scalar => write_scalar(out, number, value),
        WireKind::WrappedText => wire::write_message(out, number, |out| write_text(out, 1, value)),
        WireKind::Message(inside, choose) => {
            write_inside(out, number, inside, |out| write_chosen(out, value, *choose))
        }
        WireKind::Messages(choose) => {
            list()
                .for_each(|value| wire::write_message(out, number, |out| write_chosen(out, value, *choose)));
        }
        WireKind::Requirements => list().for_each(|requirement| write_requirement(out, number, requirement)),
        WireKind::Named(entry, choose) => wire::write_message(out, number, |out| {
            for (name, value) in value.as_map().into_iter().flat_map(|map| map.iter()) {
                wire::write_message(out, *entry, |out| {
                    wire::write_bytes(out, 1, name.as_bytes());
                    wire::write_message(out, 2, |out| write_chosen(out, value, *choose));
                });
            }
        }),
    }
}

fn write_requirement(out: &mut Vec<u8>, number: u32, requirement: &Value) {
    wire::write_message(out, number, |out| {
        for name in requirement.as_map().into_iter().flat_map(|map| map.keys()) {
            wire::write_message(out, 1, |out| {
                wire::write_bytes(out, 1, name.as_bytes());
                wire::write_bytes(out, 2, &[]);
            });
        }
    });
}

fn write_chosen(out: &mut Vec<u8>, value: &Value, choose: Choose) {
    let (inside, message) = choose(value);
    match inside.split_first() {
        None => write(out, value, message),
        Some((first, rest)) => write_inside(out, *first, rest, |out| write(out, value, message)),
    }
}

/// A message in messages of one field each.
fn write_inside(out: &mut Vec<u8>, number: u32, inside: &[u32], content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    content(&mut inner);
    for field in inside.iter().rev() {
        let mut outer = Vec::with_capacity(inner.len() + 6);
        wire::write_bytes(&mut outer, *field, &inner);
        inner = outer;
    }
    wire::write_bytes(out, number, &inner);
}

fn write_text(out: &mut Vec<u8>, number: u32, value: &Value) {
    wire::write_bytes(out, number, value.as_str().unwrap_or("").as_bytes());
}

fn write_any(out: &mut Vec<u8>, number: u32, value: &Value) {
    wire::write_message(out, number, |out| {
        wire::write_bytes(out, 2, format!("{}\n", json::to_string(value)).as_bytes());
    });
}

fn write_scalar(out: &mut Vec<u8>, number: u32, value: &Value) {
    match value {
        Value::Text(_) => wire::write_message(out, number, |out| write_text(out, 3, value)),
        Value::Bool(flag) => {
            wire::write_message(out, number, |out| wire::write_number(out, 2, u64::from(*flag)));
        }
        Value::Int(_) | Value::Float(_) => {
            wire::write_message(out, number, |out| wire::write_fixed64(out, 1, double(value).to_bits()));
        }
        // The message has no place for these.
        Value::Null | Value::List(_) | Value::Map(_) | Value::Raw(_) => {}
    }
}

fn double(value: &Value) -> f64 {
    match value {
        Value::Int(int) => *int as f64,
        Value::Float(float) => *float,
        _ => 0.0,
    }
}

mod v2 {
    //! Messages of `openapi.v2`.

    use super::WireKind::{
        Any, Anys, Bool, Double, Int, Message as One, Messages, Named, Requirements, Text, Texts, WrappedText,
    };
    use super::{Message, Value};

    pub(super) static DOCUMENT: Message = Message {
        fields: &[
            ("swagger", 1, Text),
            ("info", 2, One(&[], |_| (&[], &INFO))),
            ("paths", 8, Named(2, |_| (&[], &PATH_ITEM))),
            ("definitions", 9, Named(1, |_| (&[], &SCHEMA))),
            ("parameters", 10, Named(1, parameter)),
            ("security", 12, Requirements),
            ("securityDefinitions", 13, Named(1, |_| (&[2], &API_KEY))),
        ],
        extensions: 16,
    };
    static INFO: Message = Message { fields: &[("title", 1, Text), ("version", 2, Text)], extensions: 7 };
    static PATH_ITEM: Message = Message {
        fields: &[
            ("get", 2, One(&[], |_| (&[], &OPERATION))),
            ("put", 3, One(&[], |_| (&[], &OPERATION))),
            ("post", 4, One(&[], |_| (&[], &OPERATION))),
            ("delete", 5, One(&[], |_| (&[], &OPERATION))),
            ("options", 6, One(&[], |_| (&[], &OPERATION))),
            ("head", 7, One(&[], |_| (&[], &OPERATION))),
            ("patch", 8, One(&[], |_| (&[], &OPERATION))),
            ("parameters", 9, Messages(parameter_or_reference)),
        ],
        extensions: 10,
    };
    static OPERATION: Message = Message {
        fields: &[
            ("tags", 1, Texts),
            ("description", 3, Text),
            ("operationId", 5, Text),
            ("produces", 6, Texts),
            ("consumes", 7, Texts),
            ("parameters", 8, Messages(parameter_or_reference)),
            ("responses", 9, Named(1, |_| (&[1], &RESPONSE))),
            ("schemes", 10, Texts),
        ],
        extensions: 13,
    };
    static RESPONSE: Message = Message {
        fields: &[("description", 1, Text), ("schema", 2, One(&[1], |_| (&[], &SCHEMA)))],
        extensions: 5,
    };
    static BODY: Message = Message {
        fields: &[
            ("description", 1, Text),
            ("name", 2, Text),
            ("in", 3, Text),
            ("required", 4, Bool),
            ("schema", 5, One(&[], |_| (&[], &SCHEMA))),
        ],
        extensions: 6,
    };
    static QUERY: Message = Message {
        fields: &[
            ("required", 1, Bool),
            ("in", 2, Text),
            ("description", 3, Text),
            ("name", 4, Text),
            ("type", 6, Text),
            ("uniqueItems", 20, Bool),
        ],
        extensions: 23,
    };
    static PATH: Message = Message {
        fields: &[
            ("required", 1, Bool),
            ("in", 2, Text),
            ("description", 3, Text),
            ("name", 4, Text),
            ("type", 5, Text),
            ("uniqueItems", 19, Bool),
        ],
        extensions: 22,
    };
    static REFERENCE: Message = Message { fields: &[("$ref", 1, Text)], extensions: 0 };
    static SCHEMA: Message = Message {
        fields: &[
            ("$ref", 1, Text),
            ("format", 2, Text),
            ("title", 3, Text),
            ("description", 4, Text),
            ("default", 5, Any),
            ("multipleOf", 6, Double),
            ("maximum", 7, Double),
            ("exclusiveMaximum", 8, Bool),
            ("minimum", 9, Double),
            ("exclusiveMinimum", 10, Bool),
            ("maxLength", 11, Int),
            ("minLength", 12, Int),
            ("pattern", 13, Text),
            ("maxItems", 14, Int),
            ("minItems", 15, Int),
            ("uniqueItems", 16, Bool),
            ("maxProperties", 17, Int),
            ("minProperties", 18, Int),
            ("required", 19, Texts),
            ("enum", 20, Anys),
            ("additionalProperties", 21, One(&[1], |_| (&[], &SCHEMA))),
            ("type", 22, WrappedText),
            ("items", 23, One(&[1], |_| (&[], &SCHEMA))),
            ("properties", 25, Named(1, |_| (&[], &SCHEMA))),
        ],
        extensions: 31,
    };
    static API_KEY: Message = Message {
        fields: &[("type", 1, Text), ("name", 2, Text), ("in", 3, Text), ("description", 4, Text)],
        extensions: 5,
    };
    fn parameter(parameter: &Value) -> (&'static [u32], &'static Message) {
        match parameter.str_at(&["in"]) {
            "body" => (&[1], &BODY),
            "path" => (&[2, 4], &PATH),
            _ => (&[2, 3], &QUERY),
        }
    }

    fn parameter_or_reference(value: &Value) -> (&'static [u32], &'static Message) {
        match (value.get("$ref"), value.str_at(&["in"])) {
            (Some(_), _) => (&[2], &REFERENCE),
            (None, "body") => (&[1, 1], &BODY),
            (None, "path") => (&[1, 2, 4], &PATH),
            (None, _) => (&[1, 2, 3], &QUERY),
        }
    }
}

mod v3 {
    //! Messages of `openapi.v3`.

    use super::WireKind::{Anys, Bool, Double, Int, Message as One, Messages, Named, Scalar, Text, Texts};
    use super::{Message, Value};

    pub(super) static DOCUMENT: Message = Message {
        fields: &[
            ("openapi", 1, Text),
            ("info", 2, One(&[], |_| (&[], &INFO))),
            ("paths", 4, Named(1, |_| (&[], &PATH_ITEM))),
            ("components", 5, One(&[], |_| (&[], &COMPONENTS))),
        ],
        extensions: 9,
    };
    static INFO: Message = Message { fields: &[("title", 1, Text), ("version", 6, Text)], extensions: 7 };
    static COMPONENTS: Message = Message {
        fields: &[
            ("schemas", 1, Named(1, schema)),
            ("securitySchemes", 7, Named(1, |_| (&[1], &SECURITY_SCHEME))),
        ],
        extensions: 10,
    };
    static SECURITY_SCHEME: Message = Message {
        fields: &[("type", 1, Text), ("description", 2, Text), ("name", 3, Text), ("in", 4, Text)],
        extensions: 9,
    };
    static PATH_ITEM: Message = Message {
        fields: &[
            ("get", 4, One(&[], |_| (&[], &OPERATION))),
            ("put", 5, One(&[], |_| (&[], &OPERATION))),
            ("post", 6, One(&[], |_| (&[], &OPERATION))),
            ("delete", 7, One(&[], |_| (&[], &OPERATION))),
            ("options", 8, One(&[], |_| (&[], &OPERATION))),
            ("head", 9, One(&[], |_| (&[], &OPERATION))),
            ("patch", 10, One(&[], |_| (&[], &OPERATION))),
            ("parameters", 13, Messages(|_| (&[1], &PARAMETER))),
        ],
        extensions: 14,
    };
    static OPERATION: Message = Message {
        fields: &[
            ("tags", 1, Texts),
            ("description", 3, Text),
            ("operationId", 5, Text),
            ("parameters", 6, Messages(|_| (&[1], &PARAMETER))),
            ("requestBody", 7, One(&[], |_| (&[1], &REQUEST_BODY))),
            ("responses", 8, Named(2, |_| (&[1], &RESPONSE))),
        ],
        extensions: 13,
    };
    static PARAMETER: Message = Message {
        fields: &[
            ("name", 1, Text),
            ("in", 2, Text),
            ("description", 3, Text),
            ("required", 4, Bool),
            ("schema", 10, One(&[], schema)),
        ],
        extensions: 14,
    };
    static REQUEST_BODY: Message = Message {
        fields: &[
            ("description", 1, Text),
            ("content", 2, Named(1, |_| (&[], &MEDIA_TYPE))),
            ("required", 3, Bool),
        ],
        extensions: 4,
    };
    static RESPONSE: Message = Message {
        fields: &[("description", 1, Text), ("content", 3, Named(1, |_| (&[], &MEDIA_TYPE)))],
        extensions: 5,
    };
    static MEDIA_TYPE: Message = Message { fields: &[("schema", 1, One(&[], schema))], extensions: 5 };
    static REFERENCE: Message = Message { fields: &[("$ref", 1, Text)], extensions: 0 };
    static SCHEMA: Message = Message {
        fields: &[
            ("nullable", 1, Bool),
            ("title", 9, Text),
            ("multipleOf", 10, Double),
            ("maximum", 11, Double),
            ("exclusiveMaximum", 12, Bool),
            ("minimum", 13, Double),
            ("exclusiveMinimum", 14, Bool),
            ("maxLength", 15, Int),
            ("minLength", 16, Int),
            ("pattern", 17, Text),
            ("maxItems", 18, Int),
            ("minItems", 19, Int),
            ("uniqueItems", 20, Bool),
            ("maxProperties", 21, Int),
            ("minProperties", 22, Int),
            ("required", 23, Texts),
            ("enum", 24, Anys),
            ("type", 25, Text),
            ("allOf", 26, Messages(schema)),
            ("oneOf", 27, Messages(schema)),
            ("anyOf", 28, Messages(schema)),
            ("not", 29, One(&[], |_| (&[], &SCHEMA))),
            ("items", 30, One(&[1], schema)),
            ("properties", 31, Named(1, schema)),
            ("additionalProperties", 32, One(&[1], schema)),
            ("default", 33, Scalar),
            ("description", 34, Text),
            ("format", 35, Text),
        ],
        extensions: 36,
    };

    fn schema(value: &Value) -> (&'static [u32], &'static Message) {
        match value.get("$ref") {
            Some(_) => (&[2], &REFERENCE),
            None => (&[1], &SCHEMA),
        }
    }
}
