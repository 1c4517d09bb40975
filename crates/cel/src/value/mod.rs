//! Values during evaluation. Data of objects is borrowed, and read only where it is used.

mod display;
mod equality;

pub use display::{as_text, double_text, runtime_type};
pub use equality::{compared, equal, has_same_keys, number};

use crate::decl::{ANY, Decl, ListKind, Shape};
use crate::permissions::Authorizer;
use crate::types::Type;
use pintle_object::quantity::Quantity;
use pintle_object::time::{Time, parse_duration};
use pintle_object::{Map as TreeMap, Value as Tree, bytes, json};
use pintle_regexp::Regexp;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// The reason why there is no value, in the words of upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No overload of a function takes such values; the call, if messages name it.
    NoOverload(Option<Arc<str>>),
    /// The cost limit is exceeded.
    OverLimit,
    Other(Arc<str>),
}

pub type Outcome<'a> = Result<Value<'a>, Error>;

impl Error {
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self::Other(message.into())
    }

    pub fn no_overload() -> Self {
        Self::NoOverload(None)
    }

    pub fn no_overload_of(call: impl Into<Arc<str>>) -> Self {
        Self::NoOverload(Some(call.into()))
    }

    pub fn no_key(key: &str) -> Self {
        Self::new(format!("no such key: {key}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOverload(None) => f.write_str("no such overload"),
            Self::NoOverload(Some(call)) => write!(f, "no such overload: {call}"),
            Self::OverLimit => f.write_str("operation cancelled: actual cost limit exceeded"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

/// A text, of the data or made on the way.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

#[derive(Clone)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    Bytes(Rc<[u8]>),
    Timestamp(Time),
    /// Nanoseconds.
    Duration(i64),
    List(List<'a>),
    Map(CelMap<'a>),
    Optional(Option<Rc<Value<'a>>>),
    /// A type, by its name.
    Type(Text<'a>),
    /// A pattern of the expression itself.
    Pattern(&'a Regexp),
    Quantity(Quantity),
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    Url(Rc<crate::url::CelUrl>),
    Semver(Rc<crate::semver::Version>),
    Format(&'static str),
    Authorizer(Authorizer<'a>),
    /// The variables of a policy, each computed on first use.
    Variables,
}

#[derive(Clone)]
pub enum List<'a> {
    Own(Rc<Vec<Value<'a>>>),
    Tree(&'a [Tree], &'a Decl),
}

#[derive(Clone)]
pub enum CelMap<'a> {
    Own(Rc<BTreeMap<Key, (Value<'a>, Value<'a>)>>),
    Tree(&'a TreeMap, &'a Decl),
}

/// Keys of maps; equal numbers are the same key in all types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Rc<str>),
}

impl Key {
    pub fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Bool(it) => Some(Self::Bool(*it)),
            Value::Int(it) => Some(Self::Int(*it)),
            Value::Uint(it) => Some(i64::try_from(*it).map_or(Self::Uint(*it), Self::Int)),
            Value::Double(it) if it.fract() == 0.0 && it.abs() < 9e18 => Some(Self::Int(*it as i64)),
            Value::Text(Text::Shared(text)) => Some(Self::Text(text.clone())),
            Value::Text(Text::Borrowed(text)) => Some(Self::Text(Rc::from(*text))),
            _ => None,
        }
    }
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Shared(text.into()))
    }

    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::Own(Rc::new(items)))
    }

    pub fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    /// Data with its declaration; an error where they do not match.
    pub fn of_tree(tree: &'a Tree, decl: &'a Decl) -> Outcome<'a> {
        let wrong = |what: &str| Err(Error::new(format!("invalid data, expected {what}")));
        if let Tree::Raw(raw) = tree {
            return Ok(json::parse(raw.0.as_bytes()).map_or(Value::Null, |tree| Value::of_json(&tree)));
        }
        match (&decl.shape, tree) {
            (_, Tree::Null) if decl.nullable => Ok(Value::Null),
            (_, Tree::Null) => Err(Error::new("invalid data, got null for schema with nullable=false")),
            (Shape::Any | Shape::Bool, Tree::Bool(it)) => Ok(Value::Bool(*it)),
            (Shape::Any | Shape::Int | Shape::IntOrText, Tree::Int(it)) => Ok(Value::Int(*it)),
            (Shape::Double, Tree::Int(it)) => Ok(Value::Double(*it as f64)),
            (Shape::Any | Shape::Double, Tree::Float(it)) => Ok(Value::Double(*it)),
            (Shape::Any | Shape::Text | Shape::IntOrText, Tree::Text(text)) => {
                Ok(Value::Text(Text::Borrowed(text.as_str())))
            }
            (Shape::Bytes | Shape::Date | Shape::DateTime | Shape::Duration, Tree::Text(text)) => {
                formatted(text, &decl.shape)
            }
            (Shape::Any, Tree::List(items)) => Ok(Value::List(List::Tree(items, &ANY))),
            (Shape::List(..), Tree::List(items)) => Ok(Value::List(List::Tree(items, decl))),
            (Shape::Any | Shape::Map(..) | Shape::Object(_), Tree::Map(map)) => {
                Ok(Value::Map(CelMap::Tree(map, decl)))
            }
            (Shape::Bool, _) => wrong("bool"),
            (Shape::Int, _) => wrong("int"),
            (Shape::Double, _) => wrong("float"),
            (Shape::IntOrText, _) => wrong("XIntOrString value to be either a string or integer"),
            (Shape::List(..), _) => wrong("an array for the provided schema with type=array"),
            (Shape::Map(..) | Shape::Object(_), _) => wrong("a map for the provided schema with type=object"),
            _ => wrong("string"),
        }
    }

    /// A value of its own from JSON that nothing is declared of.
    pub fn of_json(tree: &Tree) -> Self {
        match tree {
            Tree::Null => Value::Null,
            Tree::Bool(it) => Value::Bool(*it),
            Tree::Int(it) => Value::Int(*it),
            Tree::Float(it) => Value::Double(*it),
            Tree::Text(text) => Value::text(text.as_str()),
            Tree::List(items) => Value::list(items.iter().map(Value::of_json).collect()),
            Tree::Map(map) => {
                let entries = map.iter().map(|(key, value)| {
                    (Key::Text(Rc::from(key)), (Value::text(key), Value::of_json(value)))
                });
                Value::Map(CelMap::Own(Rc::new(entries.collect())))
            }
            Tree::Raw(raw) => json::parse(raw.0.as_bytes()).map_or(Value::Null, |tree| Value::of_json(&tree)),
        }
    }

    pub fn type_name(&self) -> Text<'a> {
        runtime_type(self)
    }

    /// The size of this value for the cost of calls: characters, bytes, items, entries; 1 for the rest.
    pub fn size(&self) -> u64 {
        match self {
            Value::Text(text) => text.chars().count() as u64,
            Value::Pattern(regexp) => regexp.source().chars().count() as u64,
            Value::Bytes(bytes) => bytes.len() as u64,
            Value::List(list) => list.len() as u64,
            Value::Map(map) => map.len() as u64,
            Value::Ip(IpAddr::V4(_)) | Value::Cidr(IpAddr::V4(_), _) => 4,
            Value::Ip(IpAddr::V6(_)) | Value::Cidr(IpAddr::V6(_), _) => 16,
            _ => 1,
        }
    }

    /// Whether this is the zero value of its type: nothing, nought, or empty.
    pub fn is_zero(&self) -> bool {
        match self {
            Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) | Value::Duration(0) => true,
            Value::Double(it) => *it == 0.0,
            Value::Optional(it) => it.is_none(),
            Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => self.size() == 0,
            _ => false,
        }
    }
}

