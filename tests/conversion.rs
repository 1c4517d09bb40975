//! Conversion webhooks: custom resources in several versions, by a real webhook over TLS.

use crate::custom::install;
use pintle_testkit::{Client, Https, Server, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

const V1: &str = "/apis/example.org/v1/namespaces/default/gadgets";
const V2: &str = "/apis/example.org/v2/namespaces/default/gadgets";
const SOON: Duration = Duration::from_secs(10);

/// A server with gadgets, whose `host` of v1 is `hostname` in v2, and the webhook that converts them.
struct World {
    server: Server,
    webhook: Https,
    fails: Arc<AtomicBool>,
}

impl World {
    fn start() -> World {
        let fails = Arc::new(AtomicBool::new(false));
        let failing = fails.clone();
        let webhook = Https::start(move |asked| answer(&asked.body, failing.load(Ordering::SeqCst)));
        let server = Server::start();
        install(&server.admin(), &definition(&webhook, "v1"));
        let world = World { server, webhook, fails };
        let admin = world.server.admin();
        eventually("both versions are served", SOON, || {
            [V1, V2].iter().all(|path| admin.get(path).status == 200)
        });
        world
    }

    /// The number of reviews so far, and of the objects in the largest.
    fn reviews(&self) -> (usize, usize) {
        let asked = self.webhook.asked();
        let objects = asked.iter().map(|one| {
            let review: Value = serde_json::from_str(&one.body).expect("a review is JSON");
            review["request"]["objects"].as_array().map_or(0, Vec::len)
        });
        (asked.len(), objects.max().unwrap_or(0))
    }
}

fn definition(webhook: &Https, storage: &str) -> Value {
    use base64::Engine as _;
    let version = |name: &str, field: &str| {
        json!({"name": name, "served": true, "storage": name == storage,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {field: {"type": "string"}, "n": {"type": "integer"}}},
                "status": {"type": "object", "properties": {"note": {"type": "string"}}}}}}})
    };
    let bundle = base64::engine::general_purpose::STANDARD.encode(&webhook.pem);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [version("v1", "host"), version("v2", "hostname")],
            "conversion": {"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": {"url": format!("{}/convert", webhook.url()), "caBundle": bundle}}},
        },
    })
}

/// The answer of the webhook to a review.
fn answer(body: &str, fails: bool) -> (u16, String) {
    let review: Value = serde_json::from_str(body).expect("a review is JSON");
    let request = &review["request"];
    let to = request["desiredAPIVersion"].as_str().expect("a version");
    let (from_field, to_field) = if to.ends_with("v2") { ("host", "hostname") } else { ("hostname", "host") };
    let convert = |object: &Value| {
        let mut object = object.clone();
        object["apiVersion"] = to.into();
        if let Some(value) = object["spec"].as_object_mut().and_then(|spec| spec.remove(from_field)) {
            object["spec"][to_field] = value;
        }
        object
    };
    let objects: Vec<Value> = request["objects"].as_array().expect("objects").iter().map(convert).collect();
    let result = if fails {
        json!({"status": "Failure", "message": "out of order"})
    } else {
        json!({"status": "Success"})
    };
    let response = json!({"uid": request["uid"], "result": result, "convertedObjects": objects});
    let review =
        json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response});
    (200, review.to_string())
}

fn gadget(version: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": format!("example.org/{version}"), "kind": "Gadget", "metadata": {"name": name}, "spec": spec})
}

fn create(client: &Client, name: &str) {
    let created = client.post(V1, &gadget("v1", name, json!({"host": name, "n": 1})));
    assert_eq!(created.status, 201, "{}", created.text());
}

#[test]
fn objects_are_read_and_written_in_any_version() {
    let world = World::start();
    let admin = world.server.admin();
    let created = admin.post(V2, &gadget("v2", "a", json!({"hostname": "x", "host": "unknown here"})));
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.json()["spec"], json!({"hostname": "x"}));
    assert_eq!(admin.get(&format!("{V1}/a")).json()["spec"], json!({"host": "x"}));
    assert_eq!(admin.get(&format!("{V2}/a")).json()["spec"], json!({"hostname": "x"}));

    let patch = json!({"spec": {"hostname": "y"}});
    let patched = admin.patch("merge", &format!("{V2}/a"), &patch);
    assert_eq!(patched.status, 200, "{}", patched.text());
    assert_eq!(patched.json()["metadata"]["generation"], 2);
    let status = admin.patch("merge", &format!("{V2}/a/status"), &json!({"status": {"note": "n"}}));
    assert_eq!(status.json()["status"], json!({"note": "n"}));
    let v1 = admin.get(&format!("{V1}/a")).json();
    assert_eq!((&v1["spec"], &v1["status"]), (&json!({"host": "y"}), &json!({"note": "n"})));

    // A write without a change is not made, in any version.
    let again = admin.patch("merge", &format!("{V2}/a"), &patch).json();
    assert_eq!(again["metadata"]["resourceVersion"], v1["metadata"]["resourceVersion"]);
    assert_eq!(admin.delete(&format!("{V2}/a")).status, 200);
    assert_eq!(admin.get(&format!("{V1}/a")).status, 404);
}

