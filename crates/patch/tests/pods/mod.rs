//! Random pods, and patches from one to another.

use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Map, Text, Value};
use pintle_patch::{Element, Filter, Tracking};
use pintle_schema::{Builtin, TypeId, builtin, decode};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub static API: LazyLock<Builtin> = LazyLock::new(builtin);
pub static TYPE: LazyLock<TypeId> =
    LazyLock::new(|| API.kind(&GroupVersionKind::new("", "v1", "Pod")).expect("Pod is built in"));

pub fn tracking(manager: &str, seconds: i64) -> Tracking<'_> {
    Tracking {
        schema: &API.schema,
        ty: *TYPE,
        api_version: "v1",
        subresource: "",
        manager,
        filter: &Filter::All,
        versions: &(),
        now: Time { seconds: 1_700_000_000 + seconds, nanos: 0 },
    }
}

pub fn canonical(tree: &Value) -> Value {
    decode::json::normalise(&API.schema, *TYPE, tree).expect("it is a pod").value
}

pub fn unmanaged(pod: &Value) -> Value {
    let mut pod = pod.clone();
    pod.remove(&["metadata", "managedFields"]);
    pod
}

pub fn forget_times(pod: &mut Value) {
    let entries = pod.at_mut(&["metadata", "managedFields"]).and_then(Value::as_list_mut);
    for entry in entries.into_iter().flatten() {
        entry.remove(&["time"]);
    }
}

/// Untyped pods with every kind of list and map: sets, keys, keys with defaults, atomic ones. Nothing is empty.
pub fn pod() -> impl Strategy<Value = Value> {
    let metadata = (
        prop::option::of(texts(3)),
        prop::option::of(texts(2)),
        prop::option::of(prop::sample::subsequence(vec!["x/a", "x/b", "x/c"], 1..3).prop_shuffle()),
    );
    let spec = (
        items("name", "c", container()),
        prop::option::of(items("name", "v", volume())),
        prop::option::of(texts(2)),
        prop::option::of(prop::collection::vec(texts(2), 1..3)),
        prop::option::of(0..3_i64),
    );
    (metadata, spec).prop_map(|((labels, annotations, finalizers), spec)| {
        let (containers, volumes, node_selector, tolerations, grace) = spec;
        let mut pod = Value::map();
        pod.set(&["apiVersion"], "v1");
        pod.set(&["kind"], "Pod");
        pod.set(&["metadata", "name"], "p");
        let finalizers = finalizers.map(|all| all.into_iter().map(Value::from).collect::<Vec<_>>());
        set(&mut pod, &["metadata", "labels"], labels);
        set(&mut pod, &["metadata", "annotations"], annotations);
        set(&mut pod, &["metadata", "finalizers"], finalizers);
        pod.set(&["spec", "containers"], containers);
        set(&mut pod, &["spec", "volumes"], volumes);
        set(&mut pod, &["spec", "nodeSelector"], node_selector);
        let tolerations = tolerations.map(|all| all.into_iter().map(toleration).collect::<Vec<_>>());
        set(&mut pod, &["spec", "tolerations"], tolerations);
        set(&mut pod, &["spec", "terminationGracePeriodSeconds"], grace);
        pod
    })
}

fn set(object: &mut Value, path: &[&str], value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.set(path, value);
    }
}

fn toleration(texts: Map) -> Value {
    let key = texts.keys().next().unwrap_or_default().to_string();
    Value::Map([("key", key)].into_iter().collect())
}

fn texts(len_max: usize) -> impl Strategy<Value = Map> {
    let pairs = prop::collection::btree_map("[a-d]", "[x-z]", 1..=len_max);
    pairs.prop_map(|pairs: BTreeMap<String, String>| pairs.into_iter().collect())
}

/// Items with different keys, in any order.
fn items(
    key: &'static str,
    prefix: &'static str,
    item: impl Strategy<Value = Map>,
) -> impl Strategy<Value = Vec<Value>> {
    let items = prop::collection::btree_map(0..4_u8, item, 1..4);
    let items = items.prop_map(move |items| {
        let with_key = |(number, mut item): (u8, Map)| {
            item.insert(key, format!("{prefix}{number}"));
            Value::Map(item)
        };
        items.into_iter().map(with_key).collect::<Vec<_>>()
    });
    items.prop_shuffle()
}

fn container() -> impl Strategy<Value = Map> {
    let parts = (
        prop::option::of("[i-k]"),
        prop::option::of(items(
            "name",
            "e",
            prop::option::of("[x-z]").prop_map(|value| value.map_or(Map::new(), env)),
        )),
        prop::option::of(prop::collection::btree_map(80..83_i64, prop::option::of("[m-o]"), 1..3)),
        prop::option::of(prop::collection::vec("[s-t]", 1..3)),
    );
    parts.prop_map(|(image, env, ports, command)| {
        let mut container = Value::map();
        set(&mut container, &["image"], image);
        set(&mut container, &["env"], env);
        let ports = ports.map(|ports| ports.into_iter().map(port).collect::<Vec<_>>());
        set(&mut container, &["ports"], ports);
        let command = command.map(|words| words.into_iter().map(Value::from).collect::<Vec<_>>());
        set(&mut container, &["command"], command);
        container.as_map().cloned().unwrap_or_default()
    })
}

