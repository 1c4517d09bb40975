//! Opens the packed tables of `api/`: the built-in types and resources.
//!
//! The blob is written by `build.rs`: numbers are LEB128, texts are length-prefixed.
//!
//! ```text
//! named-count inner-count
//!   named: name kind shape …      shape: struct|atomic + fields, items + id, or a word (time, quantity, …)
//!   inner: list id list-type | map id atomic | string | bool | int32 | int64 | double | bytes
//! resources.txt optional.txt lifecycle.txt columns.txt selectable.txt storage.txt openapi.txt, each one text
//! ```

use crate::model::{
    Field, FieldRules, List, ListType, Map, PatchRule, Presence, Schema, Shape, Str, Struct, Type, TypeId,
};
use crate::resource::{self, Resources, Stage};
use pintle_object::{GroupVersionKind, Value};
use std::collections::HashMap;

static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/api.bin"));

/// The built-in API.
#[derive(Debug)]
pub struct Builtin {
    pub schema: Schema,
    pub resources: Resources,
    /// Types of top-level kinds, those of `meta` under the core group.
    pub kinds: HashMap<GroupVersionKind, TypeId>,
    /// Any JSON value: the type of custom resources, which have schemas of their own.
    pub any: TypeId,
    /// Facts of OpenAPI documents beyond the tables, one per line, for the crate `openapi`.
    pub documents: &'static str,
}

impl Builtin {
    /// The type of a kind; kinds of `meta` (DeleteOptions, Status, ...) exist in every group and version.
    pub fn kind(&self, gvk: &GroupVersionKind) -> Option<TypeId> {
        let meta = || GroupVersionKind::new("", "v1", gvk.kind.clone());
        self.kinds.get(gvk).or_else(|| self.kinds.get(&meta()).filter(|id| self.is_meta(**id))).copied()
    }

    fn is_meta(&self, id: TypeId) -> bool {
        self.schema.ty(id).name.starts_with("k8s.io.apimachinery.pkg.apis.meta.")
    }
}

/// The packed tables, for hashes of documents made from them.
pub fn blob() -> &'static [u8] {
    BLOB
}

/// Opens the packed tables, with the resources that are served by default.
pub fn builtin() -> Builtin {
    let mut api = known();
    api.resources.all.retain(|resource| Stage::of(&resource.version) == Some(Stage::Stable));
    api
}

/// Opens the packed tables with every resource that can be served. Cheap enough for every start: names are borrowed
/// from the binary.
pub fn known() -> Builtin {
    let mut reader = BlobReader { bytes: BLOB };
    let named = reader.number();
    let inner = reader.number();
    let mut schema =
        Schema { types: Vec::with_capacity(named + inner), by_name: HashMap::with_capacity(named) };
    let mut kinds = HashMap::new();
    for index in 0..named {
        let id = TypeId(index as u32);
        let name = reader.text();
        let group_version = reader.text();
        if !group_version.is_empty() {
            let kind = name.rsplit('.').next().unwrap_or(name);
            let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
            // A kind of a group proper comes before one of meta with the same name.
            let gvk = GroupVersionKind::new(group, version, kind);
            let is_meta = name.starts_with("k8s.io.apimachinery.");
            if !is_meta || !kinds.contains_key(&gvk) {
                kinds.insert(gvk, id);
            }
        }
        let shape = reader.shape();
        schema.by_name.insert(Str::Borrowed(name), id);
        schema.types.push(Type { name: Str::Borrowed(name), shape });
    }
    for _ in 0..inner {
        let shape = reader.shape();
        schema.types.push(Type { name: Str::Borrowed(""), shape });
    }
    let any = TypeId(schema.types.len() as u32);
    schema.types.push(Type { name: Str::Borrowed(""), shape: Shape::Any });
    let tables = resource::Tables {
        resources: reader.text(),
        optional: reader.text(),
        lifecycle: reader.text(),
        columns: reader.text(),
        selectable: reader.text(),
        storage: reader.text(),
    };
    let resources = resource::read(&tables, &kinds);
    Builtin { schema, resources, kinds, any, documents: reader.text() }
}

struct BlobReader {
    bytes: &'static [u8],
}

impl BlobReader {
    fn number(&mut self) -> usize {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = self.bytes.split_first().expect("build.rs wrote the whole number");
            self.bytes = rest;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn text(&mut self) -> &'static str {
        let len = self.number();
        let (text, rest) = self.bytes.split_at_checked(len).expect("build.rs wrote the whole text");
        self.bytes = rest;
        std::str::from_utf8(text).expect("build.rs wrote UTF-8")
    }

    fn id(&mut self) -> TypeId {
        TypeId(self.number() as u32)
    }

