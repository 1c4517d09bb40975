//! Schemas of custom resources in OpenAPI v2, without the parts that its clients cannot read: alternatives, null, and
//! properties of fields that may hold anything.

use super::super::schema::{Components, group_version_kind};
use super::super::swagger;
use crate::custom::parts::{CustomKind, add_selectable, embed, metadata, type_meta};
use crate::parts::object;
use pintle_object::{Map, Value};

/// Keywords that version 2 does not have.
const LEFT_OUT: [&str; 6] = ["allOf", "oneOf", "anyOf", "not", "default", "nullable"];

/// The schema of a resource.
pub fn schema(custom: &CustomKind<'_>, components: &mut Components<'_>) -> Value {
    let resource = custom.resource;
    let mut schema = match custom.schema {
        // If some fields are listed, clients refuse others.
        None => object([("type", "object".into())]),
        Some(schema) if takes_anything(schema) => object([("type", "object".into())]),
        Some(schema) => {
            let mut schema = published(schema, components);
            for (field, property) in type_meta(components) {
                schema.set(&["properties", field], property);
            }
            schema.set(&["properties", "metadata"], swagger::convert(metadata(components)));
            schema
        }
    };
    let kind = group_version_kind(&resource.group, &resource.version, &resource.kind);
    schema.set(&["x-kubernetes-group-version-kind"], vec![kind]);
    add_selectable(resource, &mut schema);
    schema
}

fn takes_anything(schema: &Value) -> bool {
    schema.bool_at(&["x-kubernetes-preserve-unknown-fields"])
}

fn published(schema: &Value, components: &mut Components<'_>) -> Value {
    let Some(map) = schema.as_map() else { return schema.clone() };
    let is_nullable = schema.bool_at(&["nullable"]);
    let is_opaque = is_nullable || takes_anything(schema);
    let mut out = Map::new();
    for (key, value) in map.iter().filter(|(key, _)| !LEFT_OUT.contains(key)) {
        let value = match key {
            "properties" | "items" if is_opaque => continue,
            "type" if is_nullable => continue,
            "properties" => {
                let properties = value.as_map().into_iter().flat_map(|map| map.iter());
                Value::from(properties.map(|(name, one)| (name, published(one, components))).collect::<Map>())
            }
            "items" | "additionalProperties" => published(value, components),
            "required" => match required(schema, value, is_opaque) {
                Some(names) => names,
                None => continue,
            },
            _ => value.clone(),
        };
        out.insert(key, value);
    }
    let mut out = Value::from(out);
    let ty = out.str_at(&["type"]).to_string();
    if (ty == "array" && out.get("items").is_none()) || (ty == "object" && takes_anything(schema)) {
        out.remove(&["type"]);
    }
    if out.bool_at(&["x-kubernetes-embedded-resource"]) && !takes_anything(schema) {
        embed(&mut out, components);
        if let Some(property) =
            out.get_mut("properties").and_then(|properties| properties.get_mut("metadata"))
        {
            *property = swagger::convert(std::mem::take(property));
        }
    }
    out
}

/// The names of required fields, without nullable ones.
fn required(schema: &Value, names: &Value, is_opaque: bool) -> Option<Value> {
    if schema.bool_at(&["additionalProperties", "nullable"]) {
        return None;
    }
    let may_be_null = |name: &&Value| {
        !is_opaque && schema.bool_at(&["properties", name.as_str().unwrap_or(""), "nullable"])
    };
    let names = names.as_list().unwrap_or_default().iter().filter(|name| !may_be_null(name));
    let names: Vec<Value> = names.cloned().collect();
    (!names.is_empty()).then(|| names.into())
}