#[test]
fn lists_are_converted_in_batches() {
    const COUNT: usize = 40;
    let world = World::start();
    let admin = world.server.admin();
    world.fails.store(true, Ordering::SeqCst);
    (0..COUNT).for_each(|place| create(&admin, &format!("g{place:02}")));
    // Each write is converted as it comes, which fails.
    eventually("all failed", SOON, || world.reviews().0 > 0);
    world.fails.store(false, Ordering::SeqCst);
    let list = admin.get(V2);
    assert_eq!(list.status, 200, "{}", list.text());
    let hosts = list.json()["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["spec"]["hostname"].clone())
        .collect::<Vec<_>>();
    assert_eq!(hosts.len(), COUNT);
    assert_eq!((&hosts[0], &hosts[COUNT - 1]), (&json!("g00"), &json!("g39")));
    assert!(world.reviews().1 > 1, "a list is one review, or few");
    // It is kept.
    let before = world.reviews().0;
    assert_eq!(admin.get(V2).json()["items"], list.json()["items"]);
    assert_eq!(world.reviews().0, before);
    let table = admin.get(&format!("{V2}?limit=3"));
    assert_eq!(table.json()["items"].as_array().map(Vec::len), Some(3));
    let gone = admin.delete(V2);
    assert_eq!(gone.json()["items"].as_array().map(Vec::len), Some(COUNT), "{}", gone.text());
    assert_eq!(admin.get(V1).json()["items"], json!([]));
}

#[test]
fn many_watches_of_a_version_cost_one_conversion() {
    const WATCHES: usize = 20;
    let world = World::start();
    let admin = world.server.admin();
    let version =
        admin.get(V2).json()["metadata"]["resourceVersion"].as_str().expect("a version").to_string();
    let path = format!("{V2}?watch=1&resourceVersion={version}");
    let started = Arc::new(Barrier::new(WATCHES + 1));
    let watches: Vec<_> = (0..WATCHES)
        .map(|_| {
            let (client, path, started) = (world.server.admin(), path.clone(), started.clone());
            std::thread::spawn(move || {
                started.wait();
                client.watch_until(&path, 2, SOON)
            })
        })
        .collect();
    started.wait();
    create(&admin, "a");
    create(&admin, "b");
    for watch in watches {
        let events = watch.join().expect("a watch ends");
        let hosts: Vec<&Value> = events.iter().map(|event| &event["object"]["spec"]["hostname"]).collect();
        assert_eq!(hosts, [&json!("a"), &json!("b")]);
        assert!(events.iter().all(|event| event["object"]["apiVersion"] == "example.org/v2"));
    }
    let names: Vec<String> = world
        .webhook
        .asked()
        .iter()
        .map(|asked| {
            let review: Value = serde_json::from_str(&asked.body).expect("a review is JSON");
            review["request"]["objects"].to_string()
        })
        .collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(names.len(), distinct.len(), "each object is converted once");
}

#[test]
fn a_failing_webhook_fails_what_needs_it_and_nothing_else() {
    let world = World::start();
    let admin = world.server.admin();
    // From the start: once converted, an object stays so.
    world.fails.store(true, Ordering::SeqCst);
    create(&admin, "a");
    let refused = admin.get(&format!("{V2}/a"));
    assert_eq!(refused.status, 500);
    let message = "conversion webhook for example.org/v1, Kind=Gadget failed: out of order";
    assert_eq!(refused.json()["message"], message);
    let refused = admin.post(V2, &gadget("v2", "b", json!({"hostname": "x"})));
    assert_eq!(refused.json()["message"], message.replace("/v1", "/v2"));
    assert_eq!(admin.get(&format!("{V1}/b")).status, 404, "what failed is not stored");

    create(&admin, "c");
    assert_eq!(admin.get(V1).json()["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(admin.get("/readyz").status, 200);
    assert_eq!(admin.get("/apis/example.org/v2").status, 200);
    let events = admin.watch_until(&format!("{V2}?watch=1"), 1, SOON);
    assert_eq!(events[0]["type"], "ERROR", "{events:?}");
    let events = admin.watch_until(&format!("{V1}?watch=1"), 2, SOON);
    assert!(events.iter().all(|event| event["type"] == "ADDED"), "{events:?}");
    let metrics = admin.get("/metrics").text();
    let line = "apiserver_crd_conversion_webhook_duration_seconds_count{crd_name=\"gadgets.example.org\"";
    assert!(metrics.lines().any(|one| one.starts_with(line)), "conversions are counted");
}

#[test]
fn what_was_stored_in_an_older_version_is_read_in_the_new_one() {
    let world = World::start();
    let admin = world.server.admin();
    create(&admin, "old");
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.example.org";
    let versions = definition(&world.webhook, "v2")["spec"]["versions"].clone();
    let changed = admin.patch("merge", path, &json!({"spec": {"versions": versions}}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    eventually("v2 is stored", SOON, || {
        let name = format!("n{}", world.reviews().0);
        let before = world.reviews().0;
        // Stored in v2, an object of v2 needs no conversion to be written.
        admin.post(&format!("{V2}?dryRun=All"), &gadget("v2", &name, json!({"hostname": "x"})));
        world.reviews().0 == before
    });
    assert_eq!(admin.get(&format!("{V2}/old")).json()["spec"], json!({"hostname": "old", "n": 1}));
    assert_eq!(admin.get(&format!("{V1}/old")).json()["spec"], json!({"host": "old", "n": 1}));
    let applied = json!({"apiVersion": "example.org/v1", "kind": "Gadget", "spec": {"n": 7}});
    let answer = admin.patch("apply", &format!("{V1}/old?fieldManager=m&force=true"), &applied);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["spec"], json!({"host": "old", "n": 7}));
    assert_eq!(admin.get(&format!("{V2}/old")).json()["spec"], json!({"hostname": "old", "n": 7}));
    assert_eq!(admin.delete(path).status, 200);
    eventually("all are gone with the definition", SOON, || admin.get(path).status == 404);
}
