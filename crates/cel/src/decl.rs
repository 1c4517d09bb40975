//! `Decl`: the declared shape and size of the data that expressions read.

use crate::syntax::is_reserved;
use crate::types::{Struct, Type};
use pintle_object::Value as Tree;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A schema as expressions see it.
#[derive(Debug)]
pub struct Decl {
    pub shape: Shape,
    /// The most characters, items or entries; 0 for values without a size.
    pub elements_max: u64,
    /// The fewest bytes of it as JSON.
    pub size_min: u64,
    pub nullable: bool,
}

#[derive(Debug)]
pub enum Shape {
    /// Anything as it comes.
    Any,
    IntOrText,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Date,
    DateTime,
    Duration,
    List(ListKind, Box<Decl>),
    Map(Box<Decl>, Keys),
    /// Sorted by the name that expressions use, then by their own: made by [`Shape::object`].
    Object(Vec<Property>),
}

/// The keys of a map.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    pub decl: &'static Decl,
    /// Whether a key can be selected after a dot as well as in brackets.
    pub are_fields: bool,
}

impl Keys {
    /// Keys of no declared size.
    pub const ANY: Keys = Keys { decl: &KEY, are_fields: false };
}

static KEY: Decl = Decl { shape: Shape::Text, elements_max: 0, size_min: 2, nullable: false };

#[derive(Debug)]
pub enum ListKind {
    Atomic,
    Set,
    /// Items are identified by the values of these fields.
    Map(Vec<String>),
}

/// A field of an object, under the name that expressions use and its own.
#[derive(Debug)]
pub struct Property {
    /// None for fields that expressions cannot name.
    pub escaped: Option<String>,
    pub name: String,
    pub decl: Decl,
    /// Whether expressions can read it; fields without a type in the schema only count for equality.
    pub is_exposed: bool,
}

/// Data without a declaration.
pub static ANY: Decl = Decl { shape: Shape::Any, elements_max: 0, size_min: 0, nullable: true };

const REQUEST_BYTES_MAX: u64 = 3 << 20;

impl Shape {
    #[must_use]
    pub fn object(mut properties: Vec<Property>) -> Shape {
        properties.sort_by(|a, b| (&a.escaped, &a.name).cmp(&(&b.escaped, &b.name)));
        Shape::Object(properties)
    }
}

impl Decl {
    /// The declaration of a structural schema; None if expressions cannot see such data.
    #[must_use]
    pub fn of_schema(props: &Tree, is_resource: bool) -> Option<Decl> {
        let nullable = props.bool_at(&["nullable"]);
        let simple = |shape, elements_max, size_min| Some(Decl { shape, elements_max, size_min, nullable });
        let is_resource = is_resource || props.bool_at(&["x-kubernetes-embedded-resource"]);
        if props.bool_at(&["x-kubernetes-int-or-string"]) {
            return simple(Shape::IntOrText, text_max(props, REQUEST_BYTES_MAX - 2), 1);
        }
        match props.str_at(&["type"]) {
            "array" => {
                let items =
                    Decl::of_schema(props.get("items").filter(|items| items.as_map().is_some())?, false)?;
                let max = count(props, "maxItems").unwrap_or((REQUEST_BYTES_MAX - 2) / (items.size_min + 1));
                simple(Shape::List(list_kind(props), Box::new(items)), max, 2)
            }
            "object" => object(props, is_resource, nullable),
            "string" => text(props, nullable),
            "boolean" => simple(Shape::Bool, 0, 4),
            "number" => simple(Shape::Double, 0, 1),
            "integer" => simple(Shape::Int, 0, 1),
            _ => None,
        }
    }

    /// The greatest number of such values in one request.
    #[must_use]
    pub fn cardinality_max(&self) -> u64 {
        REQUEST_BYTES_MAX / (self.size_min + 1)
    }

    /// The declaration of an item or a value.
    #[must_use]
    pub fn element(&self) -> Option<&Decl> {
        match &self.shape {
            Shape::List(_, inner) | Shape::Map(inner, _) => Some(inner),
            _ => None,
        }
    }

    /// The field that expressions name so.
    #[must_use]
    pub fn field(&self, escaped: &str) -> Option<&Property> {
        let Shape::Object(properties) = &self.shape else { return None };
        let index = properties.binary_search_by(|one| one.escaped.as_deref().cmp(&Some(escaped))).ok()?;
        properties.get(index).filter(|one| one.is_exposed)
    }

    /// The declaration of the keys of a map.
    #[must_use]
    pub fn keys(&self) -> Option<Keys> {
        match &self.shape {
            Shape::Map(_, keys) => Some(*keys),
            _ => None,
        }
    }