    fn shape(&mut self) -> Shape {
        match self.text() {
            "struct" => Shape::Struct(self.structure(false)),
            "atomic" => Shape::Struct(self.structure(true)),
            "items" => Shape::List(List {
                item: self.id(),
                list_type: ListType::Atomic,
                keys: Vec::new(),
                wrapped: true,
            }),
            "list" => Shape::List(self.list()),
            "map" => Shape::Map(Map { value: self.id(), atomic: self.text() == "atomic" }),
            "string" => Shape::Text,
            "bool" => Shape::Bool,
            "int32" => Shape::Int32,
            "int64" => Shape::Int64,
            "double" => Shape::Double,
            "bytes" => Shape::Bytes,
            "quantity" => Shape::Quantity,
            "intorstring" => Shape::IntOrString,
            "time" => Shape::Time,
            "microtime" => Shape::MicroTime,
            "duration" => Shape::Duration,
            "rawextension" => Shape::RawExtension,
            "json" => Shape::Json,
            "fieldsv1" => Shape::FieldsV1,
            "schemaorarray" => Shape::SchemaOrArray(self.id()),
            "schemaorbool" => Shape::SchemaOrBool(self.id()),
            "schemaorstrings" => Shape::SchemaOrStrings(self.id()),
            word => unreachable!("build.rs writes no shape {word}"),
        }
    }

    fn list(&mut self) -> List {
        let item = self.id();
        let text = self.text();
        let (kind, keys) = text.split_once(':').unwrap_or((text, ""));
        let list_type = match kind {
            "map" => ListType::Map,
            "set" => ListType::Set,
            _ => ListType::Atomic,
        };
        List { item, list_type, keys: split(keys, ','), wrapped: false }
    }

    fn structure(&mut self, atomic: bool) -> Struct {
        let count = self.number();
        let fields = (0..count).map(|_| self.field()).collect();
        Struct::new(fields, atomic)
    }

    fn field(&mut self) -> Field {
        let name = Str::Borrowed(self.text());
        let count = self.number();
        let tags = (0..count).map(|_| self.number() as u32).collect();
        let presence = match self.number() {
            0 => Presence::Always,
            1 => Presence::NonZero,
            _ => Presence::Set,
        };
        let pointer = self.number() == 1;
        let required = self.number() == 1;
        let ty = self.id();
        let default = default(self.text());
        let rules = rules(self.text());
        let patch = patch(self.text());
        let go_type = Str::Borrowed(self.text());
        let embedded = Str::Borrowed(self.text());
        let granular = self.number() == 1;
        Field {
            name,
            tags,
            ty,
            presence,
            pointer,
            required,
            default,
            patch,
            rules,
            go_type,
            embedded,
            granular,
        }
    }
}

fn default(text: &'static str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    Some(pintle_object::json::parse(text.as_bytes()).expect("tables hold valid JSON"))
}

fn rules(one_of: &'static str) -> Option<Box<FieldRules>> {
    if one_of.is_empty() {
        return None;
    }
    // An empty text may be one of the values.
    let one_of = one_of.split('|').map(Str::Borrowed).collect();
    Some(Box::new(FieldRules { one_of, ..FieldRules::default() }))
}

/// `merge:name`, `merge,retainKeys:name`, `replace`, ...
fn patch(text: &'static str) -> Option<Box<PatchRule>> {
    if text.is_empty() {
        return None;
    }
    let (strategies, key) = text.split_once(':').unwrap_or((text, ""));
    let has = |word: &str| strategies.split(',').any(|strategy| strategy == word);
    let rule = PatchRule {
        merge: has("merge"),
        replace: has("replace"),
        retain_keys: has("retainKeys"),
        merge_key: Str::Borrowed(key),
    };
    Some(Box::new(rule))
}

fn split(text: &'static str, separator: char) -> Vec<Str> {
    text.split(separator).filter(|part| !part.is_empty()).map(Str::Borrowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_open() {
        let api = builtin();
        let pod = api.kind(&GroupVersionKind::new("", "v1", "Pod")).unwrap();
        assert_eq!(api.schema.ty(pod).name, "k8s.io.api.core.v1.Pod");
        let Shape::Struct(pod) = api.schema.shape(pod) else { panic!("a pod is a struct") };
        let names: Vec<&str> = pod.fields.iter().map(|field| field.name.as_ref()).collect();
        assert_eq!(names, ["kind", "apiVersion", "metadata", "spec", "status"]);
        assert!(api.kind(&GroupVersionKind::new("apps", "v1", "DeleteOptions")).is_some());
        assert_eq!(api.kind(&GroupVersionKind::new("apps", "v1", "Nothing")), None);
    }

    #[test]
    fn every_resource_has_its_type() {
        let api = builtin();
        assert_eq!(api.resources.all.len(), 68);
        let deployments = api.resources.get("apps", "v1", "deployments").unwrap();
        assert_eq!(deployments.short_names, ["deploy"]);
        assert_eq!(deployments.subresources.len(), 2);
        assert_eq!(deployments.columns.first().unwrap().name, "Name");
        assert_eq!(api.resources.get("", "v1", "services").unwrap().key_prefix, "services/specs");
    }

    #[test]
    fn versions_that_are_off_by_default_are_known() {
        let api = known();
        assert_eq!(api.resources.all.len(), 68 + 27);
        let versions: Vec<&str> =
            api.resources.groups().into_iter().find(|g| g.0 == "resource.k8s.io").unwrap().1;
        assert_eq!(versions, ["v1", "v1beta2", "v1beta1", "v1alpha3"]);
        let class = api.resources.get("storage.k8s.io", "v1beta1", "volumeattributesclasses").unwrap();
        assert_eq!((class.life.since, class.life.removed, class.storage_version.as_ref()), (31, 37, "v1"));
        assert!(
            api.resources
                .all
                .iter()
                .all(|resource| resource.list_ty.is_some() || resource.list_kind.is_empty())
        );
    }
}
