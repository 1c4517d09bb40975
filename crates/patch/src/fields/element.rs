//! `Element`: one step of a path into an object, and its spelling in FieldsV1 and in messages.

use pintle_object::{Text, Value, json};
use std::cmp::Ordering;
use std::fmt;

/// One step of a path into an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// A field of a struct or a key of a map.
    Field(Text),
    /// The item of a list whose key fields have these values; sorted by field name.
    Key(Vec<(Text, Value)>),
    /// The item of a set with this value.
    Value(Value),
    /// The item of an atomic list at this place.
    Index(i64),
}

/// The error of a text that is no path element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ElementError {
    /// A kind of element that this version does not know; readers skip it.
    Unknown,
    Malformed(String),
}

impl Element {
    /// The bytes that it takes in a path, about.
    pub(crate) fn bytes(&self) -> usize {
        const SEPARATOR: usize = 1;
        SEPARATOR
            + match self {
                Element::Field(name) => name.len(),
                Element::Key(keys) => keys.iter().map(|(name, value)| name.len() + json::len(value)).sum(),
                Element::Value(value) => json::len(value),
                Element::Index(_) => 4,
            }
    }

    pub fn field(name: &str) -> Element {
        Element::Field(Text::from(name))
    }

    /// The order of elements in FieldsV1: fields, keys, values, indices.
    pub fn order(&self, other: &Element) -> Ordering {
        match (self, other) {
            (Element::Field(a), Element::Field(b)) => a.as_str().cmp(b.as_str()),
            (Element::Key(a), Element::Key(b)) => compare_keys(a, b),
            (Element::Value(a), Element::Value(b)) => compare_values(a, b),
            (Element::Index(a), Element::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Element::Field(_) => 0,
            Element::Key(_) => 1,
            Element::Value(_) => 2,
            Element::Index(_) => 3,
        }
    }

    /// Writes the element as FieldsV1 spells it: `f:name`, `k:{"name":"a"}`, `v:1`, `i:0`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Element::Field(name) => {
                out.extend_from_slice(b"f:");
                out.extend_from_slice(name.as_bytes());
            }
            Element::Key(keys) => {
                out.extend_from_slice(b"k:{");
                for (place, (name, value)) in keys.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    json::write_string(out, name);
                    out.push(b':');
                    json::write_value(out, value);
                }
                out.push(b'}');
            }
            Element::Value(value) => {
                out.extend_from_slice(b"v:");
                json::write_value(out, value);
            }
            Element::Index(index) => {
                out.extend_from_slice(b"i:");
                json::write_int(out, *index);
            }
        }
    }

    /// Reads the spelling of FieldsV1.
    pub(crate) fn parse(text: &str) -> Result<Element, ElementError> {
        let malformed = |why: String| ElementError::Malformed(why);
        if text.len() < 2 {
            return Err(malformed("key must be 2 characters long:".into()));
        }
        let Some((kind, rest)) = text.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
            return Err(malformed(format!("missing colon: {text}")));
        };
        match kind {
            "f" => Ok(Element::field(rest)),
            "v" => parse_value(rest).map(Element::Value).map_err(malformed),
            "k" => match parse_value(rest).map_err(malformed)? {
                Value::Map(map) => Ok(Element::Key(map.into_iter().collect())),
                Value::Null => Ok(Element::Key(Vec::new())),
                _ => Err(malformed("expect { or n".into())),
            },
            "i" => match rest.parse() {
                Ok(index) => Ok(Element::Index(index)),
                Err(_) => Err(malformed(format!("strconv.Atoi: parsing {}: invalid syntax", quote(rest)))),
            },
            _ => Err(ElementError::Unknown),
        }
    }
}

/// As messages show it: `.spec`, `[name="a"]`, `[="v"]`, `[0]`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Key(keys) => {
                let shown: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={}", show(value))).collect();
                write!(f, "[{}]", shown.join(","))
            }
            Element::Value(value) => write!(f, "[={}]", show(value)),
            Element::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A path into an object; prints as `.spec.containers[name="a"].image`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ElementPath(pub Vec<Element>);

impl fmt::Display for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}

fn parse_value(text: &str) -> Result<Value, String> {
    json::parse(text.as_bytes()).map_err(|error| error.to_string())
}

fn quote(text: &str) -> String {
    pintle_object::field::quote(text)
}

/// A value in a message: texts quoted as Go does, the rest as JSON.
fn show(value: &Value) -> String {
    match value {
        Value::Text(text) => quote(text),
        other => json::to_string(other),
    }
}

fn compare_keys(a: &[(Text, Value)], b: &[(Text, Value)]) -> Ordering {
    for ((name_a, value_a), (name_b, value_b)) in a.iter().zip(b) {
        let order = name_a.as_str().cmp(name_b.as_str()).then_with(|| compare_values(value_a, value_b));
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// A total order of values: numbers, texts, booleans, lists, maps, null.
pub fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Float(a), Value::Int(b)) => a.total_cmp(&(*b as f64)),
        (Value::Int(a), Value::Float(b)) => (*a as f64).total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_str().cmp(b.as_str()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) => {
            let differing = a.iter().zip(b).map(|(a, b)| compare_values(a, b)).find(|order| order.is_ne());
            differing.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Map(a), Value::Map(b)) => {
            let pair = |((key_a, a), (key_b, b)): ((&str, &Value), (&str, &Value))| {
                key_a.cmp(key_b).then_with(|| compare_values(a, b))
            };
            let differing = a.iter().zip(b.iter()).map(pair).find(|order| order.is_ne());
            differing.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Raw(a), Value::Raw(b)) => a.0.cmp(&b.0),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Float(_) | Value::Int(_) => 0,
        Value::Text(_) => 1,
        Value::Bool(_) => 2,
        Value::List(_) => 3,
        Value::Map(_) | Value::Raw(_) => 4,
        Value::Null => 5,
    }
}
