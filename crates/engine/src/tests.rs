//! The life of objects on an engine whose store forgets everything at the end.

use crate::request::body::{self, Body, Format};
use crate::request::options::{DeleteOptions, FieldValidation, ListOptions, PatchKind};
use crate::write::delete::Deleted;
use crate::{
    Engine, ObjectRef, Patch, Selection, ServedResource, Watch, WatchEvent, WatchItem, WriteContext,
    WriteResult,
};
use pintle_object::Query;
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{Status, Value, json, meta};
use pintle_store::backend::{AppendError, BackendError, Found, Row};
use pintle_store::{DurableLog, Revision};
use std::sync::Arc;

/// A durable log that is neither.
struct Nowhere;

impl DurableLog for Nowhere {
    fn load(&mut self, _: &mut dyn FnMut(Row)) -> Result<Found, BackendError> {
        Ok(Found::default())
    }

    fn append(&mut self, _: &[Row], _: &[Revision], _: Revision) -> Result<(), AppendError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
}

pub(crate) struct World {
    pub engine: Arc<Engine>,
    table: Arc<crate::resource_table::Table>,
    user: User,
}

const MAPS: &str = "configmaps";

impl World {
    pub fn new() -> World {
        let api = Arc::new(pintle_schema::builtin());
        let engine = Engine::open(api, Box::new(Nowhere), pintle_store::Options::default()).unwrap();
        World { table: engine.table(), engine: Arc::new(engine), user: User::default() }
    }

    pub fn served(&self, plural: &str) -> &Arc<ServedResource> {
        self.table.find("", "v1", plural).unwrap()
    }

    fn target<'a>(&'a self, plural: &str, name: &'a str) -> ObjectRef<'a> {
        self.target_of(self.served(plural), name)
    }

    pub fn target_of<'a>(&'a self, served: &'a ServedResource, name: &'a str) -> ObjectRef<'a> {
        let namespace = if served.resource.namespaced { "ns" } else { "" };
        ObjectRef { served, subresource: "", namespace, name }
    }

    pub fn context(&self, dry_run: bool) -> WriteContext<'_> {
        let now = Time { seconds: 1_000, nanos: 0 };
        WriteContext {
            user: &self.user,
            now,
            deadline: None,
            manager: "test".into(),
            dry_run,
            options: None,
            audit: None,
            warnings: Vec::new(),
            empties: Vec::new(),
            conversions: Arc::default(),
        }
    }

    fn read(&self, plural: &str, document: &str) -> Result<Value, Status> {
        let served = self.served(plural);
        let body = Body { bytes: document.as_bytes(), format: Format::Json };
        let validation = FieldValidation::Strict;
        let ty = served.resource.ty;
        body::decode(&self.engine.api, body, ty, &served.gvk(), validation, &mut Vec::new(), &mut Vec::new())
    }

    pub async fn create(&self, plural: &str, document: &str) -> Result<WriteResult, Status> {
        let body = self.read(plural, document)?;
        self.engine.create(self.target(plural, ""), body, &mut self.context(false)).await
    }

    /// The answer to a write of a config map.
    fn tree(&self, written: WriteResult) -> Value {
        written.into_tree(self.served(MAPS)).unwrap()
    }

    async fn update(&self, plural: &str, name: &str, document: &str) -> Result<WriteResult, Status> {
        let body = self.read(plural, document)?;
        self.engine.update(self.target(plural, name), body, &mut self.context(false)).await
    }

    async fn merge(&self, plural: &str, name: &str, document: &str) -> Result<WriteResult, Status> {
        let patch = Patch {
            kind: PatchKind::Merge,
            bytes: document.as_bytes(),
            validation: FieldValidation::Strict,
            force: false,
        };
        self.engine.patch(self.target(plural, name), &patch, &mut self.context(false)).await
    }

    async fn delete(&self, plural: &str, name: &str, options: &str) -> Result<Deleted, Status> {
        let options = DeleteOptions::from_body(&json::parse(options.as_bytes()).unwrap())?;
        self.engine.delete(self.target(plural, name), &options, &mut self.context(options.dry_run)).await
    }

    /// The current state of an object as compact JSON of one of its parts; empty when there is no object.
    async fn part(&self, plural: &str, name: &str, path: &[&str]) -> String {
        match self.engine.get(&self.target(plural, name), &Query::default()).await {
            Ok(object) => {
                let tree = self.engine.tree(self.served(plural), &object).unwrap();
                tree.at(path).map(json::to_string).unwrap_or_else(|| "none".into())
            }
            Err(_) => String::new(),
        }
    }
}

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
