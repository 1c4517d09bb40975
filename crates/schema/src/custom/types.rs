//! Types of custom resources for server-side apply: the fields and list items of a CRD's schema that a manager can own.
//!
//! Objects of custom resources are decoded without these types; only managed fields look at them.

use crate::model::{Field, List, ListType, Map, Presence, Schema, Shape, Str, Struct, Type, TypeId};
use pintle_object::{Value, json};
use std::collections::HashMap;

/// The fields whose types no schema changes.
const RESOURCE_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];
const OBJECT_META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// One closed schema with a type for every version of a CRD, in their order. A version without a schema takes
/// any fields.
pub fn types(builtin: &Schema, versions: &[Option<&Value>]) -> (Schema, Vec<TypeId>) {
    let mut maker = Maker { builtin, out: Schema::default(), copied: HashMap::new() };
    let ids = versions.iter().map(|props| maker.root(*props)).collect();
    (maker.out, ids)
}

struct Maker<'a> {
    builtin: &'a Schema,
    out: Schema,
    /// Built-in types that were copied, by their place in the built-in schema.
    copied: HashMap<u32, TypeId>,
}

impl Maker<'_> {
    fn root(&mut self, props: Option<&Value>) -> TypeId {
        let mut fields = self.fields_of_resource();
        let is_open = props.is_none_or(|props| props.bool_at(&["x-kubernetes-preserve-unknown-fields"]));
        let properties = props.and_then(|props| props.map_at(&["properties"]));
        for (name, props) in properties.into_iter().flat_map(|map| map.iter()) {
            if !RESOURCE_FIELDS.contains(&name) {
                let ty = self.value(props);
                fields.push(with_default(field(name, ty), props));
            }
        }
        let mut inner = Struct::new(fields, false);
        inner.open = is_open;
        self.push(Shape::Struct(inner))
    }

    /// The fields of every object, also of one that is embedded in another.
    fn fields_of_resource(&mut self) -> Vec<Field> {
        let meta = self.builtin.named(OBJECT_META).expect("the tables hold ObjectMeta");
        let meta = self.copy(meta);
        let text = self.push(Shape::Text);
        let [api_version, kind, metadata] = RESOURCE_FIELDS;
        vec![field(api_version, text), field(kind, text), field(metadata, meta)]
    }

    fn value(&mut self, props: &Value) -> TypeId {
        if props.bool_at(&["x-kubernetes-int-or-string"]) {
            return self.push(Shape::IntOrString);
        }
        let shape = match props.str_at(&["type"]) {
            "string" => Shape::Text,
            "integer" => Shape::Int64,
            "number" => Shape::Double,
            "boolean" => Shape::Bool,
            "array" => self.list(props),
            "object" => self.object(props),
            _ => Shape::Any,
        };
        self.push(shape)
    }

    fn list(&mut self, props: &Value) -> Shape {
        let item = match props.get("items") {
            Some(items) if items.as_map().is_some() => self.value(items),
            _ => self.push(Shape::Any),
        };
        let list_type = match props.str_at(&["x-kubernetes-list-type"]) {
            "map" => ListType::Map,
            "set" => ListType::Set,
            _ => ListType::Atomic,
        };
        let keys = props.list_at(&["x-kubernetes-list-map-keys"]).iter();
        let keys = keys.filter_map(Value::as_str).map(|key| Str::Owned(key.into())).collect();
        Shape::List(List { item, list_type, keys, wrapped: false })
    }

    fn object(&mut self, props: &Value) -> Shape {
        let atomic = props.str_at(&["x-kubernetes-map-type"]) == "atomic";
        if let Some(additional) = props.get("additionalProperties").filter(|value| value.as_map().is_some()) {
            let value = self.value(additional);
            return Shape::Map(Map { value, atomic });
        }
        let is_embedded = props.bool_at(&["x-kubernetes-embedded-resource"]);
        let mut fields = if is_embedded { self.fields_of_resource() } else { Vec::new() };
        for (name, props) in props.map_at(&["properties"]).into_iter().flat_map(|map| map.iter()) {
            if is_embedded && RESOURCE_FIELDS.contains(&name) {
                continue;
            }
            let ty = self.value(props);
            fields.push(with_default(field(name, ty), props));
        }
        let open = props.bool_at(&["x-kubernetes-preserve-unknown-fields"]);
        if fields.is_empty() && !atomic {
            return Shape::Any;
        }
        let mut inner = Struct::new(fields, atomic);
        inner.open = open;
        Shape::Struct(inner)
    }

    fn push(&mut self, shape: Shape) -> TypeId {
        self.out.types.push(Type { name: Str::Borrowed(""), shape });
        TypeId(self.out.types.len() as u32 - 1)
    }

    /// A built-in type and all that it refers to. Types that refer to themselves are not among those of metadata.
    fn copy(&mut self, id: TypeId) -> TypeId {
        if let Some(known) = self.copied.get(&id.0) {
            return *known;
        }
        let ty = self.builtin.ty(id);
        let shape = match &ty.shape {
            Shape::Struct(inner) => {
                let fields = inner.fields.iter();
                let fields = fields.map(|field| Field { ty: self.copy(field.ty), ..field.clone() }).collect();
                Shape::Struct(Struct::new(fields, inner.atomic))
            }
            Shape::List(list) => Shape::List(List { item: self.copy(list.item), ..list.clone() }),
            Shape::Map(map) => Shape::Map(Map { value: self.copy(map.value), atomic: map.atomic }),
            other => other.clone(),
        };
        self.out.types.push(Type { name: ty.name.clone(), shape });
        let copy = TypeId(self.out.types.len() as u32 - 1);
        self.copied.insert(id.0, copy);
        copy
    }
}

fn field(name: &str, ty: TypeId) -> Field {
    Field {
        name: Str::Owned(name.into()),
        tags: Box::new([0]),
        ty,
        presence: Presence::Set,
        pointer: true,
        required: false,
        default: None,
        patch: None,
        rules: None,
        go_type: Str::Borrowed(""),
        embedded: Str::Borrowed(""),
        granular: false,
    }
}

/// The default of a key counts where an item leaves the key out.
fn with_default(field: Field, props: &Value) -> Field {
    let default = props.get("default").map(|value| match value {
        Value::Raw(raw) => json::parse(raw.0.as_bytes()).unwrap_or_default(),
        other => other.clone(),
    });
    Field { default, ..field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_resources_have_the_types_of_every_object() {
        let props = br#"{"type":"object","properties":{"template":{"type":"object","properties":{
            "metadata":{"type":"object"},"spec":{"type":"object","properties":{"a":{"type":"string"}}}},
            "x-kubernetes-embedded-resource":true}}}"#;
        let props = json::parse(props).unwrap();
        let builtin = crate::builtin();
        let (schema, ids) = types(&builtin.schema, &[Some(&props)]);
        let field = |ty: TypeId, name: &str| match schema.shape(ty) {
            Shape::Struct(inner) => inner.field(name).map(|field| field.ty),
            _ => None,
        };
        let template = field(ids[0], "template").unwrap();
        let meta = field(template, "metadata").unwrap();
        let owners = field(meta, "ownerReferences").unwrap();
        assert!(matches!(schema.shape(owners), Shape::List(list) if list.list_type == ListType::Map));
        assert!(field(template, "kind").is_some() && field(template, "spec").is_some());
        assert!(matches!(schema.shape(template), Shape::Struct(inner) if !inner.open));
    }
}
