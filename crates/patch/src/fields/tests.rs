//! Field sets: their text form and their algebra.

use super::*;

fn set(text: &str) -> FieldSet {
    FieldSet::parse(text).unwrap()
}

#[test]
fn fields_are_read_and_written_back() {
    for text in [
        "{}",
        r#"{"f:data":{}}"#,
        r#"{"f:data":{".":{},"f:a":{},"f:a.b":{}}}"#,
        r#"{"f:metadata":{"f:finalizers":{"v:\"x\"":{},"v:\"y\"":{}}}}"#,
        r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}},"k:{\"port\":443}":{}}}}"#,
        r#"{"f:a":{"i:0":{},"i:1":{"f:b":{}}},"k:{\"n\":null}":{}}"#,
    ] {
        assert_eq!(set(text).to_json(), text);
    }
}

#[test]
fn reading_sorts_and_normalises() {
    let cases = [
        (r#"{"f:b":{},"f:a":{}}"#, r#"{"f:a":{},"f:b":{}}"#),
        (r#"{"f:a":{".":{}}}"#, r#"{"f:a":{}}"#),
        (r#"{"f:a":null}"#, r#"{"f:a":{}}"#),
        (r#"{"x:a":{},"f:a":{}}"#, r#"{"f:a":{}}"#),
        (r#"{"k:{\"b\":1,\"a\":2}":{}}"#, r#"{"k:{\"a\":2,\"b\":1}":{}}"#),
        (r#"{"v:2":{},"v:1":{},"k:{}":{}}"#, r#"{"k:{}":{},"v:1":{},"v:2":{}}"#),
        (r#"{"f:<":{}}"#, r#"{"f:\u003c":{}}"#),
    ];
    for (text, expected) in cases {
        assert_eq!(set(text).to_json(), expected, "{text}");
    }
}

#[test]
fn what_is_no_set_is_refused() {
    for text in [
        "[]",
        "1",
        r#""text""#,
        r#"{"bad":{}}"#,
        r#"{"f":{}}"#,
        r#"{"v:":{}}"#,
        r#"{"k:1":{}}"#,
        r#"{"i:x":{}}"#,
        r#"{"f:a":1}"#,
        "{",
    ] {
        assert!(FieldSet::parse(text).is_err(), "{text}");
    }
}

#[test]
fn sets_are_combined() {
    let a = set(r#"{"f:a":{".":{},"f:x":{},"f:y":{}},"f:b":{}}"#);
    let b = set(r#"{"f:a":{"f:y":{},"f:z":{}},"f:c":{}}"#);
    assert_eq!(a.union(&b).to_json(), r#"{"f:a":{".":{},"f:x":{},"f:y":{},"f:z":{}},"f:b":{},"f:c":{}}"#);
    assert_eq!(a.intersection(&b).to_json(), r#"{"f:a":{"f:y":{}}}"#);
    assert_eq!(a.difference(&b).to_json(), r#"{"f:a":{".":{},"f:x":{}},"f:b":{}}"#);
    let mut rest = a.clone();
    rest.subtract_below(&set(r#"{"f:a":{}}"#));
    assert_eq!(rest.to_json(), r#"{"f:b":{}}"#);
    assert_eq!(a.difference(&set(r#"{"f:a":{}}"#)).to_json(), r#"{"f:a":{"f:x":{},"f:y":{}},"f:b":{}}"#);
}

#[test]
fn paths_print_as_in_messages() {
    let paths =
        set(r#"{"f:spec":{"f:a":{".":{},"k:{\"n\":\"x\",\"p\":80}":{"f:i":{}},"v:\"s\"":{},"i:3":{}}}}"#);
    let shown: Vec<String> = paths.paths().iter().map(ToString::to_string).collect();
    assert_eq!(shown, [".spec.a", ".spec.a[=\"s\"]", ".spec.a[3]", ".spec.a[n=\"x\",p=80].i"]);
}

#[test]
fn paths_of_field_names_are_taken_out() {
    let given = r#"{"f:kind":{},"f:metadata":{".":{},"f:labels":{".":{},"f:a":{}},"f:name":{}}}"#;
    for (paths, expected) in [
        (&[&["kind"][..], &["metadata"]][..], r#"{"f:metadata":{"f:labels":{".":{},"f:a":{}},"f:name":{}}}"#),
        (
            &[&["metadata", "labels"], &["metadata", "name", "x"]],
            r#"{"f:kind":{},"f:metadata":{".":{},"f:labels":{"f:a":{}},"f:name":{}}}"#,
        ),
        (&[&["nothing"], &[]], given),
    ] {
        let mut left = set(given);
        left.subtract_fields(paths);
        assert_eq!(left.to_json(), expected, "{paths:?}");
    }
    let mut left = set(given);
    left.subtract_field_below(&["metadata", "labels"]);
    assert_eq!(left.to_json(), r#"{"f:kind":{},"f:metadata":{".":{},"f:name":{}}}"#);
}
