//! Applying, conflicts and fields given up.

use super::*;
use crate::managed::Filter;
use pintle_object::GroupVersionKind;
use pintle_object::time::Time;
use pintle_schema::builtin::Builtin;
use pintle_schema::decode;

struct World {
    api: Builtin,
    gvk: GroupVersionKind,
}

impl World {
    fn new(group: &str, kind: &str) -> World {
        World { api: pintle_schema::builtin(), gvk: GroupVersionKind::new(group, "v1", kind) }
    }

    fn apply(
        &self,
        manager: &str,
        force: bool,
        live: Option<&Value>,
        config: &str,
    ) -> Result<Value, ApplyError> {
        let ty = self.api.kind(&self.gvk).unwrap();
        let mut config = json::parse(config.as_bytes()).unwrap();
        config.set(&["apiVersion"], self.gvk.group_version().to_string());
        config.set(&["kind"], self.gvk.kind.clone());
        let tracking = Tracking {
            schema: &self.api.schema,
            ty,
            api_version: &self.gvk.group_version().to_string(),
            subresource: "",
            manager,
            filter: &Filter::All,
            versions: &(),
            now: Time { seconds: 1_700_000_000, nanos: 0 },
        };
        let tree = apply(&tracking, live, &config, force)?;
        let mut value = decode::json::normalise(&self.api.schema, ty, &tree).unwrap().value;
        value.set(&["metadata", "uid"], "1");
        Ok(value)
    }

    /// Applies configurations one after the other, and gives the field at a path and the owners at the end.
    fn story(&self, path: &str, steps: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut live = None;
        for (manager, config) in steps {
            live = Some(self.apply(manager, false, live.as_ref(), config).unwrap());
        }
        let live = live.unwrap();
        let shown = live.get(path).map(json::to_string).unwrap_or_default();
        (shown, owners(&live))
    }
}

fn owners(object: &Value) -> Vec<String> {
    let shown = |entry: &Value| {
        let Some(Value::Raw(fields)) = entry.get("fieldsV1") else { panic!("an entry has fields") };
        format!("{} {}", entry.str_at(&["manager"]), fields.0)
    };
    object.list_at(&["metadata", "managedFields"]).iter().map(shown).collect()
}

