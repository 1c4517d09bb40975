//! Effects of a CRD's schema on objects.

use super::*;
use pintle_object::json;

fn compile(schema: &str) -> Custom {
    let schema = format!(
        r#"{{"type":"object","properties":{{"spec":{{"type":"object","properties":{{"x":{schema}}}}}}}}}"#
    );
    Custom::compile(&json::parse(schema.as_bytes()).unwrap())
}

fn object(x: &str) -> Value {
    json::parse(
        format!(r#"{{"kind":"A","apiVersion":"a/v1","metadata":{{"name":"a"}},"spec":{{"x":{x}}}}}"#)
            .as_bytes(),
    )
    .unwrap()
}

#[test]
fn wrong_values_are_named_in_upstreams_words() {
    let cases = [
        (
            r#"{"type":"integer"}"#,
            r#""a""#,
            r#"spec.x: Invalid value: "string": spec.x in body must be of type integer: "string""#,
        ),
        (r#"{"type":"integer"}"#, "1.0", ""),
        (r#"{"type":"number"}"#, "1", ""),
        (r#"{"type":"string","nullable":true}"#, "null", ""),
        (
            r#"{"type":"string"}"#,
            "null",
            r#"spec.x: Invalid value: "null": spec.x in body must be of type string: "null""#,
        ),
        (r#"{"type":"string","maxLength":2}"#, r#""abc""#, "spec.x: Too long: may not be more than 2 bytes"),
        (
            r#"{"type":"string","minLength":2}"#,
            r#""a""#,
            r#"spec.x: Invalid value: "a": spec.x in body should be at least 2 chars long"#,
        ),
        (
            r#"{"type":"string","pattern":"^a"}"#,
            r#""b""#,
            r#"spec.x: Invalid value: "b": spec.x in body should match '^a'"#,
        ),
        (
            r#"{"type":"string","enum":["a","b"]}"#,
            r#""c""#,
            r#"spec.x: Unsupported value: "c": supported values: "a", "b""#,
        ),
        (
            r#"{"type":"integer","minimum":1}"#,
            "0",
            "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1",
        ),
        (
            r#"{"type":"integer","maximum":1,"exclusiveMaximum":true}"#,
            "1",
            "spec.x: Invalid value: 1: spec.x in body should be less than 1",
        ),
        (
            r#"{"type":"integer","multipleOf":5}"#,
            "3",
            "spec.x: Invalid value: 3: spec.x in body should be a multiple of 5",
        ),
        (
            r#"{"type":"number","multipleOf":0.5}"#,
            "1",
            "spec.x: Invalid value: 0: factor MultipleOf declared for spec.x must be positive: 0",
        ),
        (r#"{"type":"number","multipleOf":0.5}"#, "1.5", ""),
        (
            r#"{"type":"object","x-kubernetes-embedded-resource":true}"#,
            r#"{"kind":"","apiVersion":"a/b/c"}"#,
            r#"spec.x.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c, spec.x.kind: Invalid value: "": must not be empty"#,
        ),
        (
            r#"{"type":"integer","format":"int32"}"#,
            "2147483648",
            r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.x"#,
        ),
        (
            r#"{"type":"array","maxItems":1,"items":{"type":"string"}}"#,
            r#"["a","b"]"#,
            "spec.x: Too many: 2: must have at most 1 item",
        ),
        (r#"{"type":"object","required":["a"]}"#, "{}", "spec.x.a: Required value"),
        (r#"{"type":"string","maxLength":1}"#, r#""abc""#, "spec.x: Too long: may not be more than 1 byte"),
        (
            r#"{"type":"object","minProperties":2,"required":["a"],"properties":{"b":{"type":"string"}}}"#,
            r#"{"b":1}"#,
            r#"spec.x: Invalid value: 1: spec.x in body should have at least 2 properties, spec.x.b: Invalid value: "integer": spec.x.b in body must be of type string: "integer", spec.x.a: Required value"#,
        ),
        (
            r#"{"type":"object","maxProperties":1,"required":["a"]}"#,
            r#"{"b":1,"c":1}"#,
            "spec.x: Too many: 2: must have at most 1 item, spec.x.a: Required value",
        ),
        (
            r#"{"x-kubernetes-int-or-string":true}"#,
            "1.5",
            r#"spec.x: Invalid value: "number": spec.x in body must be of type integer,string: "number""#,
        ),
        (
            r#"{"type":"string","format":"date"}"#,
            r#""2023-02-29""#,
            r#"spec.x: Invalid value: "2023-02-29": spec.x in body must be of type date: "2023-02-29""#,
        ),
        (
            r#"{"type":"object","not":{"required":["a"]}}"#,
            r#"{"a":1}"#,
            r#"<nil>: Invalid value: "": "spec.x" must not validate the schema (not)"#,
        ),
        (
            r#"{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}"#,
            r#"["a","b","a","a"]"#,
            r#"spec.x[2]: Duplicate value: "a""#,
        ),
        (
            r#"{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object"}}"#,
            r#"[{"k":"1"},{"k":"1"}]"#,
            r#"spec.x[1]: Duplicate value: {"k":"1"}"#,
        ),
    ];
    for (schema, x, expected) in cases {
        let mut errors = FieldErrors::new();
        compile(schema).check(&object(x), &mut errors);
        let got: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(got.join(", "), expected, "{schema} {x}");
    }
}

#[test]
fn of_failing_alternatives_the_best_is_shown() {
    let any = r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},
        "anyOf":[{"required":["a"]},{"properties":{"b":{"pattern":"^x"}}}]}"#;
    let mut errors = FieldErrors::new();
    compile(any).check(&object(r#"{"b":"no"}"#), &mut errors);
    let got: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        got,
        [
            r#"<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)"#,
            r#"spec.x.b: Invalid value: "no": spec.x.b in body should match '^x'"#,
        ]
    );
}

#[test]
fn what_is_not_named_is_pruned() {
    let cases = [
        (
            r#"{"type":"object","properties":{"a":{"type":"string"}}}"#,
            r#"{"a":"1","b":2,"c":{"d":1}}"#,
            r#"{"a":"1"}"#,
            "spec.x.b spec.x.c",
        ),
        (
            r#"{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{"type":"object"}}}"#,
            r#"{"a":{"z":1},"b":2}"#,
            r#"{"a":{},"b":2}"#,
            "spec.x.a.z",
        ),
        (
            r#"{"type":"object","additionalProperties":{"type":"object"}}"#,
            r#"{"k":{"z":1}}"#,
            r#"{"k":{}}"#,
            "spec.x.k.z",
        ),
        (r#"{"type":"array","items":{"type":"object"}}"#, r#"[{"z":1}]"#, "[{}]", "spec.x[0].z"),
        (
            r#"{"type":"object","x-kubernetes-embedded-resource":true}"#,
            r#"{"kind":"B","metadata":{},"z":1}"#,
            r#"{"kind":"B","metadata":{}}"#,
            "spec.x.z",
        ),
    ];
    for (schema, x, expected, unknown) in cases {
        let mut tree = object(x);
        let expected_unknown: Vec<String> =
            unknown.split(' ').map(|path| format!("unknown field \"{path}\"")).collect();
        assert_eq!(compile(schema).prune(&mut tree), expected_unknown, "{schema}");
        assert_eq!(json::to_string(tree.at(&["spec", "x"]).unwrap()), expected, "{schema}");
        assert_eq!(tree.str_at(&["metadata", "name"]), "a");
    }
}

#[test]
fn defaults_fill_what_is_absent() {
    let inner = r#""properties":{"a":{"type":"string","default":"d"},"n":{"type":"string","nullable":true,"default":"d"}}"#;
    let cases = [
        ("{}", r#"{"a":"d","n":"d"}"#),
        (r#"{"a":null,"n":null}"#, r#"{"a":"d","n":null}"#),
        (r#"{"a":""}"#, r#"{"a":"","n":"d"}"#),
    ];
    for (x, expected) in cases {
        let mut tree = object(x);
        compile(&format!(r#"{{"type":"object",{inner}}}"#)).default(&mut tree).unwrap();
        assert_eq!(json::to_string(tree.at(&["spec", "x"]).unwrap()), expected, "{x}");
    }
    let mut tree = object("null");
    compile(r#"{"type":"string"}"#).drop_nulls(&mut tree);
    assert_eq!(tree.at(&["spec", "x"]), None);
}

#[test]
fn defaults_that_would_fill_memory_are_refused_before_they_do() {
    let inner = r#""properties":{"l":{"type":"array","items":{"type":"object","default":{},"properties":{"a":{"type":"string","default":"LONG"}}}}}"#;
    let schema = compile(&format!(r#"{{"type":"object",{inner}}}"#).replace("LONG", &"x".repeat(1 << 10)));
    let filled = |items: usize, item: &str| {
        let mut tree = object(&format!(r#"{{"l":[{}]}}"#, vec![item; items].join(",")));
        schema.default(&mut tree)
    };
    for item in ["{}", "null"] {
        assert_eq!(filled(2900, item), Ok(()));
        assert_eq!(filled(3100, item), Err(DefaultsTooLarge));
    }
}

#[test]
fn what_was_wrong_before_is_let_through_by_updates() {
    let schema = r#"{"type":"object","properties":{"a":{"type":"string","maxLength":1},"b":{"type":"string","maxLength":1},
        "l":{"type":"array","items":{"type":"string","maxLength":1}},
        "m":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],
            "items":{"type":"object","properties":{"k":{"type":"string"},"v":{"type":"integer","maximum":1}}}}}}"#;
    let cases = [
        (r#"{"a":"aa"}"#, r#"{"a":"aa","b":"b"}"#, ""),
        (r#"{"a":"aa"}"#, r#"{"a":"aaa"}"#, "spec.x.a"),
        (r#"{"l":["aa"]}"#, r#"{"l":["aa"],"b":"b"}"#, ""),
        (r#"{"l":["aa"]}"#, r#"{"l":["aa","b"]}"#, "spec.x.l[0]"),
        (r#"{"m":[{"k":"a","v":2}]}"#, r#"{"m":[{"k":"b","v":1},{"k":"a","v":2}]}"#, ""),
        (r#"{"m":[{"k":"a","v":2}]}"#, r#"{"m":[{"k":"a","v":3}]}"#, "spec.x.m[0].v"),
    ];
    for (old, new, expected) in cases {
        let mut errors = FieldErrors::new();
        compile(schema).check_update(&object(new), &object(old), &mut errors);
        let got: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(got.join(","), expected, "{old} {new}");
    }
}

fn refused(schema: &str, new: &str, old: Option<&str>) -> (Vec<String>, Vec<String>) {
    let parse = |text: &str| json::parse(text.as_bytes()).expect("test data is JSON");
    let custom = Custom::compile(&parse(schema));
    let mut errors = FieldErrors::new();
    let old = old.map(parse);
    custom.check_rules(&parse(new), old.as_ref(), &mut errors);
    let warnings = errors.take_warnings();
    (errors.iter().map(ToString::to_string).collect(), warnings)
}

const RULED: &str = r#"{"type":"object","properties":{"spec":{"type":"object","properties":{
    "n":{"type":"integer","x-kubernetes-validations":[{"rule":"self > 0","messageExpression":"'got %d'.format([self])"}]},
    "a":{"type":"string","x-kubernetes-validations":[{"rule":"self == oldSelf","message":"a is immutable"}]},
    "l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object",
        "required":["k"],"properties":{"k":{"type":"string"},"v":{"type":"integer",
        "x-kubernetes-validations":[{"rule":"self >= oldSelf"}]}}}},
    "o":{"type":"object","properties":{"x.y":{"type":"integer"}},"x-kubernetes-validations":[
        {"rule":"!has(self.x__dot__y) || self.x__dot__y > 1","reason":"FieldValueForbidden","fieldPath":"['x.y']",
         "message":"m"}]}}}}}"#;

#[test]
fn rules_are_run_over_what_is_new() {
    let cases: [(&str, &[&str]); 4] = [
        (r#"{"spec":{"n":1,"a":"x"}}"#, &[]),
        (r#"{"spec":{"n":0}}"#, &["spec.n: Invalid value: 0: got 0"]),
        (r#"{"spec":{"o":{"x.y":1}}}"#, &["spec.o.x.y: Forbidden: m"]),
        (r#"{"spec":{"n":null}}"#, &[]),
    ];
    for (object, expected) in cases {
        assert_eq!(refused(RULED, object, None).0, expected, "{object}");
    }
}

#[test]
fn rules_look_at_what_was_and_let_through_what_stays() {
    let (errors, warnings) =
        refused(RULED, r#"{"spec":{"a":"y","n":0}}"#, Some(r#"{"spec":{"a":"x","n":0}}"#));
    assert_eq!(errors, ["spec.a: Invalid value: \"y\": a is immutable"]);
    assert_eq!(warnings, ["spec.n: Invalid value: 0: got 0"]);
    let (new, old) =
        (r#"{"spec":{"l":[{"k":"b","v":1},{"k":"a","v":1}]}}"#, r#"{"spec":{"l":[{"k":"a","v":2}]}}"#);
    let expected = ["spec.l[1].v: Invalid value: 1: failed rule: self >= oldSelf"];
    assert_eq!(refused(RULED, new, Some(old)).0, expected);
}

/// A key is part of all paths below it, and paths are written only for errors.
#[test]
fn long_keys_are_not_copied_for_each_part_below_them() {
    let schema = r#"{"type":"object","additionalProperties":{"type":"object","additionalProperties":{"type":"integer"}}}"#;
    let custom = compile(schema);
    let (key, count) = ("k".repeat(1 << 20), 20_000);
    for (value, wrong) in [("1", 0), ("\"\"", count)] {
        let parts: Vec<String> = (0..count).map(|n| format!("\"{n}\":{value}")).collect();
        let mut errors = FieldErrors::new();
        custom.check(&object(&format!("{{\"{key}\":{{{}}}}}", parts.join(","))), &mut errors);
        assert_eq!(errors.is_empty(), wrong == 0);
        assert!(errors.len() <= wrong);
        assert!(errors.iter().all(|error| error.field.len() <= 4096), "paths are cut");
    }
}

/// Items are not checked after the number of errors that one answer reports.
#[test]
fn wrong_items_past_what_is_told_cost_nothing() {
    let values: Vec<String> = (0..2000).map(|n| format!("\"v{n}\"")).collect();
    let items = format!(r#"{{"type":"string","enum":[{}]}}"#, values.join(","));
    let custom = compile(&format!(r#"{{"type":"array","items":{items}}}"#));
    let mut errors = FieldErrors::new();
    custom.check(&object(&format!("[{}]", vec!["\"zz\""; 100_000].join(","))), &mut errors);
    assert!(!errors.is_empty() && errors.len() <= pintle_object::field::ERRORS_MAX, "{}", errors.len());
}
