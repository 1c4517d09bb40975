//! Documents of custom resources: their operations, and their schemas as a CustomResourceDefinition has them.

pub(crate) mod parts;
mod version_2;

use super::operation::Style;
use super::resource::Operations;
use super::schema::{Components, group_version_kind};
use super::swagger;
use crate::custom::parts::{CONVENTIONS, CustomKind, add_selectable, described, embed, metadata, type_meta};
use crate::parts::{object, reference, texts, type_name};
use crate::tables::Tables;
use pintle_object::{Map, Value};
use pintle_schema::Resource;

/// Groups that custom resources' documents do not name among the kinds of DeleteOptions.
const UNNAMED_GROUPS: [&str; 4] =
    ["admission.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "imagepolicy.k8s.io"];

pub(super) fn document(tables: &Tables<'_>, customs: &[CustomKind<'_>]) -> Value {
    let mut components = Components::new(tables, None);
    let mut paths = Map::new();
    for custom in customs {
        let own = schema(custom, &mut components);
        add(custom, own, &mut paths, &mut components);
    }
    components.close();
    if let Some(options) = components.schemas.get_mut(&type_name(DELETE_OPTIONS)) {
        let groups = tables.group_versions().into_iter();
        let named = groups.filter(|(group, _)| !UNNAMED_GROUPS.contains(&group.as_str()));
        let kinds: Vec<Value> =
            named.map(|(group, version)| group_version_kind(&group, &version, "DeleteOptions")).collect();
        options.set(&["x-kubernetes-group-version-kind"], kinds);
    }
    object([
        ("openapi", "3.0.0".into()),
        ("info", object([("title", "Kubernetes CRD Swagger".into()), ("version", "v0.1.0".into())])),
        ("paths", paths.into()),
        ("components", object([("schemas", components.schemas.into_iter().collect::<Map>().into())])),
    ])
}

/// Adds the paths of a resource, its schema and that of its list.
fn add(custom: &CustomKind<'_>, own: Value, paths: &mut Map, components: &mut Components<'_>) {
    let resource = custom.resource;
    let operations = Operations::new(Style::CUSTOM, &resource.group, &resource.version);
    let name = name(&resource.group, &resource.version, &resource.kind);
    let list = self::name(&resource.group, &resource.version, &list_kind(resource));
    let own_list = list_schema(resource, &name, components);
    components.schemas.insert(name.clone(), own);
    components.schemas.insert(list.clone(), own_list);
    operations.add_with(resource, &reference(&name), Some(&reference(&list)), paths, components);
}

/// Adds custom resources to a v2 document.
pub(super) fn add_to_v2(tables: &Tables<'_>, customs: &[CustomKind<'_>], document: &mut Value) {
    let mut components = Components::new(tables, None);
    let mut paths = Map::new();
    let mut own_names = Vec::new();
    for custom in customs {
        let own = version_2::schema(custom, &mut components);
        own_names.push(name(&custom.resource.group, &custom.resource.version, &custom.resource.kind));
        add(custom, own, &mut paths, &mut components);
    }
    components.close();
    let mut shared = Map::new();
    let items: Map =
        paths.iter().map(|(path, item)| (path, swagger::custom_path_item(item, &mut shared))).collect();
    let schemas = components.schemas.into_iter().map(|(name, schema)| {
        let is_own = own_names.contains(&name);
        let schema =
            if is_own { schema } else { swagger::definition(&name, schema, &tables.group_versions()) };
        (name, schema)
    });
    let schemas: Map = schemas.collect();
    for (part, entries) in [("paths", items), ("definitions", schemas), ("parameters", shared)] {
        let Some(have) = document.get_mut(part).and_then(Value::as_map_mut) else { continue };
        // Components that are there already, as the types of meta, stay.
        for (name, entry) in entries {
            if have.get(&name).is_none() {
                have.insert(name, entry);
            }
        }
    }
}

const DELETE_OPTIONS: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/// `com.example.stable.v1.Widget`
fn name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').rev().collect();
    parts.extend([version, kind]);
    parts.join(".")
}

fn list_kind(resource: &Resource) -> String {
    match resource.list_kind.as_ref() {
        "" => format!("{}List", resource.kind),
        kind => kind.into(),
    }
}

fn schema(custom: &CustomKind<'_>, components: &mut Components<'_>) -> Value {
    let resource = custom.resource;
    let mut schema = match custom.schema {
        Some(schema) => published(schema, components),
        None => object([("x-kubernetes-preserve-unknown-fields", true.into())]),
    };
    schema.set(&["type"], "object");
    // Fields of every object are added to those of the definition.
    for (field, property) in type_meta(components) {
        schema.set(&["properties", field], property);
    }
    schema.set(&["properties", "metadata"], metadata(components));
    let kind = group_version_kind(&resource.group, &resource.version, &resource.kind);
    schema.set(&["x-kubernetes-group-version-kind"], vec![kind]);
    add_selectable(resource, &mut schema);
    schema
}

fn list_schema(resource: &Resource, item: &str, components: &mut Components<'_>) -> Value {
    let list = list_kind(resource);
    let items = object([
        ("description", format!("List of {}. More info: {CONVENTIONS}", resource.plural).into()),
        ("type", "array".into()),
        ("items", reference(item)),
    ]);
    let list_meta = object([("allOf", vec![components.meta("ListMeta")].into())]);
    let list_meta = described(list_meta, components.field_of_status("metadata"));
    let mut properties: Map = type_meta(components).into_iter().collect();
    properties.insert("items", items);
    properties.insert("metadata", list_meta);
    let mut schema = object([
        ("description", format!("{list} is a list of {}", resource.kind).into()),
        ("type", "object".into()),
        ("required", texts(["items"])),
        ("properties", properties.into()),
        (
            "x-kubernetes-group-version-kind",
            vec![group_version_kind(&resource.group, &resource.version, &list)].into(),
        ),
    ]);
    add_selectable(resource, &mut schema);
    schema
}

/// A definition's schema as documents show it.
fn published(schema: &Value, components: &mut Components<'_>) -> Value {
    let Some(map) = schema.as_map() else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in map.iter() {
        let value = match key {
            "properties" => {
                let properties = value.as_map().into_iter().flat_map(|map| map.iter());
                Value::from(properties.map(|(name, one)| (name, published(one, components))).collect::<Map>())
            }
            "items" | "additionalProperties" => published(value, components),
            _ => value.clone(),
        };
        out.insert(key, value);
    }
    let mut out = Value::from(out);
    if out.bool_at(&["x-kubernetes-int-or-string"]) && out.get("anyOf").is_none() {
        let either = ["integer", "string"].map(|ty| object([("type", ty.into())]));
        out.set(&["anyOf"], either.to_vec());
    }
    if out.bool_at(&["x-kubernetes-embedded-resource"]) {
        embed(&mut out, components);
    }
    out
}
