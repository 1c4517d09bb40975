//! Structural schemas: every field has one type, given outside of `allOf`, `anyOf`, `oneOf` and `not`.

use pintle_object::{FieldErrors, Path, Value};

#[derive(Clone, Copy, PartialEq)]
enum SchemaLevel {
    Root,
    Item,
    Field,
}

/// All errors, sorted by their texts.
pub(super) fn check(props: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut found = FieldErrors::new();
    invariants(props, SchemaLevel::Root, path, &mut found);
    complete_branches(props, Some(props), path, path, &mut found);
    let mut found = found.into_vec();
    found.sort_by_cached_key(ToString::to_string);
    found.into_iter().for_each(|error| errors.push(error));
}

fn invariants(props: &Value, level: SchemaLevel, path: &Path<'_>, errors: &mut FieldErrors) {
    let ty = props.str_at(&["type"]);
    match map_below(props, "items") {
        Some(items) => invariants(items, SchemaLevel::Item, &path.child("items"), errors),
        None if ty == "array" => errors.required(&path.child("items"), "must be specified"),
        None => {}
    }
    let properties = path.child("properties");
    for (name, below) in properties_of(props) {
        invariants(below, SchemaLevel::Field, &properties.key(name), errors);
    }
    if is_set(props, "additionalProperties") {
        let path = path.child("additionalProperties");
        if level == SchemaLevel::Root {
            errors.forbidden(&path, "must not be used at the root");
        }
        if let Some(below) = map_below(props, "additionalProperties") {
            invariants(below, SchemaLevel::Field, &path, errors);
        }
    }
    extensions(props, path, errors);
    let first_all = props.list_at(&["allOf"]).first();
    let skip_first_all = first_all.is_some_and(|all| is_int_or_string(all.list_at(&["anyOf"])));
    let skip_any = is_int_or_string(props.list_at(&["anyOf"]));
    value_rules(props, skip_any, skip_first_all, path, errors);
    type_rules(props, level, path, errors);
    meta_fields(props, level, path, errors);
    let is_open = flag(props, "x-kubernetes-preserve-unknown-fields");
    if flag(props, "x-kubernetes-embedded-resource") && !is_open && properties_of(props).next().is_none() {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without \
                   x-kubernetes-preserve-unknown-fields";
        errors.required(&path.child("properties"), why);
    }
}

fn extensions(props: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if !flag(props, "x-kubernetes-int-or-string") {
        return;
    }
    for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(props, name) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            errors.invalid(&path.child(name), &Value::Bool(true), why);
        }
    }
}

fn type_rules(props: &Value, level: SchemaLevel, path: &Path<'_>, errors: &mut FieldErrors) {
    let ty = props.str_at(&["type"]);
    let type_path = path.child("type");
    let is_embedded = flag(props, "x-kubernetes-embedded-resource");
    let is_free =
        flag(props, "x-kubernetes-int-or-string") || flag(props, "x-kubernetes-preserve-unknown-fields");
    if is_embedded && ty != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        if ty.is_empty() { errors.required(&type_path, why) } else { errors.invalid(&type_path, ty, why) }
    } else if ty.is_empty() && !is_free {
        let whose = match level {
            SchemaLevel::Root => "must not be empty at the root",
            SchemaLevel::Item => "must not be empty for specified array items",
            SchemaLevel::Field => "must not be empty for specified object fields",
        };
        errors.required(&type_path, whose);
    }
    if is_embedded && is_set(props, "additionalProperties") {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&path.child("additionalProperties"), why);
    }
    if level == SchemaLevel::Root && !ty.is_empty() && ty != "object" {
        errors.invalid(&type_path, ty, "must be object at the root");
    }
}

/// A resource's kind and apiVersion are text, and a schema says little about its metadata.
fn meta_fields(props: &Value, level: SchemaLevel, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_resource = level == SchemaLevel::Root || flag(props, "x-kubernetes-embedded-resource");
    let properties = path.child("properties");
    for name in ["kind", "apiVersion"] {
        if let Some(own) = property(props, name).filter(|_| is_resource)
            && own.str_at(&["type"]) != "string"
        {
            errors.invalid(&properties.key(name).child("type"), own.str_at(&["type"]), "must be string");
        }
    }
    let Some(metadata) = property(props, "metadata") else { return };
    let path = properties.key("metadata");
    if is_resource && metadata.str_at(&["type"]) != "object" {
        errors.invalid(&path.child("type"), metadata.str_at(&["type"]), "must be object");
    }
    if level == SchemaLevel::Root && says_more_than_names(metadata) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.forbidden(&path, why);
    }
}

fn says_more_than_names(metadata: &Value) -> bool {
    let Some(map) = metadata.as_map() else { return false };
    let is_more = |name: &str| match name {
        // A default is refused elsewhere.
        "type" | "default" => false,
        "properties" => properties_of(metadata).any(|(name, _)| name != "name" && name != "generateName"),
        _ => true,
    };
    map.iter().any(|(name, _)| is_more(name))
}