#[test]
fn fields_given_up_are_removed_unless_somebody_else_owns_them() {
    let world = World::new("", "ConfigMap");
    /// The applies in turn, each with its manager; the data at the end; the owners of its fields.
    type Case = (&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);
    let cases: [Case; 5] = [
        (
            &[("a", r#"{"data":{"k1":"1","k2":"2"}}"#), ("a", r#"{"data":{"k1":"1","k3":"3"}}"#)],
            r#"{"k1":"1","k3":"3"}"#,
            &[r#"a {"f:data":{"f:k1":{},"f:k3":{}}}"#],
        ),
        (&[("a", r#"{"data":{"k1":"1"}}"#), ("a", "{}")], "", &[]),
        (
            &[
                ("a", r#"{"data":{"k":"v","only":"a"}}"#),
                ("b", r#"{"data":{"k":"v"}}"#),
                ("a", r#"{"data":{"only":"a"}}"#),
            ],
            r#"{"k":"v","only":"a"}"#,
            &[r#"b {"f:data":{"f:k":{}}}"#, r#"a {"f:data":{"f:only":{}}}"#],
        ),
        (
            &[("a", r#"{"data":{"ka":"1"}}"#), ("b", r#"{"data":{"kb":"1"}}"#), ("b", "{}")],
            r#"{"ka":"1"}"#,
            &[r#"a {"f:data":{"f:ka":{}}}"#],
        ),
        (&[("a", r#"{"data":{}}"#)], "", &[r#"a {"f:data":{}}"#]),
    ];
    for (steps, data, expected) in cases {
        let (shown, owners) = world.story("data", steps);
        assert_eq!(shown, data, "{steps:?}");
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        let mut owners: Vec<&str> = owners.iter().map(String::as_str).collect();
        owners.sort_unstable();
        assert_eq!(owners, expected, "{steps:?}");
    }
}

#[test]
fn list_items_are_merged_by_their_keys() {
    let world = World::new("", "Service");
    let (spec, owners) = world.story(
        "spec",
        &[
            ("a", r#"{"spec":{"ports":[{"port":80,"name":"x"},{"port":81,"name":"y"}]}}"#),
            ("b", r#"{"spec":{"ports":[{"port":82,"name":"z"}]}}"#),
            ("a", r#"{"spec":{"ports":[{"port":81,"name":"y"}]}}"#),
        ],
    );
    assert!(
        spec.contains(r#""port":81"#) && spec.contains(r#""port":82"#) && !spec.contains(r#""port":80"#),
        "{spec}"
    );
    assert_eq!(
        owners,
        [
            r#"a {"f:spec":{"f:ports":{"k:{\"port\":81,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}}}}"#,
            r#"b {"f:spec":{"f:ports":{"k:{\"port\":82,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}}}}"#,
        ]
    );
}

#[test]
fn what_others_own_is_a_conflict() {
    let world = World::new("", "ConfigMap");
    let live = world.apply("a", false, None, r#"{"data":{"k":"v","l":"w"}}"#).unwrap();
    let error = world.apply("b", false, Some(&live), r#"{"data":{"k":"other"}}"#).unwrap_err();
    assert_eq!(error.message(), "Apply failed with 1 conflict: conflict with \"a\": .data.k");
    let error = world.apply("b", false, Some(&live), r#"{"data":{"k":"other","l":"other"}}"#).unwrap_err();
    assert_eq!(error.message(), "Apply failed with 2 conflicts: conflicts with \"a\":\n- .data.k\n- .data.l");
    assert_eq!(error.causes().len(), 2);
    let forced = world.apply("b", true, Some(&live), r#"{"data":{"k":"other"}}"#).unwrap();
    assert_eq!(owners(&forced), [r#"a {"f:data":{"f:l":{}}}"#, r#"b {"f:data":{"f:k":{}}}"#]);
}

#[test]
fn what_was_there_before_has_a_manager() {
    let world = World::new("", "ConfigMap");
    let mut live = world.apply("a", false, None, r#"{"data":{"k":"v"}}"#).unwrap();
    live.remove(&["metadata", "managedFields"]);
    let next = world.apply("b", false, Some(&live), r#"{"data":{"k":"v"}}"#).unwrap();
    assert_eq!(
        owners(&next),
        [r#"b {"f:data":{"f:k":{}}}"#, r#"before-first-apply {"f:data":{".":{},"f:k":{}}}"#]
    );
    let error = world.apply("b", false, Some(&live), r#"{"data":{"k":"w"}}"#).unwrap_err();
    assert_eq!(
        error.message(),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.k"
    );
}

#[test]
fn configurations_that_are_none_are_refused() {
    let world = World::new("", "ConfigMap");
    let cases = [
        (r#"{"metadata":{"managedFields":[]}}"#, "metadata.managedFields must be nil"),
        (
            r#"{"metadata":{"name":"c"},"bogus":1}"#,
            "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .bogus: field not declared in schema",
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(world.apply("a", false, None, config).unwrap_err().message(), expected, "{config}");
    }
}

#[test]
fn applying_twice_changes_nothing() {
    let world = World::new("apps", "Deployment");
    let config = r#"{"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a","image":"i","resources":{"limits":{"cpu":"1000m"}}}]}}}}"#;
    let first = world.apply("a", false, None, config).unwrap();
    let mut second = world.apply("a", false, Some(&first), config).unwrap();
    crate::keep_times_of_noop(&first, &mut second);
    assert_eq!(json::to_string(&first), json::to_string(&second));
}