fn env(value: String) -> Map {
    [("value", value)].into_iter().collect()
}

fn port((number, name): (i64, Option<String>)) -> Value {
    let mut port = Value::map();
    port.set(&["containerPort"], number);
    set(&mut port, &["name"], name);
    port
}

fn volume() -> impl Strategy<Value = Map> {
    let secret = "[r-s]".prop_map(|name| {
        let source: Map = [("secretName", name)].into_iter().collect();
        [("secret", source)].into_iter().collect()
    });
    let path = "[r-s]".prop_map(|path| {
        let source: Map = [("path", path)].into_iter().collect();
        [("hostPath", source)].into_iter().collect()
    });
    prop_oneof![secret, path]
}

/// Whether a list's item is the one that a path element means.
pub fn is_item(item: &Value, element: &Element) -> bool {
    let default = Value::from("TCP");
    let field = |name: &Text| item.get(name).or((name.as_str() == "protocol").then_some(&default));
    match element {
        Element::Key(keys) => keys.iter().all(|(name, value)| field(name) == Some(value)),
        Element::Value(value) => item == value,
        Element::Field(_) | Element::Index(_) => false,
    }
}

/// A JSON merge patch from one map to another.
pub fn difference(old: &Map, new: &Map) -> Map {
    let mut patch = gone(old, new);
    for (key, value) in new.iter() {
        match (old.get(key), value) {
            (Some(before), value) if before == value => {}
            (Some(Value::Map(before)), Value::Map(after)) => {
                patch.insert(key, difference(before, after));
            }
            _ => drop(patch.insert(key, value.clone())),
        }
    }
    patch
}

fn gone(old: &Map, new: &Map) -> Map {
    old.keys().filter(|key| !new.contains(key)).map(|key| (key, Value::Null)).collect()
}

/// A strategic merge patch from one map of a pod to another.
pub fn strategic_difference(old: &Map, new: &Map) -> Map {
    let mut patch = gone(old, new);
    for (key, value) in new.iter() {
        match (old.get(key), value) {
            (Some(before), value) if before == value => {}
            (Some(Value::Map(before)), Value::Map(after)) => {
                patch.insert(key, strategic_difference(before, after));
            }
            (Some(Value::List(before)), Value::List(after)) => list(&mut patch, key, before, after),
            _ => drop(patch.insert(key, value.clone())),
        }
    }
    patch
}

fn list(patch: &mut Map, field: &str, old: &[Value], new: &[Value]) {
    let order = format!("$setElementOrder/{field}");
    let key = match field {
        "containers" | "env" | "volumes" => "name",
        "ports" => "containerPort",
        "finalizers" => {
            let deleted: Vec<Value> = old.iter().filter(|item| !new.contains(item)).cloned().collect();
            let added: Vec<Value> = new.iter().filter(|item| !old.contains(item)).cloned().collect();
            patch.insert(order, new.to_vec());
            patch.insert(format!("$deleteFromPrimitiveList/{field}"), deleted);
            patch.insert(field, added);
            return;
        }
        _ => {
            patch.insert(field, new.to_vec());
            return;
        }
    };
    let only_key =
        |item: &Value| -> Map { item.get(key).map(|value| (key, value.clone())).into_iter().collect() };
    let find =
        |items: &[Value], item: &Value| items.iter().find(|other| other.get(key) == item.get(key)).cloned();
    let mut changes = Vec::new();
    for item in old.iter().filter(|item| find(new, item).is_none()) {
        let mut change = only_key(item);
        change.insert("$patch", "delete");
        changes.push(Value::Map(change));
    }
    for item in new {
        let before = find(old, item);
        if before.as_ref() == Some(item) {
            continue;
        }
        let (Some(before), Some(after)) = (before.as_ref().and_then(Value::as_map), item.as_map()) else {
            changes.push(item.clone());
            continue;
        };
        let mut change = strategic_difference(before, after);
        change.insert(key, item.get(key).cloned().unwrap_or_default());
        if field == "volumes" {
            let kept: Vec<Value> = after.keys().map(Value::from).collect();
            change.insert("$retainKeys", kept);
        }
        changes.push(Value::Map(change));
    }
    // The patch's own items stand in the order that it asks for, those that go behind them.
    let place =
        |change: &Value| new.iter().position(|item| item.get(key) == change.get(key)).unwrap_or(usize::MAX);
    changes.sort_by_key(place);
    let whole: Vec<Value> = new.iter().map(|item| Value::Map(only_key(item))).collect();
    patch.insert(order, whole);
    patch.insert(field, changes);
}
