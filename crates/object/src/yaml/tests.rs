//! YAML as go-yaml reads and writes it.

use super::*;
use crate::json;

fn check_read(text: &str, expected: &str) {
    let document = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(json::to_string(&document.value), expected, "{text}");
}

#[test]
fn documents_become_json() {
    check_read("", "null");
    check_read("# nothing but words\n", "null");
    check_read("# head\na: 1 # one\n# between\nb:\n  # below\n  - x\n# end\n", r#"{"a":1,"b":["x"]}"#);
    check_read("a: 1\nb: [x, 'y', \"z\"]\n", r#"{"a":1,"b":["x","y","z"]}"#);
    check_read("a: yes\nb: 'yes'\nc: off\nd: ~\ne:\n", r#"{"a":true,"b":"yes","c":false,"d":null,"e":null}"#);
    check_read("a: 010\nb: 0x1f\nc: 1_000\nd: 1.50\ne: 1e3\n", r#"{"a":8,"b":31,"c":1000,"d":1.5,"e":1000}"#);
    check_read("a: 12:30\nb: 2001-12-14\nc: v1.2.3\n", r#"{"a":"12:30","b":"2001-12-14","c":"v1.2.3"}"#);
    check_read("1: a\ntrue: b\n", r#"{"1":"a","true":"b"}"#);
    check_read("x: &a {k: 1}\nw: {<<: *a, l: 2}\nz: *a\n", r#"{"w":{"k":1,"l":2},"x":{"k":1},"z":{"k":1}}"#);
    check_read("a: |\n  one\n  two\nb: >\n  one\n  two\n", "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\\n\"}");
    check_read("---\na: 1\n---\nb: 2\n", r#"{"a":1}"#);
    check_read(r#"{"json": [1, {"is": "yaml"}]}"#, r#"{"json":[1,{"is":"yaml"}]}"#);
}

#[test]
fn duplicates_are_reported_and_the_last_wins() {
    let document = parse(b"data:\n  a: \"1\"\n  a: \"2\"\n").unwrap();
    assert_eq!(document.duplicates, ["line 3: key \"a\" already set in map"]);
    assert_eq!(json::to_string(&document.value), r#"{"data":{"a":"2"}}"#);
}

#[test]
fn what_is_no_yaml_is_refused() {
    let cases = [
        ("a: b: c", "mapping values are not allowed in this context"),
        ("x: 1\na: b: c", "line 2: mapping values are not allowed in this context"),
        ("hello\na: b", "line 2: mapping values are not allowed in this context"),
        ("kind: ConfigMap\n\tapiVersion: v1\n", "line 2: found a tab character that violates indentation"),
        ("a:\n\tb: c", "line 2: found character that cannot start any token"),
        ("a: @x", "found character that cannot start any token"),
        ("a: [", "line 1: did not find expected node content"),
        ("a: [1\n", "line 1: did not find expected ',' or ']'"),
        ("{a: b", "line 1: did not find expected ',' or '}'"),
        ("[a}", "did not find expected ',' or ']'"),
        ("}", "did not find expected node content"),
        ("a: 'x", "found unexpected end of stream"),
        ("a: 'x' y", "did not find expected key"),
        ("a: \"\\q\"", "found unknown escape character"),
        ("a: b\nc\n", "line 3: could not find expected ':'"),
        ("a: b\n- c", "line 1: did not find expected key"),
        ("- a\nb: c", "line 1: did not find expected '-' indicator"),
        ("a: *none", "unknown anchor 'none' referenced"),
        ("a: \u{1}", "control characters are not allowed"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text.as_bytes()).unwrap_err().0, format!("yaml: {expected}"), "{text}");
    }
    assert!(parse("[".repeat(5000).as_bytes()).is_err());
}

#[test]
fn json_becomes_documents() {
    let cases = [
        (
            r#"{"b":{"c":[1,{"d":null,"e":"x"},[2,3]]},"a":{}}"#,
            "a: {}\nb:\n  c:\n  - 1\n  - d: null\n    e: x\n  - - 2\n    - 3\n",
        ),
        (
            r#"{"a":"","b":"yes","c":"1.0","d":"a: b","e":" lead","f":"a #b","g":"h\u00e9"}"#,
            "a: \"\"\nb: \"yes\"\nc: \"1.0\"\nd: 'a: b'\ne: ' lead'\nf: 'a #b'\ng: hé\n",
        ),
        (
            r#"{"k":"line one\nline two\n","l":"a\nb","m":"a\n\n","n":"\n","o":" a\nb\n"}"#,
            "k: |\n  line one\n  line two\nl: |-\n  a\n  b\nm: |+\n  a\n\n\"n\": |2+\n\no: |2\n   a\n  b\n",
        ),
        (
            r#"{"a10":1,"a2":2,"b":3,".":4,"k:{\"name\":\"c\"}":{}}"#,
            ".: 4\na2: 2\na10: 1\nb: 3\nk:{\"name\":\"c\"}: {}\n",
        ),
        (
            r#"{"t":"a\tb","q":"it's","d":"2001-12-14","s":"12:30","u":"~","v":"0x1f","w":"=","z":"-"}"#,
            "d: \"2001-12-14\"\nq: it's\ns: \"12:30\"\nt: \"a\\tb\"\nu: \"~\"\nv: \"0x1f\"\nw: =\nz: '-'\n",
        ),
    ];
    let floats = r#"[0.5,-1.25,1e6,1234567.5,0.00001,1e21]"#;
    assert_eq!(
        to_string(&json::parse(floats.as_bytes()).unwrap()),
        "- 0.5\n- -1.25\n- 1000000\n- 1.2345675e+06\n- 1e-05\n- 1e+21\n"
    );
    for (document, expected) in cases {
        assert_eq!(to_string(&json::parse(document.as_bytes()).unwrap()), expected);
    }
}

#[test]
fn long_lines_are_folded() {
    let long = format!("{} {} {}", "x".repeat(40), "y".repeat(45), "z".repeat(5));
    let document = json::parse(format!("{{\"k\":\"{long}\"}}").as_bytes()).unwrap();
    let expected = format!("k: {} {}\n  {}\n", "x".repeat(40), "y".repeat(45), "z".repeat(5));
    assert_eq!(to_string(&document), expected);
}
