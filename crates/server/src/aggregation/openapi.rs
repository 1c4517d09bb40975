//! OpenAPI documents of other servers: the part about one API, and its merge into this server's own.

use super::documents::{Version2, hex};
use pintle_object::{Map, Value, json};
use pintle_proxy::RemoteDocument;
use std::collections::BTreeSet;
use std::io::Write;

const DEFINITION: &str = "#/definitions/";
/// The number of different definitions under one name that can be renamed apart.
const RENAMES_MAX: usize = 1000;

/// Reduces an OpenAPI v2 document to one API: its paths, and the definitions that they use.
pub fn version_2(document: &RemoteDocument, group: &str, version: &str) -> Result<Version2, String> {
    let mut tree = json::parse(&document.body).map_err(|error| error.to_string())?;
    filter(&mut tree, &format!("/apis/{group}/{version}/"));
    let json = json::to_string(&tree);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    let packed = encoder.write_all(json.as_bytes()).and_then(|()| encoder.finish());
    let (etag, is_own_etag) = match document.header("etag") {
        "" => (hex(&document.body), true),
        etag => (etag.to_string(), false),
    };
    Ok(Version2 { etag, is_own_etag, gzip: packed.map_err(|error| error.to_string())?.into() })
}

/// The paths of an index of version 3 with their addresses.
pub fn paths(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let index = json::parse(body).map_err(|error| error.to_string())?;
    let paths = index.map_at(&["paths"]).map(Map::iter).into_iter().flatten();
    Ok(paths
        .map(|(path, entry)| (path.to_string(), entry.str_at(&["serverRelativeURL"]).to_string()))
        .collect())
}

fn filter(document: &mut Value, prefix: &str) {
    let used_before = used(document);
    if let Some(Value::Map(paths)) = document.get_mut("paths") {
        let kept = paths.iter().filter(|(path, _)| path.starts_with(prefix));
        *paths = kept.map(|(path, item)| (path.to_string(), item.clone())).collect();
    }
    let used_now = used(document);
    if let Some(Value::Map(definitions)) = document.get_mut("definitions") {
        let is_kept = |name: &str| used_now.contains(name) || !used_before.contains(name);
        let kept = definitions.iter().filter(|(name, _)| is_kept(name));
        *definitions = kept.map(|(name, schema)| (name.to_string(), schema.clone())).collect();
    }
}

/// The definitions that paths refer to, directly or through others.
fn used(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = Vec::new();
    if let Some(paths) = document.get("paths") {
        refs(paths, &mut |name| open.push(name.into()));
    }
    while let Some(name) = open.pop() {
        if !found.insert(name.clone()) {
            continue;
        }
        if let Some(schema) = document.get("definitions").and_then(|all| all.get(&name)) {
            refs(schema, &mut |name| open.push(name.into()));
        }
    }
    found
}

/// Calls `each` with every reference to a definition in a tree.
fn refs(tree: &Value, each: &mut dyn FnMut(&str)) {
    match tree {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                match value.as_str().and_then(|text| text.strip_prefix(DEFINITION)) {
                    Some(name) if key == "$ref" => each(name),
                    _ => refs(value, each),
                }
            }
        }
        Value::List(list) => list.iter().for_each(|value| refs(value, each)),
        _ => {}
    }
}

/// The same document with other names for some of its definitions.
fn renamed(tree: &Value, names: &[(String, String)]) -> Value {
    match tree {
        Value::Map(map) => {
            let pairs = map.iter().map(|(key, value)| {
                let name =
                    value.as_str().filter(|_| key == "$ref").and_then(|text| text.strip_prefix(DEFINITION));
                let new = name.and_then(|name| names.iter().find(|(old, _)| old == name));
                let value = match new {
                    Some((_, new)) => Value::from(format!("{DEFINITION}{new}")),
                    None => renamed(value, names),
                };
                (key.to_string(), value)
            });
            Value::Map(pairs.collect())
        }
        Value::List(list) => Value::List(list.iter().map(|value| renamed(value, names)).collect()),
        other => other.clone(),
    }
}

