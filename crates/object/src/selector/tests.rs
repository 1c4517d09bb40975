//! Selectors that upstream accepts and refuses, and their matches.

use super::*;
use crate::field::{FieldErrors, Path};
use crate::json;
use crate::value::Text;

fn check_label(text: &str, expected: &str) {
    let shown = LabelSelector::parse(text).map_or_else(|error| error.0, |selector| selector.to_string());
    assert_eq!(shown, expected, "{text:?}");
}

#[test]
fn label_selectors_parse() {
    check_label("", "");
    check_label("a", "a");
    check_label("!a", "!a");
    check_label(" b == c , a=b ", "a=b,b==c");
    check_label("a!=b,c>1,d<2", "a!=b,c>1,d<2");
    check_label("x in (c, b,b)", "x in (b,c)");
    check_label("x notin ()", "x notin ()");
    check_label("x in (,a,)", "x in (,a)");
    check_label("x in (a,,b)", "x in (,a,b)");
    check_label("a=,b", "a=,b");
    check_label("in in (in,notin)", "in in (in,notin)");
    check_label("in", "in");
}

#[test]
fn label_selectors_refused() {
    let requirement = |why: &str| format!("unable to parse requirement: {why}");
    check_label("a key", &requirement("found 'key', expected: in, notin, =, ==, !=, gt, lt"));
    check_label("!", &requirement("found '', expected: identifier"));
    check_label("!!a", &requirement("found '!', expected: identifier"));
    check_label("!a b", "found 'b', expected: ',' or 'end of string'");
    check_label("a=b=c", "found '=', expected: ',' or 'end of string'");
    check_label("a===b", &requirement("found '=', expected: identifier"));
    check_label("=a", "found '=', expected: !, identifier, or 'end of string'");
    check_label(",a", "found ',', expected: !, identifier, or 'end of string'");
    check_label("a,", "found '', expected: identifier after ','");
    check_label("a,,b", "found ',', expected: identifier after ','");
    check_label("a in b", &requirement("found 'b' expected: '('"));
    check_label("a in (", &requirement("found '', expected: ',', ')' or identifier"));
    check_label("a in (b", &requirement("found '', expected: ',' or ')'"));
    check_label("a in (b,", &requirement("found '', expected: ',', or identifier"));
    check_label(
        "a>x",
        &requirement(
            "values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    );
    let too_deep = LabelSelector::parse("a/b/c=d").unwrap_err().0;
    let start =
        "unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid label key must consist of";
    assert!(too_deep.starts_with(start), "{too_deep}");
    let bad_value = LabelSelector::parse("a=b;").unwrap_err().0;
    assert!(
        bad_value.starts_with("unable to parse requirement: values[0][a]: Invalid value: \"b;\": a valid")
    );
}

#[test]
fn label_selectors_match() {
    let labels: Vec<(Text, Text)> =
        [("app", "web"), ("count", "5"), ("tier", "")].map(|(k, v)| (k.into(), v.into())).into();
    let check = |text: &str, expected: bool| {
        let selector = LabelSelector::parse(text).unwrap();
        assert_eq!(selector.matches(labels.as_slice()), expected, "{text}");
        let map: crate::Map = labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(selector.matches(&map), expected, "{text}");
    };
    for text in
        ["", "app", "app=web", "app in (x,web)", "app!=x", "x!=y", "!x", "tier=", "count>4", "count<6"]
    {
        check(text, true);
    }
    for text in ["!app", "app=x", "app notin (web)", "x", "count>5", "app<6", "x>1", "app,x"] {
        check(text, false);
    }
    assert!(!LabelSelector::nothing().matches(labels.as_slice()));
}

#[test]
fn label_selector_objects() {
    let check = |object: &str, expected: &str| {
        let value = json::parse(object.as_bytes()).unwrap();
        let shown = LabelSelector::from_value(Some(&value));
        assert_eq!(shown.map_or_else(|error| error.0, |selector| selector.to_string()), expected);
    };
    check(r#"{}"#, "");
    check(
        r#"{"matchLabels":{"b":"2","a":"1"},"matchExpressions":[{"key":"aa","operator":"In","values":["y","x"]},
           {"key":"z","operator":"DoesNotExist"}]}"#,
        "a=1,aa in (x,y),b=2,!z",
    );
    check(
        r#"{"matchExpressions":[{"key":"a","operator":"Like"}]}"#,
        "\"Like\" is not a valid label selector operator",
    );
    check(
        r#"{"matchExpressions":[{"key":"a","operator":"Exists","values":["b"]}]}"#,
        "values: Invalid value: [\"b\"]: values set must be empty for exists and does not exist",
    );
    assert!(LabelSelector::from_value(None).unwrap().is_nothing());
    assert_eq!(LabelSelector::format(None), "<none>");
}

#[test]
fn label_selector_objects_validate() {
    let object = r#"{"matchLabels":{"a":"b c"},"matchExpressions":[{"key":"","operator":"In"},
                     {"key":"k","operator":"Exists","values":["x"]},{"key":"k","operator":"like"}]}"#;
    let mut errors = FieldErrors::new();
    let value = json::parse(object.as_bytes()).unwrap();
    validate_label_selector(&value, &Path::root("spec.selector"), false, &mut errors);
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.selector.matchLabels",
            "spec.selector.matchExpressions[0].values",
            "spec.selector.matchExpressions[0].key",
            "spec.selector.matchExpressions[0].key",
            "spec.selector.matchExpressions[1].values",
            "spec.selector.matchExpressions[2].operator",
        ]
    );
}

fn check_field(text: &str, expected: &str) {
    let shown = FieldSelector::parse(text).map_or_else(|error| error.0, |selector| selector.to_string());
    assert_eq!(shown, expected, "{text:?}");
}

#[test]
fn field_selectors_parse() {
    check_field("", "");
    check_field(",,", "");
    check_field("b==2,a!=1", "a!=1,b=2");
    check_field(r"a=x\,y\=z\\", r"a=x\,y\=z\\");
    check_field("a=", "a=");
    check_field("=", "=");
    check_field("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'");
    check_field("n in (a,b)", "invalid selector: 'n in (a,b)'; can't understand 'b)'");
    check_field(r"a=\x", r"invalid field selector: invalid escape sequence: \x");
    check_field(r"a=b\", r"invalid field selector: invalid escape sequence: \");
    check_field("a=b=c", "invalid field selector: unescaped character in value: 61");
}

#[test]
fn field_selectors_match() {
    let selector = FieldSelector::parse("a=1,b!=2").unwrap();
    let value_of = |field: &str| match field {
        "a" => Some("1"),
        "b" => Some("3"),
        _ => None,
    };
    assert!(selector.matches(value_of));
    assert!(!selector.matches(|_| None));
    assert!(!selector.matches(|field| Some(if field == "a" { "1" } else { "2" })));
    assert_eq!((selector.exact("a"), selector.exact("b")), (Some("1"), None));
    let renamed = selector.transform(|field, value| match field {
        "a" => Ok((Text::from("x"), Text::from(value))),
        "b" => Ok((Text::default(), Text::default())),
        other => Err(other.to_string()),
    });
    assert_eq!(renamed.unwrap().to_string(), "x=1");
}
