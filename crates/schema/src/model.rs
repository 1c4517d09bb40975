//! The compiled form of API types, from a table of `api/` or from a CRD's schema.

use pintle_object::{Text, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Text of a schema: borrowed from the packed tables for built-ins, owned for a CRD.
pub type Str = Cow<'static, str>;

/// A type of one `Schema`, by its place in `Schema::types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);

/// A closed set of types that refer to each other by `TypeId`.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub types: Vec<Type>,
    /// Types by full name: `k8s.io.api.core.v1.Pod`.
    pub by_name: HashMap<Str, TypeId>,
}

#[derive(Clone, Debug)]
pub struct Type {
    /// The full name (`k8s.io.api.core.v1.Pod`); empty for lists, maps and a CRD's inner types.
    pub name: Str,
    pub shape: Shape,
}

#[derive(Clone, Debug)]
pub enum Shape {
    Struct(Struct),
    List(List),
    Map(Map),
    Text,
    Bool,
    Int32,
    Int64,
    Double,
    /// Base64 text in JSON, bytes in protobuf.
    Bytes,
    Quantity,
    IntOrString,
    /// RFC 3339 in whole seconds.
    Time,
    /// RFC 3339 in microseconds.
    MicroTime,
    /// Go's duration text (`1h2m3s`).
    Duration,
    /// runtime.RawExtension: any object, kept as `Value::Raw`.
    RawExtension,
    /// apiextensions' JSON: any value, kept as `Value::Raw`.
    Json,
    /// metav1.FieldsV1: a JSON object, kept as `Value::Raw`.
    FieldsV1,
    /// apiextensions' JSONSchemaPropsOrArray, OrBool, OrStringArray: one of two shapes.
    SchemaOrArray(TypeId),
    SchemaOrBool(TypeId),
    SchemaOrStrings(TypeId),
    /// A CRD's subtree without a schema: any JSON value, kept as a tree.
    Any,
}

#[derive(Clone, Debug)]
pub struct Struct {
    /// In declared order, which is the order of JSON output. Fields of inlined structs are among them.
    pub fields: Vec<Field>,
    /// Indices into `fields`, sorted by field name.
    pub by_name: Vec<u16>,
    /// For each field its place in `by_name`.
    pub ranks: Vec<u16>,
    /// For each field its name, ready to be a key of a tree.
    pub keys: Vec<Text>,
    /// Indices into `fields` of those in protobuf, sorted by their numbers: the order of protobuf output.
    pub by_tag: Vec<u16>,
    /// The destinations of protobuf fields, by message and field number. The first message is the struct's own, the
    /// others are those embedded in it.
    pub routes: Vec<Box<[Route]>>,
    /// Indices into `fields` by hash of the name.
    by_hash: Box<[u16]>,
    /// Indices into `fields` of those that output always has.
    pub always: Vec<u16>,
    /// Indices into `fields` of those with a default.
    pub defaulted: Vec<u16>,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
    /// `x-kubernetes-preserve-unknown-fields`: fields that are not declared are any values.
    pub open: bool,
}

/// The destination of a field of a protobuf message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// The schema has no such field.
    #[default]
    Nowhere,
    /// An index into `Struct::fields`.
    Field(u16),
    /// An index into `Struct::routes`, of an embedded message.
    Embedded(u16),
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: Str,
    /// The protobuf field number, after those of the embedded messages that hold the field
    /// (`Volume.volumeSource`). A single 0 where protobuf has no such field (`kind`, a CRD's field).
    pub tags: Box<[u32]>,
    pub ty: TypeId,
    pub presence: Presence,
    /// A Go pointer: protobuf writes it only when set. Other scalars are written even when zero.
    pub pointer: bool,
    /// Listed as required by OpenAPI.
    pub required: bool,
    /// The value of an absent field. A `{}` that OpenAPI shows for a plain Go struct is not a default.
    pub default: Option<Value>,
    pub patch: Option<Box<PatchRule>>,
    pub rules: Option<Box<FieldRules>>,
    /// The named Go type, as decoding errors print it; empty where the schema says it all.
    pub go_type: Str,
    /// The embedded Go struct that holds this field, as paths of decoding errors show it; empty for most.
    pub embedded: Str,
    /// Server-side apply looks into this field, even where its type is one value elsewhere.
    pub granular: bool,
}

/// The condition under which Go's JSON encoder writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Always: no `omitempty`, or a plain struct (which `omitempty` never omits).
    /// The zero value shows as `""`, `0`, `false`, `{}` of a struct, or `null` of a nil list, map or pointer.
    Always,
    /// Unless it is the zero value: `omitempty` on a plain scalar, list or map, or `omitzero`.
    NonZero,
    /// Whenever it is set, even to a zero value: a pointer with `omitempty`.
    Set,
}

/// Strategic merge patch: `patchStrategy` and `patchMergeKey`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchRule {
    pub merge: bool,
    pub replace: bool,
    pub retain_keys: bool,
    pub merge_key: Str,
}

/// Simple constraints on one value, from OpenAPI or a CRD's schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldRules {
    /// Allowed texts, sorted.
    pub one_of: Vec<Str>,
    pub format: Str,
    pub pattern: Str,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub length_min: Option<u64>,
    pub length_max: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct List {
    pub item: TypeId,
    pub list_type: ListType,
    /// For `ListType::Map`: the key fields of items.
    pub keys: Vec<Str>,
    /// A named Go list type (Verbs, ExtraValue): protobuf wraps it in a message with one repeated field.
    pub wrapped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    Atomic,
    Set,
    Map,
}