    /// The declaration of the field behind a dot and a name.
    #[must_use]
    pub fn selected(&self, escaped: &str) -> Option<&Decl> {
        match &self.shape {
            Shape::Map(inner, keys) if keys.are_fields => Some(inner),
            _ => self.field(escaped).map(|field| &field.decl),
        }
    }

    /// The field of the data that is named so.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        let Shape::Object(properties) = &self.shape else { return None };
        let escaped = escape(name);
        let index = properties
            .binary_search_by(|one| {
                (one.escaped.as_deref(), one.name.as_str()).cmp(&(escaped.as_deref(), name))
            })
            .ok()?;
        properties.get(index)
    }

    /// The type of such values; objects are named by their place.
    #[must_use]
    pub fn ty(&self, name: &str) -> Type {
        match &self.shape {
            Shape::Any | Shape::IntOrText => Type::Dyn,
            Shape::Bool => Type::Bool,
            Shape::Int => Type::Int,
            Shape::Double => Type::Double,
            Shape::Text => Type::Text,
            Shape::Bytes => Type::Bytes,
            Shape::Date | Shape::DateTime => Type::Timestamp,
            Shape::Duration => Type::Duration,
            Shape::List(_, inner) => Type::list(inner.ty(&below(name, "@idx"))),
            Shape::Map(inner, _) => Type::map(inner.ty(&below(name, "@elem"))),
            Shape::Object(properties) => {
                let exposed = properties.iter().filter(|one| one.is_exposed);
                let fields = exposed.filter_map(|one| {
                    let escaped = one.escaped.clone()?;
                    let inner = one.decl.ty(&below(name, &escaped));
                    Some((escaped, inner))
                });
                let fields = fields.collect();
                Type::Struct(Arc::new(Struct { name: name.to_owned(), fields, is_open: false }))
            }
        }
    }
}

/// The longest name of a type. Names of fields are as long as their author likes, and repeat in the names of all types
/// below.
const NAME_BYTES_MAX: usize = 1024;

/// The name of a type within another; a long one is cut, and ends in a hash that identifies it.
fn below(name: &str, step: &str) -> String {
    if name.len() + 1 + step.len() <= NAME_BYTES_MAX {
        return format!("{name}.{step}");
    }
    let mut hasher = DefaultHasher::new();
    (name, step).hash(&mut hasher);
    let end = (0..=NAME_BYTES_MAX / 2).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    format!("{}.{:016x}", name.get(..end).unwrap_or(""), hasher.finish())
}

fn count(props: &Tree, name: &str) -> Option<u64> {
    props.int_at(&[name]).map(|count| u64::try_from(count).unwrap_or(0))
}

/// A character may take four bytes.
fn text_max(props: &Tree, otherwise: u64) -> u64 {
    count(props, "maxLength").map_or(otherwise, |max| max.saturating_mul(4))
}

fn list_kind(props: &Tree) -> ListKind {
    match props.str_at(&["x-kubernetes-list-type"]) {
        "set" => ListKind::Set,
        "map" => {
            let keys = props.list_at(&["x-kubernetes-list-map-keys"]).iter();
            ListKind::Map(keys.filter_map(Tree::as_str).map(str::to_owned).collect())
        }
        _ => ListKind::Atomic,
    }
}

fn text(props: &Tree, nullable: bool) -> Option<Decl> {
    let (shape, elements_max, size_min) = match props.str_at(&["format"]) {
        "byte" => {
            let max = count(props, "maxLength").unwrap_or(REQUEST_BYTES_MAX - 2);
            (Shape::Bytes, max, 2)
        }
        "duration" => (Shape::Duration, 32, 3),
        "date" => (Shape::Date, 12, 12),
        "date-time" => (Shape::DateTime, 32, 21),
        _ => {
            let values = props.list_at(&["enum"]);
            let longest = values.iter().filter_map(enum_len).max();
            let otherwise = match values.is_empty() {
                true => REQUEST_BYTES_MAX - 2,
                false => longest.unwrap_or(0),
            };
            (Shape::Text, text_max(props, otherwise), 2)
        }
    };
    Some(Decl { shape, elements_max, size_min, nullable })
}

/// The length of a text among the values of an enum, which are kept as JSON.
fn enum_len(value: &Tree) -> Option<u64> {
    let parsed;
    let value = match value {
        Tree::Raw(raw) => {
            parsed = pintle_object::json::parse(raw.0.as_bytes()).ok()?;
            &parsed
        }
        other => other,
    };
    value.as_str().map(|text| text.len() as u64)
}

