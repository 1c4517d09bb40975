//! Properties of the codecs, over random objects of random kinds and over garbage.

use pintle_object::{Map, Value, json, yaml};
use pintle_schema::model::Field;
use pintle_schema::{Builtin, Presence, Schema, Shape, TypeId, builtin, decode, defaults, encode};
use proptest::prelude::*;
use std::sync::LazyLock;

static API: LazyLock<Builtin> = LazyLock::new(builtin);

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn json_comes_back(seed: u64) {
        let (ty, tree) = object(seed);
        let decoded = decode::json::decode(&API.schema, ty, &to_json(ty, &tree)).unwrap();
        prop_assert_eq!(&decoded.value, &tree);
        prop_assert!(decoded.strict.is_empty(), "{:?}", decoded.strict);
    }

    #[test]
    fn protobuf_comes_back(seed: u64) {
        let (ty, tree) = object(seed);
        prop_assert_eq!(decode::protobuf::decode(&API.schema, ty, &to_protobuf(ty, &tree)).unwrap(), tree);
    }

    #[test]
    fn transcoding_is_decoding_and_encoding(seed: u64) {
        let (ty, mut tree) = object(seed);
        let message = to_protobuf(ty, &tree);
        let mut json = Vec::new();
        encode::transcode::json(&API.schema, ty, &message, "42", &mut json).unwrap();
        if tree.get("metadata").is_some() {
            tree.set(&["metadata", "resourceVersion"], "42");
        }
        prop_assert_eq!(String::from_utf8(json).unwrap(), String::from_utf8(to_json(ty, &tree)).unwrap());
    }

    #[test]
    fn yaml_comes_back(seed: u64) {
        let (ty, tree) = object(seed);
        let untyped = json::parse(&to_json(ty, &tree)).unwrap();
        let document = yaml::parse(yaml::to_string(&untyped).as_bytes()).unwrap();
        prop_assert_eq!(decode::json::normalise(&API.schema, ty, &document.value).unwrap().value, tree);
    }

    #[test]
    fn defaults_settle_at_once(seed: u64) {
        let (ty, mut tree) = object(seed);
        defaults::apply(&API.schema, ty, &mut tree);
        let once = tree.clone();
        defaults::apply(&API.schema, ty, &mut tree);
        prop_assert_eq!(&tree, &once);
        let decoded = decode::json::decode(&API.schema, ty, &to_json(ty, &once)).unwrap();
        prop_assert_eq!(decoded.value, once);
    }

    #[test]
    fn garbage_is_answered_not_crashed_on(seed: u64, bytes: Vec<u8>, place: usize, byte: u8) {
        let (ty, tree) = object(seed);
        decode_all(ty, &bytes);
        for mut document in [to_json(ty, &tree), to_protobuf(ty, &tree)] {
            let len = document.len().max(1);
            if let Some(slot) = document.get_mut(place % len) {
                *slot = byte;
            }
            decode_all(ty, &document);
            document.truncate(place % len);
            decode_all(ty, &document);
        }
    }
}

fn decode_all(ty: TypeId, bytes: &[u8]) {
    let _ = decode::json::decode(&API.schema, ty, bytes);
    let _ = decode::protobuf::decode(&API.schema, ty, bytes);
    let _ = decode::protobuf::envelope(bytes);
    let _ = encode::splice::with_resource_version(bytes, "1");
    let _ = encode::transcode::json(&API.schema, ty, bytes, "1", &mut Vec::new());
    if let Ok(document) = yaml::parse(bytes) {
        let _ = decode::json::normalise(&API.schema, ty, &document.value);
    }
}

fn to_json(ty: TypeId, tree: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode::json::encode(&API.schema, ty, tree, &mut out);
    out
}

fn to_protobuf(ty: TypeId, tree: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode::protobuf::encode(&API.schema, ty, tree, &mut out);
    out
}

/// A random kind, and a random object of it in canonical form.
fn object(seed: u64) -> (TypeId, Value) {
    let mut types: Vec<TypeId> = API.kinds.values().copied().collect();
    types.sort_by_key(|ty| ty.0);
    let mut random = Random(seed);
    let ty = types[random.below(types.len())];
    (ty, value(&API.schema, ty, &mut random, 0))
}

