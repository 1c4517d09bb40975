//! Comparing and merging values by their types.

use super::*;
use crate::fields::FieldSet;
use pintle_object::{GroupVersionKind, Value, json};
use pintle_schema::decode;
use pintle_schema::model::{Schema, TypeId};

fn with(group: &str, kind: &str, run: impl FnOnce(&Schema, TypeId)) {
    let api = pintle_schema::builtin();
    let ty = api.kind(&GroupVersionKind::new(group, "v1", kind)).unwrap();
    run(&api.schema, ty);
}

fn object(schema: &Schema, ty: TypeId, text: &str) -> Value {
    decode::json::decode(schema, ty, text.as_bytes()).unwrap().value
}

#[test]
fn differences_are_found_by_the_rules_of_the_type() {
    let cases = [
        ("ConfigMap", r#"{}"#, r#"{"data":{"k":"v"}}"#, r#"{"f:data":{".":{},"f:k":{}}}"#, "{}", "{}"),
        (
            "ConfigMap",
            r#"{"data":{"k":"v","l":"1"}}"#,
            r#"{"data":{"k":"w"}}"#,
            "{}",
            r#"{"f:data":{"f:k":{}}}"#,
            r#"{"f:data":{"f:l":{}}}"#,
        ),
        (
            "Service",
            r#"{"spec":{"ports":[{"port":80,"protocol":"TCP"}],"selector":{"a":"b"}}}"#,
            r#"{"spec":{"ports":[{"port":81,"protocol":"TCP"},{"port":80,"protocol":"TCP","name":"n"}],"selector":{"a":"c"}}}"#,
            r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:name":{}},"k:{\"port\":81,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}}}}"#,
            r#"{"f:spec":{"f:selector":{}}}"#,
            "{}",
        ),
        (
            "Pod",
            r#"{"metadata":{"finalizers":["a","b"]},"spec":{"containers":[{"name":"c","resources":{}}]}}"#,
            r#"{"metadata":{"finalizers":["b"]},"spec":{"containers":[{"name":"c"}],"securityContext":{}}}"#,
            r#"{"f:spec":{"f:securityContext":{}}}"#,
            "{}",
            r#"{"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}}"#,
        ),
    ];
    for (kind, old, new, added, modified, removed) in cases {
        with("", kind, |schema, ty| {
            let (old_tree, new_tree) = (object(schema, ty, old), object(schema, ty, new));
            let difference = compare(schema, ty, &old_tree, &new_tree).unwrap();
            assert_eq!(difference.added.to_json(), added, "{new}");
            assert_eq!(difference.modified.to_json(), modified, "{new}");
            assert_eq!(difference.removed.to_json(), removed, "{new}");
        });
    }
}

#[test]
fn applied_fields_are_collected() {
    let cases = [
        ("", "ConfigMap", r#"{"data":{}}"#, r#"{"f:data":{}}"#),
        ("", "ConfigMap", r#"{"data":null,"immutable":null}"#, r#"{"f:data":{},"f:immutable":{}}"#),
        ("", "ConfigMap", r#"{"data":{"a":"b"}}"#, r#"{"f:data":{"f:a":{}}}"#),
        (
            "",
            "Service",
            r#"{"spec":{"ports":[{"port":80}],"selector":{}}}"#,
            r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},"f:selector":{}}}"#,
        ),
        ("", "Pod", r#"{"spec":{"containers":[]}}"#, "{}"),
        ("apps", "ControllerRevision", r#"{"data":{"a":{"b":[1]}}}"#, r#"{"f:data":{}}"#),
    ];
    for (group, kind, document, expected) in cases {
        with(group, kind, |schema, ty| {
            let value = json::parse(document.as_bytes()).unwrap();
            assert_eq!(fields_of(schema, ty, &value).unwrap().to_json(), expected, "{document}");
        });
    }
}

#[test]
fn what_does_not_fit_is_said_in_upstreams_words() {
    let cases = [
        ("{}", None),
        (r#"{"spec":{"bogus":1}}"#, Some(".spec.bogus: field not declared in schema")),
        (
            r#"{"spec":{"ports":[{"port":1},{"port":1}]}}"#,
            Some(".spec.ports: duplicate entries for key [port=1,protocol=\"TCP\"]"),
        ),
        (
            r#"{"spec":{"ports":[null]}}"#,
            Some(".spec.ports: element 0: associative list with keys may not have a null element"),
        ),
        (
            r#"{"spec":{"ports":[1]}}"#,
            Some(".spec.ports: element 0: associative list with keys may not have non-map elements"),
        ),
        (r#"{"spec":{"ports":{"name":"x"}}}"#, Some(".spec.ports: expected list, got &{map[name:x]}")),
        (
            r#"{"spec":{"ports":[{"port":"x"}]}}"#,
            Some(
                ".spec.ports[port=\"x\",protocol=\"TCP\"].port: expected numeric (int or float), got string",
            ),
        ),
        (
            r#"{"spec":{"type":5}}"#,
            Some(".spec.type: expected string, got &value.valueUnstructured{Value:5}"),
        ),
    ];
    for (document, expected) in cases {
        with("", "Service", |schema, ty| {
            let value = json::parse(document.as_bytes()).unwrap();
            assert_eq!(check(schema, ty, &value, false).as_deref(), expected, "{document}");
        });
    }
}

#[test]
fn owners_below_what_became_one_value_own_the_value() {
    let cases = [
        (r#"{"f:spec":{"f:selector":{".":{},"f:app":{}}}}"#, r#"{"f:spec":{"f:selector":{}}}"#),
        (r#"{"f:spec":{"f:selector":{"f:app":{}}}}"#, r#"{"f:spec":{"f:selector":{}}}"#),
        (r#"{"f:spec":{"f:externalIPs":{"v:\"1\"":{}}}}"#, r#"{"f:spec":{"f:externalIPs":{}}}"#),
        (
            r#"{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}"#,
            r#"{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}"#,
        ),
        (r#"{"f:bogus":{"f:a":{}}}"#, r#"{"f:bogus":{"f:a":{}}}"#),
    ];
    for (before, expected) in cases {
        with("", "Service", |schema, ty| {
            let mut set = FieldSet::parse(before).unwrap();
            reconcile(schema, ty, &mut set);
            assert_eq!(set.to_json(), expected, "{before}");
        });
    }
}

#[test]
fn two_values_are_checked_where_they_differ() {
    let cases = [
        (r#"{"data":{"k":"v"}}"#, r#"{"data":{"k":"w","l":"1"}}"#, true),
        (r#"{"data":{"k":"v"}}"#, r#"{}"#, true),
        (r#"{"data":"text"}"#, r#"{"data":"text","immutable":true}"#, true),
        (r#"{"data":"text"}"#, r#"{"data":{"k":"v"}}"#, false),
        (r#"{"data":{"a":1,"k":"v"}}"#, r#"{"data":{"k":"v"}}"#, false),
        (r#"{"data":{"z":1}}"#, r#"{"data":{"k":"v"}}"#, false),
        (r#"{"data":{"k":1}}"#, r#"{"data":{"k":"v"}}"#, false),
        (r#"{"bogus":1}"#, r#"{"data":{"k":"v"}}"#, false),
        (r#"{"metadata":{"ownerReferences":["a"]}}"#, r#"{"metadata":{}}"#, false),
    ];
    with("", "ConfigMap", |schema, ty| {
        for (one, other, expected) in cases {
            let [one, other] = [one, other].map(|text| json::parse(text.as_bytes()).unwrap());
            assert_eq!(fit_where_unlike(schema, ty, &one, &other), expected, "{one:?} {other:?}");
            assert_eq!(fit_where_unlike(schema, ty, &other, &one), expected, "{other:?} {one:?}");
        }
    });
}
