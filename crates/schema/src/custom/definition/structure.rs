//! Schemas that no structural schema can be made of.

use pintle_object::Value;

const UNSUPPORTED: [(&str, &str); 7] = [
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
];

/// The first reason why a schema cannot be structural.
pub(super) fn unfit(props: &Value) -> Option<String> {
    let is_set = |name: &str| match props.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::Text(text)) => !text.is_empty(),
        Some(Value::Map(map)) => !map.is_empty() || name == "additionalItems",
        Some(_) => true,
    };
    if let Some((_, name)) = UNSUPPORTED.iter().find(|(name, _)| is_set(name)) {
        return Some(format!("OpenAPIV3Schema '{name}' is not supported"));
    }
    let branches = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| props.list_at(&[name]));
    let own = props.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool) == Some(false);
    let message = "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
    let items = props.get("items");
    let has_many = items.and_then(Value::as_list).is_some_and(|list| !list.is_empty());
    let array = "OpenAPIV3Schema 'items' must be a schema, but is an array";
    let below = |name: &str| props.get(name).filter(|below| below.as_map().is_some()).and_then(unfit);
    below("not")
        .or_else(|| branches.into_iter().find_map(unfit))
        .or_else(|| own.then(|| message.into()))
        .or_else(|| has_many.then(|| array.into()))
        .or_else(|| below("items"))
        .or_else(|| props.map_at(&["properties"])?.iter().find_map(|(_, below)| unfit(below)))
        .or_else(|| below("additionalProperties"))
}
