//! Strategic merge: keys, directives and order.

use super::*;
use pintle_object::{GroupVersionKind, json};

fn merged(kind: &str, target: &str, patch: &str) -> Result<String, String> {
    let api = pintle_schema::builtin();
    let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
    let ty = api.kind(&GroupVersionKind::new(group, "v1", kind)).unwrap();
    let Value::Map(patch) = json::parse(patch.as_bytes()).unwrap() else { panic!("a patch is a map") };
    let target = json::parse(target.as_bytes()).unwrap();
    strategic_merge(&api.schema, ty, target, patch)
        .map(|tree| json::to_string(&tree))
        .map_err(|error| error.message)
}

#[test]
fn patches_merge_by_the_rules_of_the_fields() {
    let cases = [
        (
            "ConfigMap",
            r#"{"data":{"k":"v","l":"1"}}"#,
            r#"{"data":{"k":"w","l":null,"m":null}}"#,
            r#"{"data":{"k":"w"}}"#,
        ),
        (
            "ConfigMap",
            r#"{"data":{"k":"v"}}"#,
            r#"{"data":{"$patch":"replace","n":"1"}}"#,
            r#"{"data":{"n":"1"}}"#,
        ),
        ("ConfigMap", r#"{"data":{"k":"v"}}"#, r#"{"data":{"$patch":"delete"}}"#, r#"{"data":{}}"#),
        (
            "ConfigMap",
            r#"{"metadata":{"finalizers":["a","b"]}}"#,
            r#"{"metadata":{"finalizers":["c","a"]}}"#,
            r#"{"metadata":{"finalizers":["c","a","b"]}}"#,
        ),
        (
            "ConfigMap",
            r#"{"metadata":{"finalizers":["a","b"]}}"#,
            r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a","z"]}}"#,
            r#"{"metadata":{"finalizers":["b"]}}"#,
        ),
        (
            "ConfigMap",
            r#"{}"#,
            r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}"#,
            r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}"#,
        ),
        (
            "Service",
            r#"{"spec":{"ports":[{"port":80,"name":"a"},{"port":81,"name":"b"}]}}"#,
            r#"{"spec":{"ports":[{"port":82,"name":"c"}]}}"#,
            r#"{"spec":{"ports":[{"name":"c","port":82},{"name":"a","port":80},{"name":"b","port":81}]}}"#,
        ),
        (
            "Service",
            r#"{"spec":{"ports":[{"port":80,"name":"a"},{"port":81}]}}"#,
            r#"{"spec":{"ports":[{"port":81,"name":"b"},{"port":80,"$patch":"delete"}]}}"#,
            r#"{"spec":{"ports":[{"name":"b","port":81}]}}"#,
        ),
        (
            "Service",
            r#"{"spec":{"ports":[{"port":80},{"port":81}]}}"#,
            r#"{"spec":{"ports":[{"$patch":"replace"},{"port":1}]}}"#,
            r#"{"spec":{"ports":[{"port":1}]}}"#,
        ),
        (
            "Service",
            r#"{"spec":{"ports":[{"port":80},{"port":81},{"port":82}]}}"#,
            r#"{"spec":{"$setElementOrder/ports":[{"port":81},{"port":80}],"ports":[{"port":81,"name":"x"}]}}"#,
            r#"{"spec":{"ports":[{"name":"x","port":81},{"port":80},{"port":82}]}}"#,
        ),
        (
            "Service",
            r#"{"spec":{"externalIPs":["1"]}}"#,
            r#"{"spec":{"externalIPs":["2"]}}"#,
            r#"{"spec":{"externalIPs":["2"]}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}"#,
            r#"{"spec":{"volumes":[{"name":"v","$retainKeys":["name","configMap"],"configMap":{"name":"c"}}]}}"#,
            r#"{"spec":{"volumes":[{"configMap":{"name":"c"},"name":"v"}]}}"#,
        ),
        (
            "Pod",
            r#"{}"#,
            r#"{"spec":{"containers":[{"name":"a","env":null},{"name":"b","$patch":"delete"}]}}"#,
            r#"{"spec":{"containers":[{"name":"a"}]}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"a"}]}}"#,
            r#"{"spec":{"containers":{"name":"one"}}}"#,
            r#"{"spec":{"containers":{"name":"one"}}}"#,
        ),
    ];
    for (kind, target, patch, expected) in cases {
        assert_eq!(merged(kind, target, patch).as_deref(), Ok(expected), "{patch}");
    }
}

#[test]
fn what_does_not_apply_is_said_in_upstreams_words() {
    let cases = [
        (
            "ConfigMap",
            r#"{"data":{}}"#,
            r#"{"data":{"$patch":"merge","z":"z"}}"#,
            "unknown patch type: merge in map: map[$patch:merge z:z]",
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"a"}]}}"#,
            r#"{"spec":{"containers":[{"image":"i"}]}}"#,
            "map: map[image:i] does not contain declared merge key: name",
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"a"}]}}"#,
            r#"{"spec":{"containers":[{"$patch":"delete"}]}}"#,
            "map: map[$patch:delete] does not contain declared merge key: name",
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"a"}]}}"#,
            r#"{"spec":{"containers":["a"]}}"#,
            "list element types are not identical: [[map[name:a]] [a]]",
        ),
        (
            "Pod",
            r#"{"spec":{}}"#,
            r#"{"spec":{"$retainKeys":["a"],"b":1}}"#,
            "invalid patch format of retainKeys",
        ),
        (
            "Pod",
            r#"{"spec":{}}"#,
            r#"{"spec":{"$setElementOrder/containers":"x"}}"#,
            "expected a []interface {}, but received a string",
        ),
        (
            "Pod",
            r#"{"spec":{}}"#,
            r#"{"spec":{"$setElementOrder":[]}}"#,
            "invalid patch format of setElementOrder list",
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"a"}]}}"#,
            r#"{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a"}]}}"#,
            "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n",
        ),
    ];
    for (kind, target, patch, expected) in cases {
        assert_eq!(merged(kind, target, patch), Err(expected.into()), "{patch}");
    }
}
