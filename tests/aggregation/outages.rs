//! Aggregated servers that hang or are gone: they stay listed, and no other request waits for them.

use super::{Front, SERVICES, condition, flunder};
use crate::kubectl::Kubectl;
use bytes::Bytes;
use pintle_testkit::{Client, ClientAnswer, WITHIN, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The time of answers that wait for no other server; generous, for loaded machines.
const AT_ONCE: Duration = Duration::from_secs(5);
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn discovery(client: &Client) -> ClientAnswer {
    client.send("GET", "/apis", &[("accept", AGGREGATED)], Bytes::new())
}

/// Changes an APIService, so that it is looked at now and not after a while.
fn look_again(admin: &Client, api: &str) {
    let label = json!({"metadata": {"labels": {"looked-at": "again"}}});
    assert_eq!(admin.patch("merge", &format!("{SERVICES}/{api}"), &label).status, 200);
}

/// The entry of version `v1` of a group in aggregated discovery.
fn entry(document: &Value, group: &str) -> Value {
    let groups = document["items"].as_array().cloned().unwrap_or_default();
    let found = groups.into_iter().find(|one| one["metadata"]["name"] == json!(group));
    found.map(|mut group| group["versions"][0].take()).unwrap_or_default()
}

#[test]
fn a_server_that_hangs_delays_nobody() {
    let front = Front::start();
    let _one = front.add("one");
    let hanging = front.add("hanging");
    hanging.hang(true);
    let admin = front.server.admin();
    look_again(&admin, "v1.hanging.example.com");
    front.is_available("v1.hanging.example.com", "False");
    let why = condition(&admin, "v1.hanging.example.com");
    assert_eq!(why["reason"], json!("FailedDiscoveryCheck"));
    let message = why["message"].as_str().unwrap_or_default();
    assert!(message.contains("context deadline exceeded"), "{message}");
    eventually("the other group is described", WITHIN, || {
        entry(&discovery(&admin).json(), "one.example.com")["freshness"] == json!("Current")
    });
    let began = Instant::now();
    let document = discovery(&admin).json();
    assert_eq!(entry(&document, "one.example.com")["resources"][0]["resource"], json!("flunders"));
    let stale = entry(&document, "hanging.example.com");
    assert_eq!(stale, json!({"version": "v1", "freshness": "Stale"}));
    let plain = admin.get("/apis").json();
    let names = plain["groups"].as_array().cloned().unwrap_or_default();
    assert!(names.iter().any(|group| group["name"] == json!("hanging.example.com")), "{names:?}");
    assert_eq!(admin.get("/apis/one.example.com/v1/flunders").status, 200);
    let gone = admin.get("/apis/hanging.example.com/v1/flunders");
    assert_eq!((gone.status, gone.text().as_str()), (503, "service unavailable\n"));
    assert_eq!(admin.get("/openapi/v3").status, 200);
    assert_eq!(admin.get("/openapi/v2").status, 200);
    assert!(admin.get("/readyz").status == 200 && began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    // It comes back by itself.
    hanging.hang(false);
    look_again(&admin, "v1.hanging.example.com");
    front.is_available("v1.hanging.example.com", "True");
    eventually("its discovery is current", WITHIN, || {
        entry(&discovery(&admin).json(), "hanging.example.com")["freshness"] == json!("Current")
    });
}

#[test]
fn discovery_keeps_its_tag_while_nothing_changes() {
    let front = Front::start();
    let _one = front.add("one");
    let admin = front.server.admin();
    eventually("the group is described", WITHIN, || {
        entry(&discovery(&admin).json(), "one.example.com")["freshness"] == json!("Current")
    });
    let before = discovery(&admin);
    let tag = before.header("etag").expect("a tag");
    let headers = [("accept", AGGREGATED), ("if-none-match", tag)];
    assert_eq!(admin.send("GET", "/apis", &headers, Bytes::new()).status, 304);
    assert_eq!(admin.delete(&format!("{SERVICES}/v1.one.example.com")).status, 200);
    eventually("the tag is another", WITHIN, || {
        admin.send("GET", "/apis", &headers, Bytes::new()).status == 200
    });
    assert_eq!(entry(&discovery(&admin).json(), "one.example.com"), Value::Null);
}

#[test]
fn documents_of_others_are_merged_and_passed_on() {
    let front = Front::start();
    let _one = front.add("one");
    let admin = front.server.admin();
    let path = "apis/one.example.com/v1";
    eventually("the document is listed", WITHIN, || {
        admin.get("/openapi/v3").json()["paths"][path]["serverRelativeURL"]
            == json!(format!("/openapi/v3/{path}?hash=A1"))
    });
    let page = admin.get(&format!("/openapi/v3/{path}?hash=A1")).json();
    let flunder = &page["components"]["schemas"]["example.Flunder"];
    assert_eq!(flunder["description"], json!("Flunder is a thing of another server."));
    let merged = admin.get("/openapi/v2").json();
    assert!(merged["definitions"]["example.Flunder"].is_object());
    assert!(merged["definitions"]["io.k8s.api.core.v1.Pod"].is_object());
}

#[test]
fn documents_of_version_2_are_told_in_version_3_where_there_are_no_others() {
    let front = Front::start();
    let admin = front.server.admin();
    let one = front.begin("one");
    one.be_legacy();
    look_again(&admin, "v1.one.example.com");
    front.is_available("v1.one.example.com", "True");
    let path = "apis/one.example.com/v1";
    let address = || admin.get("/openapi/v3").json()["paths"][path]["serverRelativeURL"].take();
    eventually("the document is made", WITHIN, || {
        address().as_str().is_some_and(|at| !at.ends_with("hash=A1"))
    });
    let page = admin.get(address().as_str().expect("an address"));
    assert_eq!(page.header("cache-control"), Some("public, immutable"));
    let page = page.json();
    let item = &page["paths"][&format!("/{path}/namespaces/{{namespace}}/flunders/{{name}}")];
    let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(*schema, json!({"$ref": "#/components/schemas/example.Flunder"}), "{page}");
    assert!(page["components"]["schemas"]["example.Flunder"].is_object());
    assert_eq!(admin.get("/openapi/v2").status, 200);
    let made = r#"aggregator_openapi_v2_regeneration_count{apiservice="v1.one.example.com",reason="add"} 1"#;
    assert!(admin.get("/metrics").text().contains(made));
}

#[test]
fn kubectl_works_while_a_server_is_gone() {
    let front = Front::start();
    let Some(kubectl) = Kubectl::find(&front.server) else { return };
    let _one = front.add("one");
    let gone = front.add("gone");
    let admin = front.server.admin();
    let path = "/apis/one.example.com/v1/namespaces/default/flunders";
    assert_eq!(admin.post(path, &flunder("f")).status, 201);
    drop(gone);
    look_again(&admin, "v1.gone.example.com");
    front.is_available("v1.gone.example.com", "False");
    eventually("the documents are read", WITHIN, || {
        let document = discovery(&admin).json();
        entry(&document, "one.example.com")["freshness"] == json!("Current")
            && entry(&document, "gone.example.com")["freshness"] == json!("Stale")
            && admin.get("/openapi/v3").json()["paths"]["apis/one.example.com/v1"].is_object()
    });
    let output = kubectl.command("api-resources").output().expect("kubectl starts");
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(listed.contains("one.example.com/v1") && listed.contains("deployments"), "{listed}");
    assert!(!listed.contains("gone.example.com"), "{listed}");
    assert!(kubectl.run("get flunders").contains("\nf "));
    assert!(kubectl.run("get fl f -o jsonpath={.spec}").contains('a'));
    assert!(kubectl.run("explain flunders.spec").contains("What it should be."));
    assert!(kubectl.run("get namespaces").contains("kube-system"));
}
