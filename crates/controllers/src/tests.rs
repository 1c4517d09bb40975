//! The loops on an engine with a store in memory, in virtual time.

use crate::bootstrap::{self, Cluster};
use crate::runner::{self, EventSource, Reconciler};
use crate::{KeptObjects, PublishedTrust, ServerIdentity, own_writes};
use pintle_engine::options::DeleteOptions;
use pintle_engine::{Engine, ObjectRef, own};
use pintle_kinds::allocator::IpPool;
use pintle_object::{Status, Value};
use pintle_store::backend::{AppendError, BackendError, Found, Row};
use pintle_store::{DurableLog, EventWindow, Options, Revision};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

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

fn engine() -> Arc<Engine> {
    engine_with(Options::default())
}

fn engine_with(options: Options) -> Arc<Engine> {
    let mut engine = Engine::open(Arc::new(pintle_schema::builtin()), Box::new(Nowhere), options).unwrap();
    engine.set_pools(IpPool::parse("10.0.0.0/24").into_iter().collect(), 30_000..=32_767);
    Arc::new(engine)
}

fn cluster() -> Cluster {
    Cluster { service_cluster_ip_range: "10.0.0.0/24".into(), secure_port: 6443 }
}

fn read(engine: &Engine, (group, plural): (&str, &str), namespace: &str, name: &str) -> Option<Value> {
    let served = engine.find_any(group, plural).unwrap();
    EventSource::all(&served).unwrap().read(engine, &served, namespace, name).unwrap()
}

async fn delete(engine: &Engine, (group, plural): (&str, &str), namespace: &str, name: &str) {
    let served = engine.find_any(group, plural).unwrap();
    let target = ObjectRef { served: &served, subresource: "", namespace, name };
    let user = own::user();
    engine.delete(target, &DeleteOptions::default(), &mut engine.own_call(&user, own::now())).await.unwrap();
}

/// Waits until something is so. The runtime's time flies meanwhile, and the store's threads, which have time of their
/// own, get some of it.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never: {what}");
}

const SCHEMAS: (&str, &str) = ("flowcontrol.apiserver.k8s.io", "flowschemas");
const LEVELS: (&str, &str) = ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations");
const SERVICES: (&str, &str) = ("", "services");
const ENDPOINTS: (&str, &str) = ("", "endpoints");
const SLICES: (&str, &str) = ("discovery.k8s.io", "endpointslices");
const CONFIG_MAPS: (&str, &str) = ("", "configmaps");
const CIDRS: (&str, &str) = ("networking.k8s.io", "servicecidrs");

