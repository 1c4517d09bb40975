//! Entries of managed fields and how updates are tracked.

use super::*;
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Value, json};
use pintle_schema::builtin::Builtin;
use pintle_schema::decode;

const NOW: Time = Time { seconds: 1_700_000_000, nanos: 0 };

struct World {
    api: Builtin,
}

impl World {
    fn new() -> World {
        World { api: pintle_schema::builtin() }
    }

    /// Writes an object of a kind by a manager at a second, and returns it with its managed fields.
    fn write(&self, kind: &str, manager: &str, second: i64, old: Option<&Value>, new: &str) -> Value {
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        let gvk = GroupVersionKind::new(group, "v1", kind);
        let ty = self.api.kind(&gvk).unwrap();
        let mut new = decode::json::decode(&self.api.schema, ty, new.as_bytes()).unwrap().value;
        if let Some(old) = old {
            new.set(&["metadata", "uid"], old.str_at(&["metadata", "uid"]));
        }
        let tracking = Tracking {
            schema: &self.api.schema,
            ty,
            api_version: &gvk.group_version().to_string(),
            subresource: "",
            manager,
            filter: &Filter::excluding(&["status"]),
            versions: &(),
            now: Time { seconds: NOW.seconds + second, ..NOW },
        };
        track_update(&tracking, old, &mut new);
        new.set(&["metadata", "uid"], "1");
        new
    }
}

fn entries(object: &Value) -> Vec<String> {
    let shown = |entry: &Value| {
        let Some(Value::Raw(fields)) = entry.get("fieldsV1") else { panic!("an entry has fields") };
        format!("{} {}", entry.str_at(&["manager"]), fields.0)
    };
    object.list_at(&["metadata", "managedFields"]).iter().map(shown).collect()
}