fn object(props: &Tree, is_resource: bool, nullable: bool) -> Option<Decl> {
    if let Some(inner) =
        props.get("additionalProperties").filter(|inner| inner.as_map().is_some() && !is_resource)
    {
        let inner = Decl::of_schema(inner, false)?;
        let max = count(props, "maxProperties").unwrap_or((REQUEST_BYTES_MAX - 2) / (inner.size_min + 6));
        return Some(Decl {
            shape: Shape::Map(Box::new(inner), Keys::ANY),
            elements_max: max,
            size_min: 2,
            nullable,
        });
    }
    let required: BTreeSet<&str> = props.list_at(&["required"]).iter().filter_map(Tree::as_str).collect();
    let mut properties = Vec::new();
    let mut size_min = 2;
    let named = props.map_at(&["properties"]).into_iter().flat_map(|map| map.iter());
    for (name, below) in named.filter(|(name, _)| !is_resource || !is_meta(name)) {
        let decl = Decl::of_schema(below, false);
        let is_exposed = decl.is_some();
        let decl = decl.unwrap_or(Decl { shape: Shape::Any, elements_max: 0, size_min: 0, nullable: true });
        let has_default = below.get("default").is_some_and(|default| !default.is_null());
        if is_exposed && required.contains(name) && !has_default {
            size_min += name.len() as u64 + decl.size_min + 4;
        }
        properties.push(Property { escaped: escape(name), name: name.to_owned(), decl, is_exposed });
    }
    if is_resource {
        properties.extend(meta(&required, &mut size_min));
    }
    Some(Decl { shape: Shape::object(properties), elements_max: 0, size_min, nullable })
}

fn is_meta(name: &str) -> bool {
    matches!(name, "kind" | "apiVersion" | "metadata")
}

/// The fields of every resource that expressions may see.
fn meta(required: &BTreeSet<&str>, size_min: &mut u64) -> Vec<Property> {
    let simple = |name: &str, decl| {
        let name = name.to_owned();
        Property { escaped: Some(name.clone()), name, decl, is_exposed: true }
    };
    let text =
        || Decl { shape: Shape::Text, elements_max: REQUEST_BYTES_MAX - 2, size_min: 2, nullable: false };
    let fields = ["name", "generateName"].into_iter().map(|name| simple(name, text())).collect();
    let metadata = Decl { shape: Shape::object(fields), elements_max: 0, size_min: 2, nullable: false };
    let all = vec![simple("kind", text()), simple("apiVersion", text()), simple("metadata", metadata)];
    for one in all.iter().filter(|one| required.contains(&one.name.as_str())) {
        *size_min += one.name.len() as u64 + one.decl.size_min + 4;
    }
    all
}

/// The name of a field in expressions; none if it starts with a digit or has other characters.
///
/// ```text
/// a-b   a__dash__b
/// for   __for__
/// ```
#[must_use]
pub fn escape(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if is_reserved(name) {
        return Some(format!("__{name}__"));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | '$');
    if !name.chars().all(fits) {
        return None;
    }
    let plain = name.replace("__", "__underscores__");
    let plain = plain.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__");
    Some(plain).filter(|plain| !plain.contains('$'))
}

#[cfg(test)]
mod tests {
    use super::{Decl, escape};
    use pintle_object::json;

    #[test]
    fn fields_are_found_by_both_their_names() {
        let schema = r#"{"type":"object","properties":{"a-b":{"type":"string"},"1":{"type":"string"},"for":{},"z":{"type":"string"}}}"#;
        let decl = Decl::of_schema(&json::parse(schema.as_bytes()).unwrap(), true).unwrap();
        for (name, escaped) in [("a-b", "a__dash__b"), ("z", "z"), ("kind", "kind"), ("metadata", "metadata")]
        {
            assert_eq!(decl.property(name).unwrap().name, name);
            assert_eq!(decl.field(escaped).unwrap().name, name);
        }
        assert!(decl.property("1").is_some_and(|one| one.escaped.is_none()));
        assert!(decl.property("for").is_some() && decl.field("__for__").is_none());
        let metadata = &decl.property("metadata").unwrap().decl;
        assert!(metadata.field("name").is_some() && metadata.field("generateName").is_some());
    }

    #[test]
    fn names_of_types_are_bounded_and_differ() {
        let long = "k".repeat(5000);
        let (a, b) = (super::below(&long, "a"), super::below(&long, "b"));
        assert!(a.len() <= super::NAME_BYTES_MAX && a != b);
    }

    #[test]
    fn names_are_escaped_so_that_expressions_can_say_them() {
        for (name, escaped) in [
            ("a", Some("a")),
            ("a-b", Some("a__dash__b")),
            ("a.b/c", Some("a__dot__b__slash__c")),
            ("a__b", Some("a__underscores__b")),
            ("for", Some("__for__")),
            ("1a", None),
            ("a b", None),
            ("x$", None),
            ("", None),
        ] {
            assert_eq!(escape(name).as_deref(), escaped, "{name}");
        }
    }
}