/// The two spellings of `x-kubernetes-int-or-string` may say types in a branch.
fn is_int_or_string(branches: &[Value]) -> bool {
    let is_type = |branch: &Value, ty: &str| {
        branch.as_map().is_some_and(|map| map.len() == 1) && branch.str_at(&["type"]) == ty
    };
    matches!(branches, [int, text] if is_type(int, "integer") && is_type(text, "string"))
}

fn value_rules(
    props: &Value,
    skip_any: bool,
    skip_first_all: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    for name in ["anyOf", "allOf", "oneOf"] {
        let path = path.child(name);
        let branches = if name == "anyOf" && skip_any { &[] } else { props.list_at(&[name]) };
        for (index, branch) in branches.iter().enumerate() {
            let skip_any = name == "allOf" && skip_first_all && index == 0;
            nested(branch, skip_any, &path.index(index), errors);
        }
    }
    if let Some(not) = map_below(props, "not") {
        nested(not, false, &path.child("not"), errors);
    }
    let pattern = props.str_at(&["pattern"]);
    if let Some(why) = pintle_regexp::fault(pattern) {
        let why = format!("must be a valid regular expression, but isn't: {why}");
        errors.invalid(&path.child("pattern"), pattern, &why);
    }
}

/// Keywords that are forbidden in a branch, with the word in the message.
const FORBIDDEN: [(&str, &str); 12] = [
    ("type", "empty"),
    ("additionalProperties", "undefined"),
    ("default", "undefined"),
    ("title", "empty"),
    ("description", "empty"),
    ("nullable", "false"),
    ("x-kubernetes-preserve-unknown-fields", "false"),
    ("x-kubernetes-embedded-resource", "false"),
    ("x-kubernetes-int-or-string", "false"),
    ("x-kubernetes-list-map-keys", "empty"),
    ("x-kubernetes-list-type", "undefined"),
    ("x-kubernetes-map-type", "undefined"),
];

fn nested(branch: &Value, skip_any: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    value_rules(branch, skip_any, false, path, errors);
    if let Some(items) = map_below(branch, "items") {
        nested(items, false, &path.child("items"), errors);
    }
    let properties = path.child("properties");
    for (name, below) in properties_of(branch) {
        nested(below, false, &properties.key(name), errors);
    }
    for (name, word) in FORBIDDEN {
        let is_there = match branch.get(name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Text(text)) => !text.is_empty() || word == "undefined",
            Some(Value::List(list)) => !list.is_empty(),
            Some(_) => true,
        };
        if is_there {
            errors.forbidden(&path.child(name), &format!("must be {word} to be structural"));
        }
    }
    if !branch.list_at(&["x-kubernetes-validations"]).is_empty() {
        errors.forbidden(&path.child("x-kubernetes-validations"), "must be empty to be structural");
    }
    if property(branch, "metadata").is_some() {
        errors.forbidden(&properties.key("metadata"), "must not be specified in a nested context");
    }
}

/// Every field that a branch speaks about exists outside of branches too. `path` is the place in the schema,
/// `from` that of the branch.
fn complete_branches(
    props: &Value,
    schema: Option<&Value>,
    path: &Path<'_>,
    from: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(not) = map_below(props, "not") {
        complete(not, schema, path, &from.child("not"), errors);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        let from = from.child(name);
        for (index, branch) in props.list_at(&[name]).iter().enumerate() {
            complete(branch, schema, path, &from.index(index), errors);
        }
    }
}

fn complete(
    branch: &Value,
    schema: Option<&Value>,
    path: &Path<'_>,
    from: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(schema) = schema else {
        errors.required(path, &format!("because it is defined in {from}"));
        return;
    };
    complete_branches(branch, Some(schema), path, from, errors);
    if let Some(items) = map_below(branch, "items") {
        complete(items, map_below(schema, "items"), &path.child("items"), &from.child("items"), errors);
    }
    let (path, from) = (path.child("properties"), from.child("properties"));
    for (name, below) in properties_of(branch) {
        complete(below, property(schema, name), &path.key(name), &from.key(name), errors);
    }
}

fn flag(props: &Value, name: &str) -> bool {
    props.bool_at(&[name])
}

fn is_set(props: &Value, name: &str) -> bool {
    props.get(name).is_some_and(|value| !value.is_null())
}

fn map_below<'a>(props: &'a Value, name: &str) -> Option<&'a Value> {
    props.get(name).filter(|below| below.as_map().is_some())
}

fn property<'a>(props: &'a Value, name: &str) -> Option<&'a Value> {
    props.get("properties")?.get(name)
}

fn properties_of(props: &Value) -> impl Iterator<Item = (&str, &Value)> {
    props.map_at(&["properties"]).into_iter().flat_map(|map| map.iter())
}