/// SplitMix64: enough for test data, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn text(&mut self) -> Value {
        const TEXTS: [&str; 12] = [
            "",
            "a",
            "web-1",
            "true",
            "1e3",
            " x",
            "a\nb\n",
            "<&>\u{2028}",
            "é✓😀",
            "\"\\\t",
            "~",
            "0x1f: #",
        ];
        Value::from(self.pick(&TEXTS))
    }
}

fn value(schema: &Schema, ty: TypeId, random: &mut Random, depth: usize) -> Value {
    match schema.shape(ty) {
        Shape::Struct(inner) => {
            let mut map = Map::new();
            for field in &inner.fields {
                if field.tags.first() != Some(&0) && random.below(2 + depth) == 0 {
                    insert(schema, field, random, depth, &mut map);
                }
            }
            decode::fill(schema, inner, &mut map);
            Value::from(map)
        }
        Shape::List(list) => {
            let count = 1 + random.below(2);
            Value::from((0..count).map(|_| value(schema, list.item, random, depth + 1)).collect::<Vec<_>>())
        }
        Shape::Map(inner) => {
            let keys = ["a", "b.c/d", "é"];
            let count = 1 + random.below(keys.len());
            Value::from(Map::from_iter(
                keys.iter().take(count).map(|key| (*key, value(schema, inner.value, random, depth + 1))),
            ))
        }
        Shape::Text => random.text(),
        Shape::Bool => Value::from(random.below(2) == 0),
        Shape::Int32 => Value::from(random.pick(&[0, 1, -1, i32::MAX, i32::MIN])),
        Shape::Int64 => Value::from(random.pick(&[0, 1, -1, i64::MAX, i64::MIN])),
        Shape::Double => {
            random.pick(&[&Value::Int(0), &Value::Int(-3), &Value::Float(0.5), &Value::Float(1e300)]).clone()
        }
        Shape::Bytes => Value::from(random.pick(&["AA==", "AAECAw==", "/+8="])),
        Shape::Quantity => {
            Value::from(random.pick(&["0", "1", "100m", "1536Mi", "1e3", "-5", "9223372036854775807"]))
        }
        Shape::IntOrString => {
            random.pick(&[&Value::Int(0), &Value::Int(80), &Value::from("25%"), &Value::from("")]).clone()
        }
        Shape::Time => Value::from(random.pick(&["2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z"])),
        Shape::MicroTime => Value::from("2026-01-02T03:04:05.000600Z"),
        Shape::Duration => Value::from(random.pick(&["0s", "1h2m3s", "1.5s", "-2m0s"])),
        Shape::RawExtension | Shape::FieldsV1 => raw(r#"{"f:a":{"b":[1,"\u003c"]}}"#),
        Shape::Json => raw(random.pick(&["1", "\"x\"", "[1,{}]", "{\"a\":null}", "false"])),
        Shape::SchemaOrArray(inner) if random.below(2) == 0 => {
            Value::from(vec![value(schema, *inner, random, depth + 2)])
        }
        Shape::SchemaOrStrings(_) if random.below(2) == 0 => {
            Value::from(vec![random.text(), Value::from("\nx")])
        }
        Shape::SchemaOrBool(_) if random.below(2) == 0 => Value::from(random.below(2) == 0),
        Shape::SchemaOrArray(inner) | Shape::SchemaOrBool(inner) | Shape::SchemaOrStrings(inner) => {
            value(schema, *inner, random, depth + 2)
        }
        Shape::Any => random.text(),
    }
}

fn insert(schema: &Schema, field: &Field, random: &mut Random, depth: usize, map: &mut Map) {
    let value = value(schema, field.ty, random, depth + 1);
    let is_hidden =
        field.presence == Presence::NonZero && !field.pointer && decode::is_zero(schema, field.ty, &value);
    if !is_hidden {
        map.insert(field.name.as_ref(), value);
    }
}

fn raw(document: &str) -> Value {
    Value::Raw(Box::new(pintle_object::RawJson(document.into())))
}