#[test]
fn a_writer_owns_what_it_set_and_loses_what_others_change() {
    let world = World::new();
    let first = world.write(
        "ConfigMap",
        "u1",
        0,
        None,
        r#"{"metadata":{"name":"c","labels":{"a":"b"}},"data":{"k1":"1","k2":"2","k3":"3"}}"#,
    );
    assert_eq!(
        entries(&first),
        [
            r#"u1 {"f:data":{".":{},"f:k1":{},"f:k2":{},"f:k3":{}},"f:metadata":{"f:labels":{".":{},"f:a":{}}}}"#
        ]
    );
    let second = world.write(
        "ConfigMap",
        "u2",
        1,
        Some(&first),
        r#"{"metadata":{"name":"c","labels":{"a":"b"}},"data":{"k1":"1","k2":"changed","k4":"4"}}"#,
    );
    assert_eq!(
        entries(&second),
        [
            r#"u1 {"f:data":{".":{},"f:k1":{}},"f:metadata":{"f:labels":{".":{},"f:a":{}}}}"#,
            r#"u2 {"f:data":{"f:k2":{},"f:k4":{}}}"#,
        ]
    );
    let third = world.write(
        "ConfigMap",
        "u1",
        2,
        Some(&second),
        r#"{"metadata":{"name":"c","labels":{"a":"b"}},"data":{"k1":"1","k2":"again"}}"#,
    );
    assert_eq!(
        entries(&third),
        [r#"u1 {"f:data":{".":{},"f:k1":{},"f:k2":{}},"f:metadata":{"f:labels":{".":{},"f:a":{}}}}"#]
    );
}

#[test]
fn status_is_not_owned_through_the_object_itself() {
    let world = World::new();
    let pod = world.write("Pod", "u", 0, None, r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running"}}"#);
    assert_eq!(
        entries(&pod),
        [
            r#"u {"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:resources":{}}}}}"#
        ]
    );
}

#[test]
fn given_managed_fields_replace_the_live_ones() {
    let world = World::new();
    let live = world.write("ConfigMap", "u1", 0, None, r#"{"data":{"k":"v"}}"#);
    let cases: [(&str, &[&str]); 6] = [
        (r#"[]"#, &[]),
        (r#"[{}]"#, &[]),
        (r#"[{"manager":"x","operation":"Bogus"}]"#, &[r#"u1 {"f:data":{".":{},"f:k":{}}}"#]),
        (
            r#"[{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"bad":{}}}]"#,
            &[r#"u1 {"f:data":{".":{},"f:k":{}}}"#],
        ),
        (
            r#"[{"manager":"x","operation":"Update","apiVersion":"v99","fieldsType":"FieldsV1","fieldsV1":{"f:data":{}}}]"#,
            &[],
        ),
        (
            r#"[{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:k":{}}}}]"#,
            &[r#"x {"f:data":{"f:k":{}}}"#],
        ),
    ];
    for (given, expected) in cases {
        let document = format!(r#"{{"metadata":{{"managedFields":{given}}},"data":{{"k":"v"}}}}"#);
        assert_eq!(entries(&world.write("ConfigMap", "u2", 1, Some(&live), &document)), expected, "{given}");
    }
}

#[test]
fn the_oldest_of_many_managers_are_put_together() {
    let world = World::new();
    let mut object = world.write("ConfigMap", "u00", 0, None, r#"{"data":{"k00":"v"}}"#);
    let mut data = String::from(r#""k00":"v""#);
    for place in 1..12 {
        data.push_str(&format!(r#","k{place:02}":"v""#));
        let document = format!(r#"{{"data":{{{data}}}}}"#);
        object = world.write("ConfigMap", &format!("u{place:02}"), place, Some(&object), &document);
    }
    let entries = entries(&object);
    assert_eq!(entries.len(), 10);
    assert_eq!(entries[0], r#"ancient-changes {"f:data":{".":{},"f:k00":{},"f:k01":{},"f:k02":{}}}"#);
}

#[test]
fn items_without_keys_stop_the_tracking() {
    let world = World::new();
    let account = world.write("ServiceAccount", "u", 0, None, r#"{"secrets":[{}]}"#);
    assert!(entries(&account).is_empty());
    let pod = world.write("Pod", "u", 0, None, r#"{"spec":{"imagePullSecrets":[{}]}}"#);
    assert_eq!(entries(&pod), [r#"u {"f:spec":{"f:imagePullSecrets":{".":{},"k:{\"name\":\"\"}":{}}}}"#]);
}

#[test]
fn a_write_without_effect_keeps_its_times() {
    let world = World::new();
    let live = world.write("ConfigMap", "u1", 0, None, r#"{"data":{"k":"v"}}"#);
    let mut new = live.clone();
    if let Some([entry]) =
        new.at_mut(&["metadata", "managedFields"]).and_then(Value::as_list_mut).map(Vec::as_mut_slice)
    {
        entry.set(&["time"], "2030-01-01T00:00:00Z");
    }
    keep_times_of_noop(&live, &mut new);
    assert_eq!(json::to_string(&new), json::to_string(&live));
}

#[test]
fn an_object_that_is_not_of_its_type_has_no_managers() {
    let world = World::new();
    // Once stored, the type of the field became another one.
    let mut live = world.write("ConfigMap", "u1", 0, None, r#"{"data":{"k":"v"}}"#);
    live.set(&["metadata", "uid"], "u");
    live.set(&["data"], "text");
    let changed = world.write("ConfigMap", "u2", 1, Some(&live), r#"{"data":{"k":"w"}}"#);
    assert_eq!(changed.list_at(&["metadata", "managedFields"]), &[]);
}

#[test]
fn managers_are_named_by_the_request() {
    let cases = [
        ("m", "kubectl/v1", "m"),
        ("", "kubectl/v1.36.0 (linux/amd64) kubernetes/abc", "kubectl"),
        ("", "Go-http-client", "Go-http-client"),
        ("", "bad\nname\u{200b}/1", "badname"),
        ("", "", ""),
    ];
    for (field_manager, user_agent, expected) in cases {
        assert_eq!(manager_name(field_manager, user_agent), expected);
    }
}