/// Adds another server's document to one. Existing paths are unchanged; definitions with an existing name and another
/// content get a new name: `Thing_v2`.
pub fn merge(into: &mut Value, packed: &Version2) -> Result<(), String> {
    let mut document = packed.tree()?;
    let names = conflicts(into, &document);
    if !names.is_empty() {
        document = renamed(&document, &names);
        if let Some(Value::Map(definitions)) = document.get_mut("definitions") {
            for (old, new) in &names {
                if let Some(schema) = definitions.remove(old) {
                    definitions.insert(new.as_str(), schema);
                }
            }
        }
    }
    for part in ["paths", "definitions"] {
        let Some(Value::Map(added)) = document.get(part) else { continue };
        if into.get(part).is_none_or(|all| all.as_map().is_none()) {
            into.set(&[part], Value::map());
        }
        let Some(Value::Map(all)) = into.get_mut(part) else { continue };
        for (key, value) in added.iter() {
            if all.get(key).is_none() {
                all.insert(key.to_string(), value.clone());
            }
        }
    }
    Ok(())
}

/// Definitions that have another content in the first document, with the names that they get.
fn conflicts(first: &Value, second: &Value) -> Vec<(String, String)> {
    let definitions =
        |document: &Value, name: &str| document.get("definitions").and_then(|all| all.get(name)).cloned();
    let Some(Value::Map(added)) = second.get("definitions") else { return Vec::new() };
    let differs = |name: &str, schema: &Value| definitions(first, name).is_some_and(|known| known != *schema);
    let is_taken = |name: &str| definitions(first, name).is_some() || added.get(name).is_some();
    let new_name =
        |name: &str| (2..RENAMES_MAX).map(|count| format!("{name}_v{count}")).find(|new| !is_taken(new));
    let conflicting = added.iter().filter(|(name, schema)| differs(name, schema));
    conflicting.filter_map(|(name, _)| Some((name.to_string(), new_name(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::HeaderMap;

    fn parse(text: &str) -> Value {
        json::parse(text.as_bytes()).unwrap()
    }

    fn document(text: &str) -> RemoteDocument {
        RemoteDocument {
            status: 200,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    const OTHER: &str = r##"{"swagger":"2.0","paths":{
        "/apis/g/v1/things":{"get":{"schema":{"$ref":"#/definitions/Thing"}}},
        "/apis/g/v2/things":{"get":{"schema":{"$ref":"#/definitions/Later"}}},
        "/version":{"get":{}}},
        "definitions":{"Thing":{"properties":{"a":{"$ref":"#/definitions/Part"}}},"Part":{"type":"string"},
        "Later":{"type":"object"},"Unused":{"type":"object"}}}"##;

    #[test]
    fn what_is_said_of_one_api_is_added() {
        let read = version_2(&document(OTHER), "g", "v1").unwrap();
        assert!(read.is_own_etag);
        let mut own =
            parse(r#"{"swagger":"2.0","paths":{"/api":{}},"definitions":{"Own":{"type":"object"}}}"#);
        merge(&mut own, &read).unwrap();
        let expected = r##"{"swagger":"2.0","paths":{"/api":{},
            "/apis/g/v1/things":{"get":{"schema":{"$ref":"#/definitions/Thing"}}}},
            "definitions":{"Own":{"type":"object"},"Part":{"type":"string"},
            "Thing":{"properties":{"a":{"$ref":"#/definitions/Part"}}},"Unused":{"type":"object"}}}"##;
        assert_eq!(own, parse(expected));
    }

    #[test]
    fn definitions_with_another_content_get_a_name_of_their_own() {
        let read = version_2(&document(OTHER), "g", "v1").unwrap();
        let mut own = parse(
            r#"{"paths":{"/apis/g/v1/things":{"own":{}}},
                "definitions":{"Part":{"type":"integer"},"Part_v2":{"type":"integer"},"Unused":{"type":"object"}}}"#,
        );
        merge(&mut own, &read).unwrap();
        let expected = r##"{"paths":{"/apis/g/v1/things":{"own":{}}},
            "definitions":{"Part":{"type":"integer"},"Part_v2":{"type":"integer"},"Part_v3":{"type":"string"},
            "Thing":{"properties":{"a":{"$ref":"#/definitions/Part_v3"}}},"Unused":{"type":"object"}}}"##;
        assert_eq!(own, parse(expected));
    }

    #[test]
    fn indexes_are_read() {
        let index = r#"{"paths":{"apis/g/v1":{"serverRelativeURL":"/openapi/v3/apis/g/v1?hash=a"}}}"#;
        let expected = vec![(String::from("apis/g/v1"), String::from("/openapi/v3/apis/g/v1?hash=a"))];
        assert_eq!(paths(index.as_bytes()), Ok(expected));
        assert!(paths(b"anything").is_err());
    }
}
