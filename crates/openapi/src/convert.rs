//! A document of version 2 as one of version 3, for servers that have the former only
//! (`kube-openapi/pkg/openapiconv` upstream).

use pintle_object::{Map, Value};

const DEFINITIONS: &str = "#/definitions/";
const SCHEMAS: &str = "#/components/schemas/";
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The v3 document with the content of a v2 document.
pub fn to_version_3(document: &Value) -> Value {
    let mut out = Map::from_iter([("openapi", Value::from("3.0.0"))]);
    copy(document, &mut out, &["info"]);
    if let Some(Value::Map(paths)) = document.get("paths") {
        out.insert("paths", map_values(paths, path_item));
    }
    out.insert("components", components(document));
    copy(document, &mut out, &["externalDocs"]);
    Value::Map(out)
}

fn components(document: &Value) -> Value {
    let mut out = Map::new();
    if let Some(Value::Map(schemas)) = document.get("definitions") {
        out.insert("schemas", map_values(schemas, schema));
    }
    let produces = texts(document, "produces");
    if let Some(Value::Map(responses)) = document.get("responses") {
        out.insert("responses", map_values(responses, |one| response(one, &produces)));
    }
    if let Some(Value::Map(schemes)) = document.get("securityDefinitions") {
        out.insert("securitySchemes", map_values(schemes, security_scheme));
    }
    Value::Map(out)
}

fn map_values(map: &Map, change: impl Fn(&Value) -> Value) -> Value {
    Value::Map(map.iter().map(|(key, value)| (key.to_string(), change(value))).collect())
}

fn copy(from: &Value, to: &mut Map, fields: &[&str]) {
    for field in fields {
        if let Some(value) = from.get(field) {
            to.insert(*field, value.clone());
        }
    }
}

/// Copies the extensions of a document: `x-kubernetes-...`.
fn copy_extensions(from: &Value, to: &mut Map) {
    let fields = from.as_map().into_iter().flat_map(Map::iter);
    for (key, value) in fields.filter(|(key, _)| key.starts_with("x-")) {
        to.insert(key.to_string(), value.clone());
    }
}

fn copy_reference(from: &Value, to: &mut Map, old: &str, new: &str) {
    if let Some(reference) = from.get("$ref").and_then(Value::as_str) {
        to.insert("$ref", reference.replacen(old, new, 1));
    }
}

fn texts(of: &Value, field: &str) -> Vec<String> {
    of.list_at(&[field]).iter().filter_map(Value::as_str).map(String::from).collect()
}

fn path_item(item: &Value) -> Value {
    let mut out = Map::new();
    copy(item, &mut out, &["$ref"]);
    for method in METHODS {
        if let Some(found) = item.get(method) {
            out.insert(method, operation(found));
        }
    }
    let parameters = item.list_at(&["parameters"]);
    if !parameters.is_empty() {
        out.insert("parameters", parameters.iter().map(parameter).collect::<Vec<_>>());
    }
    copy_extensions(item, &mut out);
    Value::Map(out)
}

fn operation(operation: &Value) -> Value {
    let mut out = Map::new();
    copy(
        operation,
        &mut out,
        &["tags", "summary", "description", "externalDocs", "operationId", "deprecated"],
    );
    let is_body =
        |one: &&Value| one.str_at(&["name"]) == "body" && one.get("schema").is_some_and(|one| !one.is_null());
    let (bodies, others): (Vec<&Value>, Vec<&Value>) =
        operation.list_at(&["parameters"]).iter().partition(is_body);
    if !others.is_empty() {
        out.insert("parameters", others.into_iter().map(parameter).collect::<Vec<_>>());
    }
    if let Some(body) = bodies.last() {
        let mut request = Map::new();
        insert_content(&mut request, body, &texts(operation, "consumes"));
        out.insert("requestBody", Value::Map(request));
    }
    let produces = texts(operation, "produces");
    if let Some(Value::Map(responses)) = operation.get("responses") {
        let one = |(code, value): (&str, &Value)| {
            let value = if code.starts_with("x-") { value.clone() } else { response(value, &produces) };
            (code.to_string(), value)
        };
        out.insert("responses", Value::Map(responses.iter().map(one).collect()));
    }
    copy_extensions(operation, &mut out);
    Value::Map(out)
}

/// The schema of something in each of the types that it comes in.
fn insert_content(into: &mut Map, of: &Value, types: &[String]) {
    let Some(found) = of.get("schema").filter(|_| !types.is_empty()) else { return };
    let schema = schema(found);
    let one = |name: &String| (name.clone(), Value::Map(Map::from_iter([("schema", schema.clone())])));
    into.insert("content", Value::Map(types.iter().map(one).collect()));
}

fn response(response: &Value, produces: &[String]) -> Value {
    let mut out = Map::new();
    copy_reference(response, &mut out, "#/responses/", "#/components/responses/");
    copy(response, &mut out, &["description"]);
    insert_content(&mut out, response, produces);
    copy_extensions(response, &mut out);
    Value::Map(out)
}

fn parameter(parameter: &Value) -> Value {
    let mut out = Map::new();
    copy_reference(parameter, &mut out, "#/parameters/", "#/components/parameters/");
    copy(parameter, &mut out, &["name", "in", "description", "required", "allowEmptyValue"]);
    let own = match parameter.get("schema") {
        Some(found) if !found.is_null() => schema(found),
        _ => {
            let mut simple = Map::new();
            copy(parameter, &mut simple, &["type", "format", "uniqueItems"]);
            Value::Map(simple)
        }
    };
    out.insert("schema", own);
    copy_extensions(parameter, &mut out);
    Value::Map(out)
}

