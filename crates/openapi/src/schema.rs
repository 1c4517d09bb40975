//! Schemas of types, and the closed set of those that a document refers to.

use crate::parts::{object, reference, texts, type_name};
use crate::tables::Tables;
use pintle_object::{Map, Value, json};
use pintle_schema::Resource;
use pintle_schema::model::{Field, List, ListType, PatchRule, Presence, Shape, Str, Struct, TypeId};
use std::collections::{BTreeMap, HashMap};

const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
const WATCH_EVENT_OBJECT: &str = "The object after the change, or before it for DELETED; a Status for ERROR.";

/// The component schemas of one document.
pub(super) struct Components<'a> {
    pub(super) tables: &'a Tables<'a>,
    pub(super) schemas: BTreeMap<String, Value>,
    /// The group version that the document is for: options and watch events are kinds of it too.
    pub(super) own: Option<(String, String)>,
    pending: Vec<TypeId>,
    kinds: HashMap<TypeId, (String, String)>,
}

impl<'a> Components<'a> {
    pub(super) fn new(tables: &'a Tables<'a>, own: Option<(String, String)>) -> Components<'a> {
        let kinds = tables.api.kinds.iter();
        let kinds = kinds.map(|(gvk, id)| (*id, (gvk.group.to_string(), gvk.version.to_string()))).collect();
        Components { tables, schemas: BTreeMap::new(), own, pending: Vec::new(), kinds }
    }

    /// A reference to a type, which the document then holds.
    pub(super) fn refer(&mut self, id: TypeId) -> Value {
        self.pending.push(id);
        reference(&self.name(id))
    }

    /// A reference to a type of meta by its short name.
    pub(super) fn meta(&mut self, name: &str) -> Value {
        let full = format!("k8s.io.apimachinery.pkg.apis.meta.v1.{name}");
        match self.tables.api.schema.named(&full) {
            Some(id) => self.refer(id),
            None => {
                // Patch is no message of protobuf: the tables do not have it.
                self.add(&type_name(&full), object([("type", "object".into())]));
                reference(&type_name(&full))
            }
        }
    }

    pub(super) fn name(&self, id: TypeId) -> String {
        type_name(&self.tables.api.schema.ty(id).name)
    }

    /// Adds a schema that is no type of the tables.
    pub(super) fn add(&mut self, name: &str, mut schema: Value) {
        self.describe_type(name, &mut schema);
        self.schemas.insert(String::from(name), schema);
    }

    /// Makes the schemas of all referenced types, directly or through others.
    pub(super) fn close(&mut self) {
        while let Some(id) = self.pending.pop() {
            let name = self.name(id);
            if self.schemas.contains_key(&name) {
                continue;
            }
            let mut schema = self.schema(id);
            self.describe_type(&name, &mut schema);
            self.schemas.insert(name, schema);
        }
    }

    pub(super) fn into_value(self) -> Value {
        let token = object([
            ("type", "apiKey".into()),
            ("description", "Bearer Token authentication".into()),
            ("name", "authorization".into()),
            ("in", "header".into()),
        ]);
        let mut components = Map::new();
        if !self.schemas.is_empty() {
            components.insert("schemas", self.schemas.into_iter().collect::<Map>());
        }
        components.insert("securitySchemes", object([("BearerToken", token)]));
        components.into()
    }

    fn describe_type(&self, name: &str, schema: &mut Value) {
        let own = || match (name, list_of(name)) {
            (WATCH_EVENT, _) => Some(String::from("WatchEvent is one event of a watch.")),
            (_, Some(item)) => Some(format!("{item}List is a list of {item} objects.")),
            (_, None) => None,
        };
        if let Some(text) = self.tables.descriptions.of_type(name).map(String::from).or_else(own) {
            schema.set(&["description"], text);
        }
    }

    fn schema(&mut self, id: TypeId) -> Value {
        let ty = self.tables.api.schema.ty(id);
        match &ty.shape {
            Shape::Struct(structure) => self.structure(id, &ty.name, structure),
            Shape::Time | Shape::MicroTime => {
                object([("type", "string".into()), ("format", "date-time".into())])
            }
            Shape::Quantity => object([("oneOf", alternatives(["string", "number"]))]),
            Shape::IntOrString => {
                object([("format", "int-or-string".into()), ("oneOf", alternatives(["integer", "string"]))])
            }
            Shape::RawExtension | Shape::FieldsV1 => object([("type", "object".into())]),
            Shape::Duration => object([("type", "string".into())]),
            _ => Value::map(),
        }
    }

    fn structure(&mut self, id: TypeId, name: &str, structure: &Struct) -> Value {
        let mut properties = Map::new();
        for field in &structure.fields {
            let property = self.property(name, field);
            properties.insert(field.name.as_ref(), property);
        }
        let mut schema = object([("type", "object".into())]);
        if !properties.is_empty() {
            schema.set(&["properties"], properties);
        }
        let required: Vec<&str> =
            structure.fields.iter().filter(|field| field.required).map(|field| field.name.as_ref()).collect();
        if !required.is_empty() {
            schema.set(&["required"], texts(required));
        }
        if structure.atomic {
            schema.set(&["x-kubernetes-map-type"], "atomic");
        }
        if let Some(kinds) = self.group_version_kinds(id, name) {
            schema.set(&["x-kubernetes-group-version-kind"], kinds);
        }
        let unions = self.tables.facts.unions(name);
        if !unions.is_empty() {
            let unions: Vec<Value> = unions.iter().map(|union| union_of(union)).collect();
            schema.set(&["x-kubernetes-unions"], unions);
        }
        schema
    }

    /// The group, version and kind of a type; kinds of meta, which are in every group, have those of the document's
    /// too.
    fn group_version_kinds(&self, id: TypeId, name: &str) -> Option<Value> {
        let kind = name.rsplit('.').next().unwrap_or(name);
        let (group, version) = self.kinds.get(&id)?;
        let mut kinds = vec![group_version_kind(group, version, kind)];
        if matches!(kind, "DeleteOptions" | "WatchEvent")
            && let Some((own_group, own_version)) = &self.own
            && (own_group, own_version) != (group, version)
        {
            kinds.push(group_version_kind(own_group, own_version, kind));
        }
        Some(kinds.into())
    }

    fn property(&mut self, ty: &str, field: &Field) -> Value {
        let description = self.description(ty, field);
        let mut property = self.field_schema(ty, field);
        if let Some(fact) = self.fact(ty, field, "map") {
            property.set(&["x-kubernetes-map-type"], fact);
        }
        if let Some(rule) = &field.patch {
            add_patch_rule(&mut property, rule);
        }
        let default = match self.fact(ty, field, "default") {
            Some("-") => None,
            Some(text) => json::parse(text.as_bytes()).ok(),
            None => field.default.clone(),
        };
        if let Some(default) = default.or_else(|| self.zero_default(field)) {
            property.set(&["default"], default);
        }
        if let Some(description) = description {
            property.set(&["description"], description);
        }
        // A reference may have no siblings: with others it is in a list of one.
        if property.as_map().is_some_and(|map| map.len() > 1)
            && let Some(target) = property.remove(&["$ref"])
        {
            property.set(&["allOf"], vec![object([("$ref", target)])]);
        }
        property
    }

    fn field_schema(&mut self, ty: &str, field: &Field) -> Value {
        let mut schema = self.inline(field.ty);
        match self.tables.api.schema.shape(field.ty) {
            Shape::List(list) if !list.wrapped => {
                let is_items = field.name == "items" && list_of(ty).is_some();
                if !is_items && self.fact(ty, field, "list") != Some("none") {
                    add_list_type(&mut schema, list);
                }
                if let Some(values) = self.enum_fact(ty, field, "items") {
                    schema.set(&["items", "enum"], texts(values.split('|')));
                }
            }
            Shape::Map(map) => {
                if map.atomic {
                    schema.set(&["x-kubernetes-map-type"], "atomic");
                }
                if let Some(values) = self.enum_fact(ty, field, "values") {
                    schema.set(&["additionalProperties", "enum"], texts(values.split('|')));
                }
            }
            _ => {
                if let Some(kind) = self.fact(ty, field, "list") {
                    schema.set(&["x-kubernetes-list-type"], kind);
                }
                let values = self.values(field);
                if !values.is_empty() {
                    schema.set(&["enum"], texts(values.iter().map(AsRef::as_ref)));
                }
            }
        }
        schema
    }

    /// The schema of a type where it is used: named types by reference, others in place.
    fn inline(&mut self, id: TypeId) -> Value {
        let ty = self.tables.api.schema.ty(id);
        let is_wrapped = matches!(&ty.shape, Shape::List(list) if list.wrapped);
        if !ty.name.is_empty() && !is_wrapped {
            return self.refer(id);
        }
        match &ty.shape {
            Shape::List(list) => object([("type", "array".into()), ("items", self.inline(list.item))]),
            Shape::Map(map) => {
                object([("type", "object".into()), ("additionalProperties", self.inline(map.value))])
            }
            Shape::Text => object([("type", "string".into())]),
            Shape::Bool => object([("type", "boolean".into())]),
            Shape::Int32 => object([("type", "integer".into()), ("format", "int32".into())]),
            Shape::Int64 => object([("type", "integer".into()), ("format", "int64".into())]),
            Shape::Double => object([("type", "number".into()), ("format", "double".into())]),
            Shape::Bytes => object([("type", "string".into()), ("format", "byte".into())]),
            _ => Value::map(),
        }
    }

    /// The default of a field that output always shows: Go's zero value.
    fn zero_default(&self, field: &Field) -> Option<Value> {
        if field.presence != Presence::Always || field.pointer {
            return None;
        }
        match self.tables.api.schema.shape(field.ty) {
            Shape::Text => Some("".into()),
            Shape::Bool => Some(false.into()),
            Shape::Int32 | Shape::Int64 | Shape::Double => Some(0.into()),
            Shape::Struct(_) => Some(Value::map()),
            _ => None,
        }
    }

    fn fact(&self, ty: &str, field: &Field, word: &str) -> Option<&'static str> {
        self.tables.facts.field(ty, &field.name, word)
    }

    fn enum_fact(&self, ty: &str, field: &Field, word: &str) -> Option<&'static str> {
        self.fact(ty, field, word).filter(|_| self.tables.has_enums)
    }

    /// The enum of a field; empty without one.
    fn values<'f>(&self, field: &'f Field) -> &'f [Str] {
        let rules = field.rules.as_deref().filter(|_| self.tables.has_enums);
        rules.map(|rules| rules.one_of.as_slice()).unwrap_or_default()
    }

    fn description(&self, ty: &str, field: &Field) -> Option<String> {
        let name = type_name(ty);
        if let Some(text) = self.tables.descriptions.of_field(&name, &field.name) {
            return Some(format!("{text}{}", possible_values(self.values(field))));
        }
        if name == WATCH_EVENT && field.name == "object" {
            return Some(String::from(WATCH_EVENT_OBJECT));
        }
        // Lists have no descriptions of their own: kind and apiVersion are those of every object.
        let item = list_of(&name)?;
        match field.name.as_ref() {
            "items" => Some(format!("List of {}.", self.plural(&name, item))),
            known => self.field_of_status(known),
        }
    }

    /// The name for the objects of a list.
    fn plural(&self, list: &str, item: &str) -> String {
        let schema = &self.tables.api.schema;
        let is_own =
            |resource: &&Resource| resource.list_ty.is_some_and(|id| type_name(&schema.ty(id).name) == list);
        let resource = self.tables.api.resources.all.iter().find(is_own);
        resource.map_or_else(|| format!("{item} objects"), |resource| resource.plural.to_string())
    }

    /// The description of a field that Status shares with every list.
    pub(super) fn field_of_status(&self, field: &str) -> Option<String> {
        let status = type_name("k8s.io.apimachinery.pkg.apis.meta.v1.Status");
        self.tables.descriptions.of_field(&status, field).map(String::from)
    }
}

