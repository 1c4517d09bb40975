//! The OpenAPI v2 document, converted from the v3 documents.

use super::schema::group_version_kind;
use crate::parts::{object, texts};
use pintle_object::{Map, Value, bytes, json};
use sha2::{Digest as _, Sha224};

/// Media types in the order of version 2.
const ORDER: [&str; 8] = [
    "text/plain",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "*/*",
    "application/jwk-set+json",
];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const CUSTOM_PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
const CUSTOM_BODIES: [&str; 2] = ["application/json", "application/yaml"];
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// `group_versions`: those that options and watch events have kinds in.
pub(super) fn document(paths: Map, schemas: Map, group_versions: &[(String, String)]) -> Value {
    let mut definitions = Map::new();
    for (name, schema) in schemas.iter() {
        definitions.insert(name, definition(name, schema.clone(), group_versions));
    }
    let mut shared = Map::new();
    let items: Map = paths.iter().map(|(path, item)| (path, path_item(item, &mut shared))).collect();
    let token = object([
        ("description", "Bearer Token authentication".into()),
        ("type", "apiKey".into()),
        ("name", "authorization".into()),
        ("in", "header".into()),
    ]);
    object([
        ("swagger", "2.0".into()),
        ("info", object([("title", "Kubernetes".into()), ("version", "1.36".into())])),
        ("paths", items.into()),
        ("definitions", definitions.into()),
        ("parameters", shared.into()),
        ("securityDefinitions", object([("BearerToken", token)])),
        ("security", vec![object([("BearerToken", Vec::new().into())])].into()),
    ])
}

pub(super) fn definition(name: &str, mut schema: Value, group_versions: &[(String, String)]) -> Value {
    let kind = name.rsplit('.').next().unwrap_or(name);
    if name.contains(".meta.v1.") && matches!(kind, "DeleteOptions" | "WatchEvent") {
        let kinds: Vec<Value> =
            group_versions.iter().map(|(group, version)| group_version_kind(group, version, kind)).collect();
        schema.set(&["x-kubernetes-group-version-kind"], kinds);
    }
    if schema.remove(&["oneOf"]).is_some() {
        schema.set(&["type"], "string");
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_map_mut) {
        for (_, property) in properties.iter_mut() {
            let taken = std::mem::take(property);
            *property = convert(taken);
        }
    }
    schema
}

/// A schema of a property: references may have siblings, and defaults are left out.
pub(super) fn convert(mut schema: Value) -> Value {
    if let Some(Value::List(mut all)) = schema.remove(&["allOf"])
        && let Some(target) = all.pop().and_then(|mut reference| reference.remove(&["$ref"]))
    {
        schema.set(&["$ref"], target);
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).map(definition_reference) {
        schema.set(&["$ref"], target);
    }
    schema.remove(&["default"]);
    for part in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(part) {
            let taken = std::mem::take(inner);
            *inner = convert(taken);
        }
    }
    schema
}

fn definition_reference(target: &str) -> String {
    target.replace("#/components/schemas/", "#/definitions/")
}

fn path_item(item: &Value, shared: &mut Map) -> Value {
    item_with(item, consumed, shared)
}

/// The item of a path of a custom resource.
pub(super) fn custom_path_item(item: &Value, shared: &mut Map) -> Value {
    let consumed = |operation: &Value, _: &[&'static str]| match operation.str_at(&["x-kubernetes-action"]) {
        "patch" => CUSTOM_PATCHES.to_vec(),
        _ => CUSTOM_BODIES.to_vec(),
    };
    item_with(item, consumed, shared)
}

