//! The life of objects on an engine with a store in memory.

mod world;

pub(crate) use world::World;

use crate::request::options::ListOptions;
use crate::write::delete::Deleted;
use crate::{ObjectRef, Selection, Watch, WatchEvent, WatchItem};
use pintle_object::{Query, Status, meta};
use world::MAPS;

fn code<T>(result: Result<T, Status>) -> u16 {
    result.err().map_or(0, |status| status.code)
}

#[tokio::test]
async fn a_name_is_taken_once_and_generated_ones_differ() {
    let world = World::new();
    let named = r#"{"metadata":{"name":"a"}}"#;
    assert_eq!(code(world.create(MAPS, named).await), 0);
    assert_eq!(code(world.create(MAPS, named).await), 409);
    let generated = r#"{"metadata":{"generateName":"g-"}}"#;
    let first = world.tree(world.create(MAPS, generated).await.unwrap());
    let second = world.tree(world.create(MAPS, generated).await.unwrap());
    assert_ne!(meta::name(&first), meta::name(&second));
    let versioned = world.create(MAPS, r#"{"metadata":{"name":"b","resourceVersion":"7"}}"#).await;
    assert_eq!(code(versioned), 500);
}

#[tokio::test]
async fn a_dry_run_leaves_nothing() {
    let world = World::new();
    let body = world.read(MAPS, r#"{"metadata":{"name":"a"}}"#).unwrap();
    let target = world.target(MAPS, "");
    let written = world.engine.create(target, body, &mut world.context(true)).await.unwrap();
    assert_eq!(meta::resource_version(&world.tree(written)), "");
    assert_eq!(world.part(MAPS, "a", &["kind"]).await, "");
}

#[tokio::test]
async fn only_the_latest_version_can_be_updated() {
    let world = World::new();
    let first = world.create(MAPS, r#"{"metadata":{"name":"a"},"data":{"k":"1"}}"#).await.unwrap();
    let first = world.tree(first);
    let version = meta::resource_version(&first).to_string();
    let newer = format!(r#"{{"metadata":{{"name":"a","resourceVersion":"{version}"}},"data":{{"k":"2"}}}}"#);
    assert_eq!(code(world.update(MAPS, "a", &newer).await), 0);
    assert_eq!(code(world.update(MAPS, "a", &newer).await), 409);
    let other = r#"{"metadata":{"name":"a","uid":"other"}}"#;
    assert_eq!(code(world.update(MAPS, "a", other).await), 409);
    assert_eq!(code(world.update(MAPS, "a", r#"{"metadata":{"name":"b"}}"#).await), 400);
    assert_eq!(code(world.update(MAPS, "z", r#"{"metadata":{"name":"z"}}"#).await), 404);
    // An update that changes nothing is no write.
    let before = world.engine.store.revision();
    assert_eq!(code(world.merge(MAPS, "a", r#"{"data":{"k":"2"}}"#).await), 0);
    assert_eq!(world.engine.store.revision(), before);
}

#[tokio::test]
async fn a_finalizer_holds_an_object_until_it_is_taken() {
    let world = World::new();
    world.create(MAPS, r#"{"metadata":{"name":"a","finalizers":["example.com/x"]}}"#).await.unwrap();
    for _ in 0..2 {
        let deleted = world.delete(MAPS, "a", "{}").await.unwrap();
        assert!(matches!(deleted, Deleted::Object { is_gone: false, .. }));
    }
    assert_eq!(world.part(MAPS, "a", &["metadata", "deletionTimestamp"]).await, "\"1970-01-01T00:16:40Z\"");
    let again = world.create(MAPS, r#"{"metadata":{"name":"a"}}"#).await.unwrap_err();
    assert!(again.message.starts_with("object is being deleted: "), "{}", again.message);
    assert_eq!(code(world.merge(MAPS, "a", r#"{"metadata":{"finalizers":null}}"#).await), 0);
    assert_eq!(world.part(MAPS, "a", &["kind"]).await, "");
}

#[tokio::test]
async fn a_policy_becomes_a_finalizer() {
    let world = World::new();
    for (policy, expected) in [("Orphan", r#"["orphan"]"#), ("Foreground", r#"["foregroundDeletion"]"#)] {
        let document = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, policy.to_lowercase());
        world.create(MAPS, &document).await.unwrap();
        let options = format!(r#"{{"propagationPolicy":"{policy}"}}"#);
        world.delete(MAPS, &policy.to_lowercase(), &options).await.unwrap();
        let finalizers = world.part(MAPS, &policy.to_lowercase(), &["metadata", "finalizers"]).await;
        assert_eq!(finalizers, expected);
    }
}

#[tokio::test]
async fn preconditions_guard_a_delete() {
    let world = World::new();
    world.create(MAPS, r#"{"metadata":{"name":"a"}}"#).await.unwrap();
    for options in [r#"{"preconditions":{"uid":"x"}}"#, r#"{"preconditions":{"resourceVersion":"1"}}"#] {
        assert_eq!(code(world.delete(MAPS, "a", options).await), 409);
    }
    assert_eq!(code(world.delete(MAPS, "a", r#"{"dryRun":["All"]}"#).await), 0);
    assert!(matches!(world.delete(MAPS, "a", "{}").await, Ok(Deleted::Gone { .. })));
    assert_eq!(code(world.delete(MAPS, "a", "{}").await), 404);
}

#[tokio::test]
async fn a_pod_on_a_node_is_given_its_grace_period() {
    let world = World::new();
    let pod = r#"{"metadata":{"name":"p"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}}"#;
    world.create("pods", pod).await.unwrap();
    world.delete("pods", "p", "{}").await.unwrap();
    let grace = ["metadata", "deletionGracePeriodSeconds"];
    assert_eq!(world.part("pods", "p", &grace).await, "30");
    world.delete("pods", "p", r#"{"gracePeriodSeconds":60}"#).await.unwrap();
    assert_eq!(world.part("pods", "p", &grace).await, "30", "a period is only shortened");
    world.delete("pods", "p", r#"{"gracePeriodSeconds":5}"#).await.unwrap();
    assert_eq!(world.part("pods", "p", &grace).await, "5");
    world.delete("pods", "p", r#"{"gracePeriodSeconds":0}"#).await.unwrap();
    assert_eq!(world.part("pods", "p", &["kind"]).await, "");
}

#[tokio::test]
async fn a_namespace_goes_when_it_is_finalized() {
    let world = World::new();
    world.create("namespaces", r#"{"metadata":{"name":"x"}}"#).await.unwrap();
    world.delete("namespaces", "x", "{}").await.unwrap();
    assert_eq!(world.part("namespaces", "x", &["status", "phase"]).await, "\"Terminating\"");
    world.delete("namespaces", "x", "{}").await.unwrap();
    assert_eq!(world.part("namespaces", "x", &["spec", "finalizers"]).await, "[\"kubernetes\"]");
    let target = ObjectRef { subresource: "finalize", ..world.target("namespaces", "x") };
    let body = world.read("namespaces", r#"{"metadata":{"name":"x"},"spec":{}}"#).unwrap();
    world.engine.update(target, body, &mut world.context(false)).await.unwrap();
    assert_eq!(world.part("namespaces", "x", &["kind"]).await, "");
}

#[tokio::test]
async fn pages_follow_each_other_in_one_snapshot() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.create(MAPS, &format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).await.unwrap();
    }
    let served = world.served(MAPS);
    let options = ListOptions::read(&Query::parse("limit=2")).unwrap();
    let selection = Selection::compile(served, &options, "").unwrap();
    let first = world.engine.list(served, "ns", &options, &selection).await.unwrap();
    assert_eq!((first.items.len(), first.remaining), (2, Some(1)));
    world.delete(MAPS, "c", "{}").await.unwrap();
    let query = Query::parse(&format!("limit=2&continue={}", first.continue_token));
    let options = ListOptions::read(&query).unwrap();
    let second = world.engine.list(served, "ns", &options, &selection).await.unwrap();
    assert_eq!((second.items.len(), second.revision), (1, first.revision));
    assert_eq!(second.continue_token, "");
}

#[tokio::test]
async fn a_watch_tells_of_comings_and_goings_of_its_selection() {
    let world = World::new();
    world.create(MAPS, r#"{"metadata":{"name":"a"}}"#).await.unwrap();
    let served = world.served(MAPS);
    let query = Query::parse("watch=1&labelSelector=l%3Dx&allowWatchBookmarks=true");
    let options = ListOptions::read(&query).unwrap();
    let selection = Selection::compile(served, &options, "").unwrap();
    let mut watch = world.engine.watch(served, "ns", &options, selection, None).await.unwrap();
    let (_, item) = watch_event(&mut watch).await;
    assert!(matches!(item, WatchItem::InitialEventsEnd(_)));
    for label in ["x", "y"] {
        let patch = format!(r#"{{"metadata":{{"labels":{{"l":"{label}"}}}}}}"#);
        world.merge(MAPS, "a", &patch).await.unwrap();
    }
    let revision = world.engine.store.revision();
    let mut events = Vec::new();
    while events.len() < 2 {
        events.extend(watch_event(&mut watch).await.0);
    }
    let [WatchEvent::Added(_), WatchEvent::Deleted(last)] = events.as_slice() else {
        panic!("the object came and left: {events:?}")
    };
    assert_eq!(last.mod_revision, revision);
    assert_eq!(last.attrs.labels.first().map(|(_, value)| value.as_str()), Some("x"));
}

/// The next item of a watch, and the events in it.
async fn watch_event(watch: &mut Watch) -> (Vec<WatchEvent>, WatchItem) {
    let mut events = Vec::new();
    let mut note = |watch_event: &WatchEvent, out: &mut Vec<u8>| {
        events.push(watch_event.clone());
        out.push(b' ');
    };
    let item = std::future::poll_fn(|context| watch.poll_item(context, &mut note)).await;
    (events, item)
}