#[tokio::test(start_paused = true)]
async fn what_the_server_keeps_comes_back_while_it_runs() {
    let engine = engine();
    bootstrap::run(&engine, &cluster(), own::now()).await.unwrap();
    let told =
        ServerIdentity { address: [10, 1, 2, 3].into(), keeps_endpoints: true, identity: None, peer: None };
    let kept = Arc::new(KeptObjects::new(engine.clone(), cluster(), told));
    let running = tokio::spawn({
        let kept = kept.clone();
        async move { kept.run().await }
    });
    eventually("endpoints", || read(&engine, SLICES, "default", "kubernetes").is_some()).await;
    let tracking = "kube-apiserver-legacy-service-account-token-tracking";
    for (resource, namespace, name) in [
        (SCHEMAS, "", "system-nodes"),
        (SCHEMAS, "", "exempt"),
        (LEVELS, "", "workload-low"),
        (SERVICES, "default", "kubernetes"),
        (ENDPOINTS, "default", "kubernetes"),
        (SLICES, "default", "kubernetes"),
        (CONFIG_MAPS, "kube-system", tracking),
        (CIDRS, "", "kubernetes"),
    ] {
        let uid = |object: &Value| object.str_at(&["metadata", "uid"]).to_string();
        let before = uid(&read(&engine, resource, namespace, name).unwrap());
        delete(&engine, resource, namespace, name).await;
        let is_new = || read(&engine, resource, namespace, name).is_some_and(|found| uid(&found) != before);
        eventually(name, is_new).await;
    }
    let before = read(&engine, SCHEMAS, "", "probes").unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(read(&engine, SCHEMAS, "", "probes").unwrap(), before, "what is right is not touched");
    let slice = read(&engine, SLICES, "default", "kubernetes").unwrap();
    assert_eq!(slice.list_at(&["endpoints"])[0].list_at(&["addresses"]), &[Value::from("10.1.2.3")]);
    running.abort();
    // The store's thread does not know of this time, in which a leave would take too long at once.
    tokio::time::resume();
    kept.leave().await;
    let endpoints = read(&engine, ENDPOINTS, "default", "kubernetes").unwrap();
    assert!(endpoints.list_at(&["subsets"]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn trust_that_somebody_deletes_or_changes_is_published_again() {
    let engine = engine();
    bootstrap::run(&engine, &cluster(), own::now()).await.unwrap();
    let trusted = || Ok(vec![("requestheader-allowed-names", String::from(r#"["proxy"]"#))]);
    let trust = PublishedTrust::new(engine.clone(), Arc::new(trusted));
    trust.publish().await.unwrap();
    trust.clone().control();
    let name = "extension-apiserver-authentication";
    let found = || read(&engine, CONFIG_MAPS, "kube-system", name);
    delete(&engine, CONFIG_MAPS, "kube-system", name).await;
    eventually("the ConfigMap", || found().is_some()).await;
    let emptied = |current: &Value| {
        let mut next = current.clone();
        next.remove(&["data"]);
        Some(next)
    };
    own_writes::change(
        &engine,
        &bootstrap::object("v1", "ConfigMap", "kube-system", name),
        emptied,
        own::now(),
    )
    .await
    .unwrap();
    eventually("its data", || found().is_some_and(|map| map.get("data").is_some())).await;
}

/// Tells of its looks, fails at the first few, and takes its time while the gate is held.
struct Telling {
    source: EventSource,
    looks: mpsc::UnboundedSender<String>,
    failures_left: usize,
    gate: Arc<Mutex<()>>,
}

impl Reconciler for Telling {
    const NAME: &'static str = "telling";

    fn sources(&self) -> Vec<EventSource> {
        vec![self.source.clone()]
    }

    async fn sync(&mut self, _: usize, _: &str, name: &str) -> Result<(), Status> {
        let _ = self.looks.send(name.to_string());
        drop(self.gate.lock().await);
        if self.failures_left == 0 {
            return Ok(());
        }
        self.failures_left -= 1;
        Err(Status::internal("not yet"))
    }
}

async fn make(engine: &Engine, name: &str) {
    let object = bootstrap::object("v1", "Namespace", "", name);
    own_writes::keep(engine, None, &object, |_| None, own::now()).await.unwrap();
}

fn tell(engine: &Arc<Engine>, failures_left: usize) -> (mpsc::UnboundedReceiver<String>, Arc<Mutex<()>>) {
    let source = EventSource::all(&engine.find_any("", "namespaces").unwrap()).unwrap();
    let (looks, looked) = mpsc::unbounded_channel();
    let gate = Arc::<Mutex<()>>::default();
    let telling = Telling { source, looks, failures_left, gate: gate.clone() };
    tokio::spawn(runner::run(engine.clone(), telling));
    (looked, gate)
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again() {
    let engine = engine();
    let (mut looked, _) = tell(&engine, 3);
    make(&engine, "a").await;
    for _ in 0..4 {
        assert_eq!(looked.recv().await.unwrap(), "a");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_lags_lists_anew() {
    let window = EventWindow { events_max: 2, bytes_min: 0, ..EventWindow::default() };
    let engine = engine_with(Options { window, ..Options::default() });
    let (mut looked, gate) = tell(&engine, 0);
    let busy = gate.lock().await;
    make(&engine, "first").await;
    assert_eq!(looked.recv().await.unwrap(), "first");
    let others: Vec<String> = (0..10).map(|number| format!("n{number}")).collect();
    for other in &others {
        make(&engine, other).await;
    }
    drop(busy);
    let mut missing: BTreeSet<&str> = others.iter().map(String::as_str).chain(["first"]).collect();
    while !missing.is_empty() {
        missing.remove(looked.recv().await.unwrap().as_str());
    }
}

const DEFINITIONS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");

fn definition(plural: &str) -> Value {
    let text = format!(
        r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
            "metadata":{{"name":"{plural}.example.org"}},
            "spec":{{"group":"example.org","scope":"Cluster",
                "names":{{"plural":"{plural}","singular":"{plural}","kind":"Thing","listKind":"ThingList"}},
                "versions":[{{"name":"v1","served":true,"storage":true,
                    "schema":{{"openAPIV3Schema":{{"type":"object"}}}}}}]}}}}"#
    );
    pintle_object::json::parse(text.as_bytes()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn definitions_are_served_while_they_are_there_and_their_names_are_free_after() {
    // So few events are kept that the loop lags: what is gone by then is found out all the same.
    let window = EventWindow { events_max: 1, bytes_min: 0, ..EventWindow::default() };
    let engine = engine_with(Options { window, ..Options::default() });
    own_writes::keep(&engine, None, &definition("first"), |_| None, own::now()).await.unwrap();
    crate::definitions::control(engine.clone()).await;
    let is_served = |plural: &str| engine.find("example.org", "v1", plural).is_some();
    eventually("the first is served", || is_served("first")).await;
    own_writes::keep(&engine, None, &definition("second"), |_| None, own::now()).await.unwrap();
    let is_accepted = |name: &str| {
        let found = read(&engine, DEFINITIONS, "", name).unwrap();
        let conditions = found.list_at(&["status", "conditions"]).to_vec();
        conditions
            .iter()
            .any(|one| one.str_at(&["type"]) == "NamesAccepted" && one.str_at(&["status"]) == "True")
    };
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!is_accepted("second.example.org") && !is_served("second"), "the kind is taken");
    delete(&engine, DEFINITIONS, "", "first.example.org").await;
    eventually("the first is gone", || !is_served("first")).await;
    eventually("the second is served", || is_served("second")).await;
    assert!(read(&engine, DEFINITIONS, "", "first.example.org").is_none());
}
