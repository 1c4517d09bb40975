//! Facts of the OpenAPI documents that the tables of types and resources do not lead to.

use super::openapi::Schemas;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
# What the OpenAPI documents say beyond the tables of types and resources:
#   TYPE FIELD default JSON    a default that is the zero value, shown all the same
#   TYPE FIELD items A|B       texts that a list's items may be
#   TYPE FIELD values A|B      texts that a map's values may be
#   TYPE FIELD map granular    an explicit map type
#   TYPE FIELD list none       no list type where the tables mean atomic, or atomic where there is no list
#   TYPE union DISCRIMINATOR FIELD=NAME ...
#   delete GROUP/VERSION PLURAL    a delete answers with the object, not with a Status

";

/// Words of a type table's line by type and field.
type Lines<'a> = HashMap<(String, &'a str), Vec<&'a str>>;

pub fn table(
    reference: &Path,
    schemas: &Schemas,
    types: &BTreeMap<String, String>,
) -> Result<String, String> {
    let lines = lines(types);
    let mut facts = Vec::new();
    for (message, schema) in schemas.all() {
        if let Some(unions) = schema["x-kubernetes-unions"].as_array() {
            facts.extend(unions.iter().map(|union| union_fact(message, union)));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let Some(line) = lines.get(&(message.clone(), name.as_str())) else { continue };
            let prefix = format!("{message} {name}");
            facts.extend(field_facts(line, message, name, property).map(|fact| format!("{prefix} {fact}")));
        }
    }
    facts.sort();
    let mut out = String::from(HEAD);
    for fact in facts.into_iter().chain(deletes(reference)?) {
        let _ = writeln!(out, "{fact}");
    }
    Ok(out)
}

fn lines(types: &BTreeMap<String, String>) -> Lines<'_> {
    let mut found = Lines::new();
    for text in types.values() {
        let (mut package, mut ty) = ("", String::new());
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), line.starts_with(' ')) {
                (Some("package"), false) => package = words.next().unwrap_or(""),
                (Some("type"), false) => ty = format!("{package}.{}", words.next().unwrap_or("")),
                (Some(name), true) => {
                    found.insert((ty.clone(), name), words.collect());
                }
                _ => {}
            }
        }
    }
    found
}

fn field_facts(
    line: &[&str],
    message: &str,
    name: &str,
    property: &Value,
) -> impl Iterator<Item = String> + use<> {
    let has = |word: &str| line.contains(&word);
    let ty = line.get(1).copied().unwrap_or("");
    let is_list = ty.starts_with("[]");
    let mut facts = Vec::new();
    if let Some(default) = property.get("default").filter(|default| is_zero_scalar(default))
        && (!has("always") || has("pointer"))
    {
        facts.push(format!("default {default}"));
    }
    if let Some(values) = texts(&property["items"]["enum"]) {
        facts.push(format!("items {values}"));
    }
    if let Some(values) = texts(&property["additionalProperties"]["enum"]) {
        facts.push(format!("values {values}"));
    }
    if property["x-kubernetes-map-type"] == "granular" {
        facts.push(String::from("map granular"));
    }
    let is_items_of_list = name == "items" && message.ends_with("List");
    match property["x-kubernetes-list-type"].as_str() {
        None if is_list && !is_items_of_list => facts.push(String::from("list none")),
        Some(kind) if !is_list => facts.push(format!("list {kind}")),
        _ => {}
    }
    facts.into_iter()
}

fn is_zero_scalar(default: &Value) -> bool {
    !default.is_object() && !super::types::is_real_default(default)
}

fn texts(values: &Value) -> Option<String> {
    let texts: Vec<&str> = values.as_array()?.iter().filter_map(Value::as_str).collect();
    Some(texts.join("|"))
}

fn union_fact(message: &str, union: &Value) -> String {
    let discriminator = union["discriminator"].as_str().unwrap_or("-");
    let mut fact = format!("{message} union {discriminator}");
    for (field, name) in union["fields-to-discriminateBy"].as_object().into_iter().flatten() {
        let _ = write!(fact, " {field}={}", name.as_str().unwrap_or(""));
    }
    fact
}

/// Resources whose delete answers with the object.
fn deletes(reference: &Path) -> Result<Vec<String>, String> {
    let document = crate::codegen::files::read_json(&reference.join("openapi-v2.json"))?;
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        let operation = &item["delete"];
        let answer = operation["responses"]["200"]["schema"]["$ref"].as_str().unwrap_or("");
        if operation["x-kubernetes-action"] != "delete" || answer.ends_with(".Status") {
            continue;
        }
        let kind = &operation["x-kubernetes-group-version-kind"];
        let (group, version) = (kind["group"].as_str().unwrap_or(""), kind["version"].as_str().unwrap_or(""));
        let group_version =
            if group.is_empty() { String::from(version) } else { format!("{group}/{version}") };
        let plural = path.trim_end_matches("/{name}").rsplit('/').next().unwrap_or("");
        found.push(format!("delete {group_version} {plural}"));
    }
    found.sort();
    Ok(found)
}
