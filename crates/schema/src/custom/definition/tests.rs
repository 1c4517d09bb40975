//! Which schemas are refused, and in which words.

use super::*;
use pintle_object::json;

/// A schema with `x` in the place of `spec.x`; errors without the path to the root.
fn check(x: &str, expected: &[&str]) {
    let schema = format!(
        r#"{{"type":"object","properties":{{"spec":{{"type":"object","properties":{{"x":{x}}}}}}}}}"#
    );
    check_root(&schema, &expected.iter().map(|it| format!("p[spec].p[x]{it}")).collect::<Vec<_>>());
}

fn check_root(schema: &str, expected: &[String]) {
    let props = json::parse(schema.as_bytes()).unwrap();
    let mut errors = FieldErrors::new();
    validate(&props, false, Strictness::FULL, &Path::root("v"), &mut errors);
    let got: Vec<String> = errors
        .iter()
        .map(|error| error.to_string().replace("properties[", "p[").replace("v.openAPIV3Schema.", ""))
        .collect();
    assert_eq!(got, expected, "{schema}");
}

#[test]
fn schemas_are_structural() {
    check("{}", &[".type: Required value: must not be empty for specified object fields"]);
    check(r#"{"type":"array"}"#, &[".items: Required value: must be specified"]);
    check(
        r#"{"type":"string","allOf":[{"default":"a"}]}"#,
        &[".allOf[0].default: Forbidden: must be undefined to be structural"],
    );
    check_root(
        r#"{"type":"object","anyOf":[{"properties":{"a":{"minLength":1}}}]}"#,
        &[String::from("p[a]: Required value: because it is defined in anyOf[0].p[a]")],
    );
    check(r#"{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]}"#, &[]);
    check(
        r#"{"type":"string","pattern":"["}"#,
        &[
            ".pattern: Invalid value: \"[\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ]: `[`",
        ],
    );
}

#[test]
fn other_dialects_are_refused() {
    check(
        r#"{"type":"null"}"#,
        &[
            r#".type: Unsupported value: "null": supported values: "array", "boolean", "integer", "number", "object", "string""#,
            ".type: Forbidden: type cannot be set to null, use nullable as an alternative",
        ],
    );
    check(r#"{"type":"string","id":"x"}"#, &[".id: Forbidden: id is not supported"]);
    check(
        r#"{"type":"array","items":[{"type":"string"}]}"#,
        &[".items: Forbidden: items must be a schema object and not an array"],
    );
    check_root(
        r#"{"type":"object","$schema":"x"}"#,
        &[String::from("v.openAPIV3Schema: Invalid value: \"\": OpenAPIV3Schema 'schema' is not supported")],
    );
}

#[test]
fn lists_of_maps_have_keys() {
    let list = |items: &str, keys: &str| {
        format!(
            r#"{{"type":"array","items":{items},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":{keys}}}"#
        )
    };
    check(
        &list(r#"{"type":"object","required":["k"],"properties":{"k":{"type":"string"}}}"#, r#"["k"]"#),
        &[],
    );
    check(
        &list(r#"{"type":"object","properties":{"k":{"type":"string"}}}"#, r#"["k"]"#),
        &[
            ".items.p[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ],
    );
    check(
        &list(r#"{"type":"object"}"#, r#"["k"]"#),
        &[
            ".x-kubernetes-list-map-keys: Invalid value: [\"k\"]: entries must all be names of item properties",
        ],
    );
}

#[test]
fn defaults_are_valid() {
    check(r#"{"type":"integer","default":1}"#, &[]);
    check(
        r#"{"type":"integer","minimum":2,"default":1}"#,
        &[".default: Invalid value: 1:  in body should be greater than or equal to 2"],
    );
    check(
        r#"{"type":"object","properties":{"a":{"type":"string"}},"default":{"a":1}}"#,
        &[r#".default.a: Invalid value: "integer": a in body must be of type string: "integer""#],
    );
    check(
        r#"{"type":"object","properties":{"a":{"type":"string"}},"default":{"b":1}}"#,
        &[r#".default: Invalid value: {"b":1}: must not have unknown fields"#],
    );
    check_root(
        r#"{"type":"object","properties":{"kind":{"type":"string","default":"A"}}}"#,
        &[String::from("p[kind].default: Forbidden: must not be set in top-level kind")],
    );
}

#[test]
fn defaults_obey_rules() {
    let ruled = |default: &str| {
        format!(
            r#"{{"type":"string","maxLength":10,"default":"{default}","x-kubernetes-validations":[{{"rule":"self == 'xyz'","message":"not xyz"}}]}}"#
        )
    };
    check(&ruled("abc"), &[r#".default: Invalid value: "abc": not xyz"#]);
    check(&ruled("xyz"), &[]);
}

#[test]
fn an_update_may_keep_what_was_wrong_before() {
    let old = json::parse(br#"{"type":"object","properties":{"x":{"type":"file"}}}"#).unwrap();
    let strictness = Strictness::since(&[&old]);
    assert_eq!(strictness, Strictness { types: false, ..Strictness::FULL });
    let mut errors = FieldErrors::new();
    validate(&old, false, strictness, &Path::root("v"), &mut errors);
    assert!(errors.is_empty());
}
