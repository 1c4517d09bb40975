//! `Atom`: the way in which a type is merged: as one leaf, as a list with or without identity, or field by field.

use crate::fields::Element;
use pintle_object::{Map, Text, Value};
use pintle_schema::decode::zero;
use pintle_schema::model::{List, ListType, Presence, Schema, Shape, Struct, TypeId};

/// A type, or the absence of one: a subtree without a schema is judged by its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ty {
    Of(TypeId),
    /// A type that is merged field by field here, although elsewhere it is one value.
    Granular(TypeId),
    Deduced,
}

/// The way in which values of a type are merged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Atom<'a> {
    Scalar,
    List(ListAtom<'a>),
    Map(MapAtom<'a>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ListAtom<'a> {
    pub item: Ty,
    /// The list's identity rule; `None` is an atomic list.
    pub identity: Option<&'a List>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct MapAtom<'a> {
    pub is_atomic: bool,
    pub fields: Option<&'a Struct>,
    /// The type of values whose key is no declared field; `None` refuses such keys.
    pub values: Option<Ty>,
}

impl MapAtom<'_> {
    /// The type of a key's value, and whether the key is a declared field.
    pub fn child(&self, key: &str) -> (Ty, bool) {
        match self.fields.and_then(|fields| fields.field(key)) {
            Some(field) if field.granular => (Ty::Granular(field.ty), true),
            Some(field) => (Ty::Of(field.ty), true),
            None => (self.values.unwrap_or(Ty::Deduced), false),
        }
    }
}

/// The kinds of atoms, for telling whether two sides of a deduced type agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtomKind {
    Scalar,
    List,
    Map,
}

impl Atom<'_> {
    pub fn kind(&self) -> AtomKind {
        match self {
            Atom::Scalar => AtomKind::Scalar,
            Atom::List(_) => AtomKind::List,
            Atom::Map(_) => AtomKind::Map,
        }
    }
}

/// The atom of a type; a value decides where the type leaves it open.
pub(crate) fn atom<'a>(schema: &'a Schema, ty: Ty, value: Option<&Value>) -> Atom<'a> {
    let (Ty::Of(id) | Ty::Granular(id)) = ty else { return deduced(value) };
    match schema.shape(id) {
        Shape::Struct(inner) => {
            let values = inner.open.then_some(Ty::Deduced);
            let is_atomic = inner.atomic && !matches!(ty, Ty::Granular(_));
            Atom::Map(MapAtom { is_atomic, fields: Some(inner), values })
        }
        Shape::List(list) => Atom::List(ListAtom {
            item: Ty::Of(list.item),
            identity: (list.list_type != ListType::Atomic).then_some(list),
        }),
        Shape::Map(map) => {
            Atom::Map(MapAtom { is_atomic: map.atomic, fields: None, values: Some(Ty::Of(map.value)) })
        }
        Shape::Text
        | Shape::Bool
        | Shape::Int32
        | Shape::Int64
        | Shape::Double
        | Shape::Bytes
        | Shape::Quantity
        | Shape::IntOrString
        | Shape::Time
        | Shape::MicroTime
        | Shape::Duration
        | Shape::Json
        | Shape::SchemaOrArray(_)
        | Shape::SchemaOrBool(_)
        | Shape::SchemaOrStrings(_) => Atom::Scalar,
        // Built-in types keep untyped values whole; only a CRD's subtree without a schema is looked into.
        Shape::RawExtension | Shape::FieldsV1 => Atom::Map(MapAtom { is_atomic: true, ..UNTYPED_MAP }),
        Shape::Any => deduced(value),
    }
}

const UNTYPED_MAP: MapAtom<'static> = MapAtom { is_atomic: false, fields: None, values: Some(Ty::Deduced) };

/// Without a schema maps are merged key by key, and lists are atomic.
fn deduced(value: Option<&Value>) -> Atom<'static> {
    match value {
        None | Some(Value::Null | Value::Map(_) | Value::Raw(_)) => Atom::Map(UNTYPED_MAP),
        Some(Value::List(_)) => Atom::List(ListAtom { item: Ty::Deduced, identity: None }),
        Some(Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_)) => Atom::Scalar,
    }
}