#[derive(Clone, Debug)]
pub struct Map {
    pub value: TypeId,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
}

impl Schema {
    pub fn ty(&self, id: TypeId) -> &Type {
        self.types.get(id.0 as usize).expect("a TypeId is only made for a type of its own schema")
    }

    pub fn shape(&self, id: TypeId) -> &Shape {
        &self.ty(id).shape
    }

    pub fn named(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }
}

impl Struct {
    /// A struct from its fields in declared order.
    pub fn new(fields: Vec<Field>, atomic: bool) -> Struct {
        let mut by_name: Vec<u16> = (0..fields.len() as u16).collect();
        let mut by_tag = by_name.clone();
        let at = |index: &u16| fields.get(usize::from(*index)).expect("indices of fields");
        by_name.sort_by(|a, b| at(a).name.cmp(&at(b).name));
        let mut ranks = vec![0; fields.len()];
        for (rank, index) in by_name.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(usize::from(*index)) {
                *slot = rank as u16;
            }
        }
        let keys: Vec<Text> = fields.iter().map(|field| key(&field.name)).collect();
        by_tag.retain(|index| at(index).tags.first() != Some(&0));
        by_tag.sort_by(|a, b| at(a).tags.cmp(&at(b).tags));
        let always =
            (0..fields.len() as u16).filter(|index| at(index).presence == Presence::Always).collect();
        let defaulted = (0..fields.len() as u16).filter(|index| at(index).default.is_some()).collect();
        let routes = routes(&fields);
        let by_hash = by_hash(&keys);
        Struct {
            fields,
            by_name,
            ranks,
            keys,
            by_tag,
            routes,
            by_hash,
            always,
            defaulted,
            atomic,
            open: false,
        }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.index(name).map(|index| self.at(index))
    }

    pub fn index(&self, name: &str) -> Option<u16> {
        let mut place = hash(name);
        loop {
            let index = *self.by_hash.get(place & (self.by_hash.len() - 1))?;
            let key = self.keys.get(usize::from(index))?;
            if key.as_str() == name {
                return Some(index);
            }
            place += 1;
        }
    }

    /// The destination of a field number in one of the messages of `routes`.
    pub fn route(&self, message: u16, number: u32) -> Route {
        let routes = self.routes.get(usize::from(message)).and_then(|routes| routes.get(number as usize));
        routes.copied().unwrap_or_default()
    }

    pub fn at(&self, index: u16) -> &Field {
        self.fields.get(usize::from(index)).expect("by_name and by_tag hold indices of fields")
    }
}

/// Built-in names are borrowed from the binary, so that a key costs no allocation however long it is.
fn key(name: &Str) -> Text {
    match name {
        Str::Borrowed(name) => Text::const_new(name),
        Str::Owned(name) => Text::from(name.as_str()),
    }
}

/// An empty place in `by_hash`: no field has this index.
const EMPTY: u16 = u16::MAX;

/// A table of open addressing, at most half full: a search ends at an empty place.
fn by_hash(keys: &[Text]) -> Box<[u16]> {
    let len = (keys.len() * 2).max(2).next_power_of_two();
    let mut table = vec![EMPTY; len];
    for (index, key) in keys.iter().enumerate() {
        let mut place = hash(key);
        while table.get(place & (len - 1)).is_some_and(|taken| *taken != EMPTY) {
            place += 1;
        }
        if let Some(slot) = table.get_mut(place & (len - 1)) {
            *slot = index as u16;
        }
    }
    table.into()
}

/// The hash of a field's name: three letters and the length distinguish the names of a struct well enough.
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let [first, middle, last] = match bytes {
        [] => [0; 3],
        [only] => [*only; 3],
        [first, .., last] => [*first, bytes.get(bytes.len() / 2).copied().unwrap_or(0), *last],
    };
    let mixed = u32::from_le_bytes([first, middle, last, bytes.len() as u8]).wrapping_mul(0x9e37_79b1);
    (mixed >> 16) as usize
}

/// Field numbers beyond this are not routed; the largest of the built-in types is far below.
const NUMBER_MAX: u32 = 1023;

fn routes(fields: &[Field]) -> Vec<Box<[Route]>> {
    let mut messages: Vec<Vec<Route>> = vec![Vec::new()];
    for (index, field) in fields.iter().enumerate() {
        let mut message = 0;
        let Some((last, embedded)) = field.tags.split_last() else { continue };
        for number in embedded {
            let next = messages.len();
            message = match route_at(&mut messages, message, *number) {
                Some(Route::Embedded(inner)) => usize::from(*inner),
                Some(slot) => {
                    *slot = Route::Embedded(next as u16);
                    messages.push(Vec::new());
                    next
                }
                None => continue,
            };
        }
        if *last != 0
            && let Some(slot) = route_at(&mut messages, message, *last)
        {
            *slot = Route::Field(index as u16);
        }
    }
    messages.into_iter().map(Vec::into_boxed_slice).collect()
}

fn route_at(messages: &mut [Vec<Route>], message: usize, number: u32) -> Option<&mut Route> {
    let routes = messages.get_mut(message).filter(|_| number <= NUMBER_MAX)?;
    let len = routes.len().max(number as usize + 1);
    routes.resize(len, Route::Nowhere);
    routes.get_mut(number as usize)
}