fn formatted<'a>(text: &'a str, shape: &Shape) -> Outcome<'a> {
    match shape {
        Shape::Bytes => bytes::decode(text)
            .map(|bytes| Value::Bytes(bytes.into()))
            .map_err(|why| Error::new(format!("Invalid byte formatted string {text}: {why}"))),
        Shape::Duration => parse_duration(text)
            .or_else(|why| spelled_duration(text).ok_or(why))
            .map(Value::Duration)
            .map_err(|why| Error::new(format!("Invalid duration {text}: {why}"))),
        Shape::Date => Time::parse(&format!("{text}T00:00:00Z"))
            .map(Value::Timestamp)
            .map_err(|why| Error::new(format!("Invalid date formatted string {text}: {why}"))),
        _ => Time::parse(text)
            .map(Value::Timestamp)
            .map_err(|why| Error::new(format!("Invalid date-time formatted string {text}: {why}"))),
    }
}

/// `1 day`, `2 weeks`: durations of schemas that Go's text has no words for.
fn spelled_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(end);
    let seconds = match unit.trim().trim_end_matches('s') {
        "ec" | "econd" | "sec" | "second" => 1,
        "min" | "minute" => 60,
        "h" | "hr" | "hour" => 3600,
        "d" | "day" => 86_400,
        "w" | "wk" | "week" => 604_800,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(1_000_000_000)
}