/// The map of a value; `None` for null and for other values.
pub(crate) fn map_of(value: Option<&Value>) -> Option<&Map> {
    value.and_then(Value::as_map)
}

/// The items of a value; none for null and for other values.
pub(crate) fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_list).unwrap_or(&[])
}

/// The path element of an item of a list with identity.
pub(crate) fn item_element(schema: &Schema, list: &List, item: &Value) -> Result<Element, String> {
    check_item(schema, list, item)?;
    match list.list_type {
        ListType::Map => Ok(keyed_element(schema, list, item)),
        ListType::Set | ListType::Atomic => Ok(Element::Value(item.clone())),
    }
}

/// The items of a list with their elements, in the order of these.
pub(crate) fn sorted_items<'v>(
    schema: &Schema,
    list: &List,
    items: &'v [Value],
) -> Result<Vec<(Element, &'v Value)>, String> {
    let mut sorted = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let element = item_element(schema, list, item).map_err(|why| format!("element {place}: {why}"))?;
        sorted.push((element, item));
    }
    sorted.sort_by(|a, b| a.0.order(&b.0));
    Ok(sorted)
}

/// Checks that an item of a list with identity has its keys.
pub(crate) fn check_item(schema: &Schema, list: &List, item: &Value) -> Result<(), String> {
    let refuse = |why: &str| Err(String::from(why));
    match (list.list_type, item) {
        (ListType::Map, Value::Null) => refuse("associative list with keys may not have a null element"),
        (ListType::Map, Value::Map(map)) => check_keys(schema, list, map),
        (ListType::Map, _) => refuse("associative list with keys may not have non-map elements"),
        (_, Value::Map(_) | Value::Raw(_)) => {
            refuse("associative list without keys has an element that's a map type")
        }
        (_, Value::List(_)) => refuse("not supported: associative list with lists as elements"),
        (_, Value::Null) => refuse("associative list without keys has an element that's an explicit null"),
        (_, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_)) => Ok(()),
    }
}

fn check_keys(schema: &Schema, list: &List, item: &Map) -> Result<(), String> {
    if list.keys.iter().any(|name| item.contains(name)) {
        return Ok(());
    }
    let has_default = |name: &str| key_default(schema, list.item, struct_of(schema, list)?, name);
    if list.keys.iter().any(|name| has_default(name).is_some()) {
        return Ok(());
    }
    let quoted: Vec<String> = list.keys.iter().map(|key| pintle_object::field::quote(key)).collect();
    Err(format!(
        "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
         values for any key fields)",
        quoted.join(" ")
    ))
}

fn struct_of<'a>(schema: &'a Schema, list: &List) -> Option<&'a Struct> {
    match schema.shape(list.item) {
        Shape::Struct(inner) => Some(inner),
        _ => None,
    }
}

/// The value of an absent key: the default that OpenAPI shows for the field, which for fields that Go always
/// writes is their zero value.
fn key_default(schema: &Schema, item: TypeId, inner: &Struct, name: &str) -> Option<Value> {
    let field = inner.field(name)?;
    if field.default.is_some() {
        return field.default.clone();
    }
    let is_written = field.presence == Presence::Always && !field.pointer;
    let is_marked = EMPTY_KEYS.contains(&(schema.ty(item).name.as_ref(), name));
    (is_written || is_marked).then(|| zero(schema, field.ty)).filter(|value| !value.is_null())
}

/// Key fields that Go leaves out when empty and that OpenAPI nevertheless gives an empty default.
const EMPTY_KEYS: [(&str, &str); 1] = [("k8s.io.api.core.v1.LocalObjectReference", "name")];

/// The element of an item that was checked.
fn keyed_element(schema: &Schema, list: &List, item: &Value) -> Element {
    let mut keys: Vec<(Text, Value)> = Vec::with_capacity(list.keys.len());
    for name in &list.keys {
        let default = || key_default(schema, list.item, struct_of(schema, list)?, name);
        if let Some(value) = item.get(name).cloned().or_else(default) {
            keys.push((Text::from(name.as_ref()), value));
        }
    }
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    Element::Key(keys)
}
