//! JSONSchemaProps to nodes.

use super::format;
use crate::custom::node::{Additional, Node};
use pintle_object::{Text, Value, json};
use pintle_regexp::{Budget, Regexp};

impl Node {
    pub(super) fn compile(props: &Value, patterns: &Budget) -> Node {
        let int = |name: &str| props.int_at(&[name]);
        let types = types(props);
        let format = format::supported(&types, props.str_at(&["format"]));
        Node {
            format_pattern: format::pattern(&format).map(|pattern| Regexp::unchecked(&pattern, patterns)),
            format,
            nullable: props.bool_at(&["nullable"]),
            default: props.get("default").map(untyped),
            default_bytes: props.get("default").map_or(0, |default| json::to_string(default).len()),
            one_of_values: props.list_at(&["enum"]).iter().map(untyped).collect(),
            properties: properties(props, patterns),
            additional: additional(props, patterns),
            required: texts(props, "required"),
            properties_min: int("minProperties"),
            properties_max: int("maxProperties"),
            preserve_unknown: props.bool_at(&["x-kubernetes-preserve-unknown-fields"]),
            embedded: props.bool_at(&["x-kubernetes-embedded-resource"]),
            map_is_atomic: props.str_at(&["x-kubernetes-map-type"]) == "atomic",
            items: boxed(props, "items", patterns),
            items_min: int("minItems"),
            items_max: int("maxItems"),
            unique: props.bool_at(&["uniqueItems"]),
            list_type: props.str_at(&["x-kubernetes-list-type"]).into(),
            list_keys: texts(props, "x-kubernetes-list-map-keys"),
            length_min: int("minLength"),
            length_max: int("maxLength"),
            pattern: Some(props.str_at(&["pattern"]))
                .filter(|pattern| !pattern.is_empty())
                .map(|pattern| Regexp::unchecked(pattern, patterns)),
            minimum: number(props, "minimum"),
            minimum_is_exclusive: props.bool_at(&["exclusiveMinimum"]),
            maximum: number(props, "maximum"),
            maximum_is_exclusive: props.bool_at(&["exclusiveMaximum"]),
            multiple_of: number(props, "multipleOf"),
            all_of: nodes(props, "allOf", patterns),
            any_of: nodes(props, "anyOf", patterns),
            one_of: nodes(props, "oneOf", patterns),
            not: boxed(props, "not", patterns),
            types,
        }
    }
}

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

fn types(props: &Value) -> Vec<&'static str> {
    if props.bool_at(&["x-kubernetes-int-or-string"]) {
        return vec!["integer", "string"];
    }
    let name = props.str_at(&["type"]);
    TYPES.into_iter().filter(|known| *known == name).collect()
}

fn properties(props: &Value, patterns: &Budget) -> Vec<(Text, Node)> {
    let map = props.map_at(&["properties"]);
    map.into_iter()
        .flat_map(|map| map.iter())
        .map(|(name, props)| (name.into(), Node::compile(props, patterns)))
        .collect()
}

fn additional(props: &Value, patterns: &Budget) -> Additional {
    match props.get("additionalProperties") {
        None | Some(Value::Null) => Additional::Unsaid,
        Some(Value::Bool(false)) => Additional::Forbidden,
        Some(Value::Map(map)) => {
            Additional::Schema(Box::new(Node::compile(&Value::Map(map.clone()), patterns)))
        }
        Some(_) => Additional::Allowed,
    }
}

fn boxed(props: &Value, name: &str, patterns: &Budget) -> Option<Box<Node>> {
    props.get(name).filter(|node| node.as_map().is_some()).map(|node| Box::new(Node::compile(node, patterns)))
}

fn nodes(props: &Value, name: &str, patterns: &Budget) -> Vec<Node> {
    props.list_at(&[name]).iter().map(|node| Node::compile(node, patterns)).collect()
}

fn texts(props: &Value, name: &str) -> Vec<Text> {
    props.list_at(&[name]).iter().filter_map(|value| value.as_str().map(Text::from)).collect()
}

fn number(props: &Value, name: &str) -> Option<f64> {
    match props.get(name)? {
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        _ => None,
    }
}

/// A value that JSONSchemaProps keeps as raw JSON.
fn untyped(value: &Value) -> Value {
    match value {
        Value::Raw(raw) => json::parse(raw.0.as_bytes()).unwrap_or_default(),
        other => other.clone(),
    }
}