impl<'a> List<'a> {
    pub fn len(&self) -> usize {
        match self {
            List::Own(items) => items.len(),
            List::Tree(items, _) => items.len(),
        }
    }

    pub fn at(&self, index: usize) -> Option<Outcome<'a>> {
        match self {
            List::Own(items) => items.get(index).cloned().map(Ok),
            List::Tree(items, decl) => {
                let decl = decl.element().unwrap_or(&ANY);
                items.get(index).map(|tree| Value::of_tree(tree, decl))
            }
        }
    }

    /// All items, or the first that is no value.
    pub fn items(&self) -> Result<Rc<Vec<Value<'a>>>, Error> {
        match self {
            List::Own(items) => Ok(items.clone()),
            List::Tree(items, decl) => {
                let decl = decl.element().unwrap_or(&ANY);
                let found: Result<Vec<_>, _> = items.iter().map(|tree| Value::of_tree(tree, decl)).collect();
                found.map(Rc::new)
            }
        }
    }

    /// The list type that tells items apart (`set` or `map`), if their order means nothing.
    pub fn kind(&self) -> Option<&'a ListKind> {
        match self {
            List::Tree(_, Decl { shape: Shape::List(kind, _), .. }) => Some(kind),
            _ => None,
        }
    }

    pub fn contains(&self, value: &Value<'_>) -> Result<bool, Error> {
        let is_there = |item: Outcome<'a>| -> bool { item.is_ok_and(|item| equal(&item, value)) };
        Ok((0..self.len()).any(|index| self.at(index).is_some_and(is_there)))
    }
}

impl<'a> CelMap<'a> {
    pub fn len(&self) -> usize {
        match self {
            CelMap::Own(entries) => entries.len(),
            CelMap::Tree(map, _) => map.len(),
        }
    }

    /// The value of a key; None without it.
    pub fn find(&self, key: &Value<'_>) -> Option<Outcome<'a>> {
        match (self, key) {
            (CelMap::Own(entries), _) => entries.get(&Key::of(key)?).map(|(_, value)| Ok(value.clone())),
            (CelMap::Tree(..), Value::Text(name)) => self.field(name),
            _ => None,
        }
    }

    /// The value under a name as expressions say it.
    pub fn field(&self, name: &str) -> Option<Outcome<'a>> {
        match self {
            CelMap::Own(entries) => {
                entries.get(&Key::Text(Rc::from(name))).map(|(_, value)| Ok(value.clone()))
            }
            CelMap::Tree(map, decl) => match &decl.shape {
                Shape::Map(of, _) => map.get(name).map(|tree| Value::of_tree(tree, of)),
                Shape::Object(_) => {
                    let property = decl.field(name)?;
                    // A null is as good as no field.
                    let tree = map.get(&property.name).filter(|tree| !tree.is_null())?;
                    Some(Value::of_tree(tree, &property.decl))
                }
                _ => map.get(name).map(|tree| Value::of_tree(tree, &ANY)),
            },
        }
    }

    /// All keys with their values.
    pub fn entries(&self) -> Vec<(Value<'a>, Outcome<'a>)> {
        match self {
            CelMap::Own(entries) => {
                entries.values().map(|(key, value)| (key.clone(), Ok(value.clone()))).collect()
            }
            CelMap::Tree(map, decl) => {
                map.iter().filter_map(|(name, tree)| entry(decl, name, tree)).collect()
            }
        }
    }
}

fn entry<'a>(decl: &'a Decl, name: &'a str, tree: &'a Tree) -> Option<(Value<'a>, Outcome<'a>)> {
    let (name, decl) = match &decl.shape {
        Shape::Map(of, _) => (name, &**of),
        Shape::Object(_) => {
            let property = decl.property(name)?;
            (property.escaped.as_deref().unwrap_or(name), &property.decl)
        }
        _ => (name, &ANY),
    };
    Some((Value::Text(Text::Borrowed(name)), Value::of_tree(tree, decl)))
}

/// Reads the type of a name for `type(x)` and idents of types.
pub fn type_value<'a>(of: &Type) -> Value<'a> {
    let name = match of {
        Type::List(_) => "list".to_owned(),
        Type::Map(..) => "map".to_owned(),
        Type::Type(_) => "type".to_owned(),
        Type::Optional(_) => "optional_type".to_owned(),
        other => other.runtime_name(),
    };
    Value::Type(Text::Shared(name.into()))
}