/// Media types of bodies, by the operation and the media types of its answer.
type Consumed = fn(&Value, &[&'static str]) -> Vec<&'static str>;

fn consumed(operation: &Value, produces: &[&'static str]) -> Vec<&'static str> {
    match operation.str_at(&["x-kubernetes-action"]) {
        "patch" => PATCHES.to_vec(),
        "" if operation.map_at(&["responses", "200", "content"]).is_some_and(is_text) => Vec::new(),
        "" => produces.to_vec(),
        _ => vec!["*/*"],
    }
}

fn item_with(item: &Value, consumed: Consumed, shared: &mut Map) -> Value {
    let mut out = Map::new();
    for method in METHODS {
        if let Some(operation) = item.get(method) {
            out.insert(method, self::operation(operation, consumed, shared));
        }
    }
    let common = item.list_at(&["parameters"]);
    if !common.is_empty() {
        let common = common.iter().map(|one| share(parameter(one), shared));
        out.insert("parameters", common.collect::<Vec<_>>());
    }
    out.into()
}

fn operation(operation: &Value, consumed: Consumed, shared: &mut Map) -> Value {
    let mut out = object([("schemes", texts(["https"]))]);
    for key in
        ["description", "operationId", "tags", "x-kubernetes-action", "x-kubernetes-group-version-kind"]
    {
        if let Some(value) = operation.get(key) {
            out.set(&[key], value.clone());
        }
    }
    let produces = produces(operation);
    let consumes = consumed(operation, &produces);
    if !consumes.is_empty() {
        out.set(&["consumes"], texts(consumes));
    }
    out.set(&["produces"], texts(produces));
    let parameters = operation.list_at(&["parameters"]).iter().map(parameter);
    let parameters = body(operation).into_iter().chain(parameters).map(|one| share(one, shared));
    let parameters: Vec<Value> = parameters.collect();
    if !parameters.is_empty() {
        out.set(&["parameters"], parameters);
    }
    let responses = operation.map_at(&["responses"]);
    let responses: Map =
        responses.into_iter().flat_map(Map::iter).map(|(code, r)| (code, response(r))).collect();
    out.set(&["responses"], responses);
    out
}

/// In the order of version 2.
fn produces(operation: &Value) -> Vec<&'static str> {
    let content = operation.map_at(&["responses", "200", "content"]);
    let known = |media: &&&str| content.is_some_and(|content| content.get(media).is_some());
    ORDER.iter().filter(known).copied().collect()
}

/// Whether an answer is text, not an object.
fn is_text(content: &Map) -> bool {
    content.values().all(|media| media.str_at(&["schema", "type"]) == "string")
}

fn response(response: &Value) -> Value {
    let mut out = object([("description", response.str_at(&["description"]).into())]);
    if let Some(media) = response.map_at(&["content"]).and_then(|content| content.values().next())
        && let Some(schema) = media.get("schema")
    {
        out.set(&["schema"], convert(schema.clone()));
    }
    out
}

fn body(operation: &Value) -> Option<Value> {
    let body = operation.get("requestBody")?;
    let schema = body.map_at(&["content"])?.values().next()?.get("schema")?;
    let mut out =
        object([("name", "body".into()), ("in", "body".into()), ("schema", convert(schema.clone()))]);
    if body.bool_at(&["required"]) {
        out.set(&["required"], true);
    }
    Some(out)
}

fn parameter(parameter: &Value) -> Value {
    let mut out = parameter.clone();
    if let Some(Value::Map(schema)) = out.remove(&["schema"]) {
        for (key, value) in schema.iter() {
            out.set(&[key], value.clone());
        }
    }
    out
}

/// A reference to a parameter that many operations share; parameters of one kind stay in place.
fn share(parameter: Value, shared: &mut Map) -> Value {
    let name = parameter.str_at(&["name"]);
    let schema = parameter.str_at(&["schema", "$ref"]);
    let is_common = match name {
        "body" => schema.ends_with(".DeleteOptions") || schema.ends_with(".v1.Patch"),
        _ => !matches!(name, "name" | "dryRun" | "fieldValidation"),
    };
    if !is_common {
        return parameter;
    }
    let hash = Sha224::digest(json::to_string(&parameter).as_bytes());
    let hash = bytes::encode(hash.get(..6).unwrap_or_default());
    let key = format!("{name}-{}", hash.replace('+', "-").replace('/', "_"));
    let reference = object([("$ref", format!("#/parameters/{key}").into())]);
    shared.insert(key, parameter);
    reference
}