fn security_scheme(scheme: &Value) -> Value {
    let mut out = Map::new();
    copy(scheme, &mut out, &["type", "description", "name", "in"]);
    let flow = scheme.str_at(&["flow"]);
    if !flow.is_empty() {
        let mut urls = Map::new();
        copy(scheme, &mut urls, &["authorizationUrl", "tokenUrl", "scopes"]);
        out.insert("flows", Value::Map(Map::from_iter([(flow, Value::Map(urls))])));
    }
    copy_extensions(scheme, &mut out);
    Value::Map(out)
}

/// A schema with its references changed. A reference may have no siblings, so one with siblings goes into a list of its
/// own.
fn schema(schema: &Value) -> Value {
    let changed = match schema {
        Value::Map(map) => map,
        Value::List(list) => return Value::List(list.iter().map(self::schema).collect()),
        other => return other.clone(),
    };
    let mut out = Map::new();
    for (key, value) in changed.iter() {
        let value = match key {
            // Values of documents, and no schemas: a default may have any field.
            "default" | "example" | "enum" => value.clone(),
            "properties" => match value {
                Value::Map(properties) => map_values(properties, self::schema),
                other => other.clone(),
            },
            _ if key.starts_with("x-") => value.clone(),
            _ => self::schema(value),
        };
        out.insert(key.to_string(), value);
    }
    let Some(reference) = changed.get("$ref").and_then(Value::as_str) else { return Value::Map(out) };
    let reference = match reference.strip_prefix(DEFINITIONS) {
        Some(name) => Value::from(format!("{SCHEMAS}{name}")),
        None => Value::from(reference),
    };
    let reference = Map::from_iter([("$ref", reference)]);
    if changed.len() == 1 {
        return Value::Map(reference);
    }
    out.remove("$ref");
    out.insert("allOf", vec![Value::Map(reference)]);
    Value::Map(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn check(version_2: &str, version_3: &str) {
        let parse = |text: &str| json::parse(text.as_bytes()).unwrap();
        let converted = to_version_3(&parse(version_2));
        assert_eq!(converted, parse(version_3), "{}", json::to_string(&converted));
    }

    #[test]
    fn schemas_have_another_place_and_nothing_beside_references() {
        check(
            r##"{"swagger":"2.0","info":{"title":"t"},"definitions":{
                "A":{"type":"object","properties":{"$ref":{"type":"string"},"b":{"$ref":"#/definitions/B"},
                    "c":{"description":"d","$ref":"#/definitions/B"}},
                    "default":{"$ref":"#/definitions/B"},"additionalProperties":{"$ref":"#/definitions/B"}},
                "B":{"type":"array","items":{"$ref":"#/definitions/A"},"x-kubernetes-list-type":"atomic"}}}"##,
            r##"{"openapi":"3.0.0","info":{"title":"t"},"components":{"schemas":{
                "A":{"type":"object","properties":{"$ref":{"type":"string"},"b":{"$ref":"#/components/schemas/B"},
                    "c":{"description":"d","allOf":[{"$ref":"#/components/schemas/B"}]}},
                    "default":{"$ref":"#/definitions/B"},"additionalProperties":{"$ref":"#/components/schemas/B"}},
                "B":{"type":"array","items":{"$ref":"#/components/schemas/A"},"x-kubernetes-list-type":"atomic"}}}}"##,
        );
    }

    #[test]
    fn bodies_and_answers_have_a_schema_for_each_type() {
        check(
            r##"{"paths":{"/a":{"parameters":[{"name":"n","in":"path","type":"string","required":true}],
                "post":{"operationId":"o","consumes":["a/b"],"produces":["c/d","e/f"],"x-kubernetes-action":"post",
                    "parameters":[{"name":"body","in":"body","schema":{"$ref":"#/definitions/A"}}],
                    "responses":{"200":{"description":"OK","schema":{"type":"string"}},"401":{"description":"no"}}}}}}"##,
            r##"{"openapi":"3.0.0","paths":{"/a":{
                "parameters":[{"name":"n","in":"path","required":true,"schema":{"type":"string"}}],
                "post":{"operationId":"o","x-kubernetes-action":"post",
                    "requestBody":{"content":{"a/b":{"schema":{"$ref":"#/components/schemas/A"}}}},
                    "responses":{"200":{"description":"OK","content":{"c/d":{"schema":{"type":"string"}},
                        "e/f":{"schema":{"type":"string"}}}},"401":{"description":"no"}}}}},"components":{}}"##,
        );
    }

    #[test]
    fn ways_to_sign_in_are_kept() {
        check(
            r#"{"securityDefinitions":{"k":{"type":"apiKey","name":"authorization","in":"header"},
                "o":{"type":"oauth2","flow":"implicit","authorizationUrl":"u","scopes":{"s":"d"}}}}"#,
            r#"{"openapi":"3.0.0","components":{"securitySchemes":{
                "k":{"type":"apiKey","name":"authorization","in":"header"},
                "o":{"type":"oauth2","flows":{"implicit":{"authorizationUrl":"u","scopes":{"s":"d"}}}}}}}"#,
        );
    }
}