fn possible_values(values: &[Str]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let lines: String = values.iter().map(|value| format!("\n - `\"{value}\"`")).collect();
    format!("\n\nPossible enum values:{lines}")
}

/// `Pod` for `….PodList`
fn list_of(name: &str) -> Option<&str> {
    let item = name.rsplit('.').next()?.strip_suffix("List")?;
    (!item.is_empty() && !matches!(item, "APIGroup" | "APIResource")).then_some(item)
}

fn alternatives<const N: usize>(types: [&str; N]) -> Value {
    types.into_iter().map(|ty| object([("type", ty.into())])).collect::<Vec<_>>().into()
}

pub(super) fn group_version_kind(group: &str, version: &str, kind: &str) -> Value {
    object([("group", group.into()), ("version", version.into()), ("kind", kind.into())])
}

fn add_list_type(schema: &mut Value, list: &List) {
    let kind = match list.list_type {
        ListType::Atomic => "atomic",
        ListType::Set => "set",
        ListType::Map => "map",
    };
    schema.set(&["x-kubernetes-list-type"], kind);
    if !list.keys.is_empty() {
        schema.set(&["x-kubernetes-list-map-keys"], texts(list.keys.iter().map(AsRef::as_ref)));
    }
}

fn add_patch_rule(schema: &mut Value, rule: &PatchRule) {
    let strategies = [(rule.merge, "merge"), (rule.replace, "replace"), (rule.retain_keys, "retainKeys")];
    let strategies: Vec<&str> = strategies.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    schema.set(&["x-kubernetes-patch-strategy"], strategies.join(","));
    if !rule.merge_key.is_empty() {
        schema.set(&["x-kubernetes-patch-merge-key"], rule.merge_key.as_ref());
    }
}

/// `type queuing=Queuing`
fn union_of(fact: &str) -> Value {
    let mut words = fact.split(' ');
    let discriminator = words.next().unwrap_or("-");
    let fields: Map = words.filter_map(|word| word.split_once('=')).collect();
    let mut union = object([("fields-to-discriminateBy", fields.into())]);
    if discriminator != "-" {
        union.set(&["discriminator"], discriminator);
    }
    union
}
