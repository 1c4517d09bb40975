//! Properties of every object and patch: over random pods, their managers, and the differences between them.

mod pods;

use pintle_object::{Map, Value, json};
use pintle_patch::managed::{Managed, ManagedOperation};
use pintle_patch::strategic::strategic_merge;
use pintle_patch::typed::{compare, fields_of};
use pintle_patch::{Element, FieldSet, apply, merge_patch, track_update};
use pods::{API, TYPE, canonical, pod, tracking};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn an_apply_repeated_changes_nothing(before in pod(), other in pod(), config in pod()) {
        let live = managed_by_two(&before, &other);
        let once = applied("a", 1, Some(&live), &config, true);
        let twice = applied("a", 2, Some(&once), &config, false);
        prop_assert_eq!(json::to_string(&twice), json::to_string(&once));
    }

    #[test]
    fn what_was_applied_can_be_extracted(before in pod(), other in pod(), config in pod()) {
        let live = managed_by_two(&before, &other);
        let merged = applied("a", 1, Some(&live), &config, true);
        let own = owned(&merged, "a", ManagedOperation::Apply);
        let mut expected = config;
        for field in ["kind", "apiVersion"] {
            expected.remove(&[field]);
        }
        expected.remove(&["metadata", "name"]);
        let extracted = extract(&pintle_patch::untyped(&merged), &own);
        prop_assert_eq!(json::to_string(&without_empty(extracted)), json::to_string(&without_empty(expected)));
    }

    #[test]
    fn what_is_not_applied_again_goes(first in pod(), second in pod()) {
        let both = applied("a", 2, Some(&applied("a", 1, None, &first, false)), &second, false);
        let mut only = applied("a", 2, None, &second, false);
        // An apply that changes nothing keeps the time of the first one.
        pods::forget_times(&mut only);
        let mut both = both;
        pods::forget_times(&mut both);
        prop_assert_eq!(json::to_string(&both), json::to_string(&only));
    }

    #[test]
    fn who_changes_a_field_owns_it_alone(before in pod(), other in pod(), after in pod()) {
        let live = managed_by_two(&before, &other);
        let mut new = canonical(&after);
        new.set(&["metadata", "uid"], "1");
        let mut taken = compare(&API.schema, *TYPE, &pods::unmanaged(&live), &new).unwrap().taken();
        track_update(&tracking("u", 3), Some(&live), &mut new);
        let own = owned(&new, "u", ManagedOperation::Update);
        taken.subtract(&FieldSet::of_fields(["kind", "apiVersion", "metadata", "metadata.name"]));
        prop_assert!(taken.difference(&own).is_empty(), "{}", taken.difference(&own).to_json());
        for entry in Managed::of(&new).unwrap().entries.iter().filter(|entry| entry.manager.as_str() != "u") {
            prop_assert!(entry.fields.intersection(&taken).is_empty(), "{}", entry.fields.to_json());
        }
    }

    #[test]
    fn a_strategic_patch_of_a_difference_makes_the_target(old in pod(), new in pod()) {
        let patch = pods::strategic_difference(old.as_map().unwrap(), new.as_map().unwrap());
        let text = json::to_string(&Value::Map(patch.clone()));
        let merged = strategic_merge(&API.schema, *TYPE, old, patch).map_err(|error| error.message);
        prop_assert_eq!(merged.map(|tree| json::to_string(&tree)), Ok(json::to_string(&new)), "{}", text);
    }

    #[test]
    fn a_merge_patch_of_a_difference_makes_the_target(old in pod(), new in pod()) {
        let patch = pods::difference(old.as_map().unwrap(), new.as_map().unwrap());
        let mut merged = old;
        merge_patch::merge_patch(&mut merged, Value::Map(patch));
        prop_assert_eq!(json::to_string(&merged), json::to_string(&new));
    }

    #[test]
    fn sets_follow_the_laws_of_sets(a in pod(), b in pod()) {
        let set = |pod: &Value| fields_of(&API.schema, *TYPE, pod).unwrap();
        let (a, b) = (set(&a), set(&b));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(a.union(&b).difference(&b), a.difference(&b));
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert_eq!(FieldSet::parse(&a.to_json()).unwrap(), a.clone());
        // The same document in a form that no server writes.
        prop_assert_eq!(FieldSet::parse(&format!(" {}", a.to_json())).unwrap(), a);
    }
}

/// A pod that one manager made by an update, and to which another applied.
fn managed_by_two(made: &Value, config: &Value) -> Value {
    let mut live = canonical(made);
    track_update(&tracking("u", 0), None, &mut live);
    live.set(&["metadata", "uid"], "1");
    applied("b", 0, Some(&live), config, true)
}

fn applied(manager: &str, seconds: i64, live: Option<&Value>, config: &Value, force: bool) -> Value {
    let tree = apply(&tracking(manager, seconds), live, config, force).expect("it is a pod that fits");
    let mut object = canonical(&tree);
    object.set(&["metadata", "uid"], "1");
    object
}

fn owned(object: &Value, manager: &str, operation: ManagedOperation) -> FieldSet {
    let entries = Managed::of(object).expect("its managers are sound").entries.into_iter();
    let mut own = entries.filter(|entry| entry.manager.as_str() == manager && entry.operation == operation);
    own.next().map(|entry| entry.fields).unwrap_or_default()
}

/// The part of an object that a set of fields is about.
fn extract(value: &Value, set: &FieldSet) -> Value {
    let part = |value: &Value, element: &Element| {
        let node = set.node(element)?;
        Some(if node.children.is_empty() { value.clone() } else { extract(value, &node.children) })
    };
    match value {
        Value::Map(map) => {
            let kept = map.iter().filter_map(|(key, value)| Some((key, part(value, &Element::field(key))?)));
            Value::Map(kept.collect::<Map>())
        }
        Value::List(items) => {
            let own = |item: &Value| {
                let node = set.nodes().iter().find(|node| pods::is_item(item, &node.element))?;
                Some(if node.children.is_empty() { item.clone() } else { extract(item, &node.children) })
            };
            Value::List(items.iter().filter_map(own).collect())
        }
        other => other.clone(),
    }
}

fn without_empty(mut value: Value) -> Value {
    if let Some(map) = value.as_map_mut() {
        map.retain(|key, value| key != "metadata" || value.as_map().is_some_and(|map| !map.is_empty()));
    }
    value
}
