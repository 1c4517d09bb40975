//! Create, read, change and delete objects, and refusals.

use pintle_testkit::{Client, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn resource_version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).expect("a revision")
}

#[test]
fn an_object_lives_and_dies() {
    let server = Server::start();
    let admin = server.admin();
    let created = admin.post(CONFIGMAPS, &config_map("a", json!({"k": "v"})));
    assert_eq!(created.status, 201, "{}", created.text());
    let created = created.json();
    assert_eq!(created["data"], json!({"k": "v"}));
    assert!(created["metadata"]["uid"].is_string());

    assert_eq!(admin.get(&format!("{CONFIGMAPS}/a")).json(), created);

    let patched =
        admin.patch("merge", &format!("{CONFIGMAPS}/a"), &json!({"data": {"k": null, "l": "w"}})).json();
    assert_eq!(patched["data"], json!({"l": "w"}));
    assert!(resource_version(&patched) > resource_version(&created));

    let deleted = admin.delete(&format!("{CONFIGMAPS}/a")).json();
    assert_eq!(deleted["status"], "Success");
    assert_eq!(admin.get(&format!("{CONFIGMAPS}/a")).status, 404);
}

#[test]
fn an_update_needs_the_latest_version() {
    let server = Server::start();
    let admin = server.admin();
    let path = format!("{CONFIGMAPS}/a");
    let first = admin.post(CONFIGMAPS, &config_map("a", json!({}))).json();
    let mut newer = first.clone();
    newer["data"] = json!({"k": "1"});
    assert_eq!(admin.put(&path, &newer).status, 200);
    let stale = admin.put(&path, &newer);
    assert_eq!(stale.status, 409);
    assert_eq!(stale.json()["reason"], "Conflict");
    assert_eq!(admin.get(&path).json()["data"], json!({"k": "1"}));
}

#[test]
fn an_unchanged_update_keeps_its_version() {
    let server = Server::start();
    let admin = server.admin();
    let first = admin.post(CONFIGMAPS, &config_map("a", json!({"k": "v"}))).json();
    let again = admin.put(&format!("{CONFIGMAPS}/a"), &first).json();
    assert_eq!(resource_version(&again), resource_version(&first));
}

#[test]
fn a_dry_run_stores_nothing() {
    let server = Server::start();
    let admin = server.admin();
    assert_eq!(admin.post(&format!("{CONFIGMAPS}?dryRun=All"), &config_map("a", json!({}))).status, 201);
    assert_eq!(admin.get(&format!("{CONFIGMAPS}/a")).status, 404);
}

#[test]
fn a_dry_run_answers_what_the_write_would_answer() {
    let server = Server::start();
    let admin = server.admin();
    let version = |name: &str, is_stored: bool, own: &str| {
        let text = json!({"type": "string"});
        let spec = json!({"type": "object", "properties": {own: text, "both": text, format!("d{own}"): {"type": "string", "default": own}}});
        let status = json!({"type": "object", "default": {}, "properties": {"phase": {"type": "string", "default": "Pending"}}});
        json!({"name": name, "served": true, "storage": is_stored, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}}})
    };
    let definition = json!({"metadata": {"name": "gws.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "gws", "kind": "Gw"}, "versions": [version("v1", false, "1"), version("v2", true, "2")]}});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(admin.post(definitions, &definition).status, 201);
    let shown = |object: &Value| (object["spec"].clone(), object["status"].clone());
    for (version, own) in [("v1", "1"), ("v2", "2")] {
        let path = format!("/apis/example.com/{version}/namespaces/default/gws");
        let deadline = Instant::now() + Duration::from_secs(10);
        while admin.get(&path).status != 200 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let body = json!({"apiVersion": format!("example.com/{version}"), "kind": "Gw",
            "metadata": {"name": "a"}, "spec": {"both": "b", own: "o"}});
        let dry = admin.post(&format!("{path}?dryRun=All"), &body).json();
        let written = admin.post(&path, &body).json();
        assert_eq!(shown(&dry), shown(&written), "{version}");
        assert_eq!(written["status"]["phase"], "Pending", "{version}");
        assert!(dry["metadata"].get("resourceVersion").is_none());
        let patch = json!({"spec": {own: "p", "both": "c"}});
        let kind = "merge";
        let dry = admin.patch(kind, &format!("{path}/a?dryRun=All"), &patch).json();
        assert_eq!(dry["metadata"]["resourceVersion"], written["metadata"]["resourceVersion"]);
        let written = admin.patch(kind, &format!("{path}/a"), &patch).json();
        assert_eq!(shown(&dry), shown(&written), "{version}");
        assert_eq!(admin.delete(&format!("{path}/a")).status, 200);
    }
}

#[test]
fn a_delete_keeps_to_the_preconditions_of_its_query() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.post(CONFIGMAPS, &config_map("a", json!({}))).json();
    let path = format!("{CONFIGMAPS}/a");
    for query in ["uid=other", "resourceVersion=1", "uid=other&dryRun=All", "uid=&resourceVersion=1"] {
        assert_eq!(admin.delete(&format!("{path}?{query}")).status, 409, "{query}");
    }
    assert_eq!(admin.delete(&format!("{CONFIGMAPS}?uid=other")).status, 409);
    assert_eq!(admin.delete(&format!("{CONFIGMAPS}?uid=other&labelSelector=none")).status, 200);
    assert_eq!(admin.get(&path).status, 200);
    let (uid, version) = (&made["metadata"]["uid"], &made["metadata"]["resourceVersion"]);
    let query = format!("uid={}&resourceVersion={}", uid.as_str().unwrap(), version.as_str().unwrap());
    assert_eq!(admin.delete(&format!("{path}?{query}")).status, 200);
    assert_eq!(admin.get(&path).status, 404);
}

#[test]
fn a_finalizer_holds_a_deleted_object() {
    let server = Server::start();
    let admin = server.admin();
    let mut object = config_map("held", json!({}));
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    assert_eq!(admin.post(CONFIGMAPS, &object).status, 201);
    let deleting = admin.delete(&format!("{CONFIGMAPS}/held"));
    assert_eq!(deleting.status, 200);
    let held = admin.get(&format!("{CONFIGMAPS}/held")).json();
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    let freed = json!({"metadata": {"finalizers": null}});
    assert_eq!(admin.patch("merge", &format!("{CONFIGMAPS}/held"), &freed).status, 200);
    assert_eq!(admin.get(&format!("{CONFIGMAPS}/held")).status, 404);
}

#[test]
fn generated_names_differ() {
    let server = Server::start();
    let admin = server.admin();
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}});
    let names: Vec<String> = (0..3)
        .map(|_| admin.post(CONFIGMAPS, &object).json()["metadata"]["name"].as_str().expect("a name").into())
        .collect();
    assert!(names.iter().all(|name| name.starts_with("gen-") && name.len() == 9), "{names:?}");
    assert!(names[0] != names[1] && names[1] != names[2], "{names:?}");
}

#[test]
fn a_namespace_that_is_going_takes_nothing_new() {
    let server = Server::start();
    let admin = server.admin();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}});
    assert_eq!(admin.post("/api/v1/namespaces", &namespace).status, 201);
    let terminating = admin.delete("/api/v1/namespaces/going").json();
    assert_eq!(terminating["status"]["phase"], "Terminating");
    let refused = admin.post("/api/v1/namespaces/going/configmaps", &config_map("a", json!({})));
    assert_eq!(refused.status, 403, "{}", refused.text());
    finalize(&admin, "going");
    assert_eq!(admin.get("/api/v1/namespaces/going").status, 404);
    assert_eq!(admin.post("/api/v1/namespaces/never/configmaps", &config_map("a", json!({}))).status, 404);
}

fn finalize(admin: &Client, name: &str) {
    let mut namespace = admin.get(&format!("/api/v1/namespaces/{name}")).json();
    namespace["spec"]["finalizers"] = json!([]);
    assert_eq!(admin.put(&format!("/api/v1/namespaces/{name}/finalize"), &namespace).status, 200);
}

#[test]
fn nobody_else_gets_in() {
    let server = Server::start();
    let alice = server.alice();
    for path in [CONFIGMAPS, "/api/v1/secrets", "/api/v1/namespaces/default/pods/x/log", "/metrics"] {
        assert_eq!(alice.get(path).status, 403, "{path}");
        assert_eq!(server.anonymous().get(path).status, 403, "{path}");
    }
    assert_eq!(alice.post(CONFIGMAPS, &config_map("a", json!({}))).status, 403);
    assert_eq!(pintle_testkit::Client::new(server.port(), Some("wrong")).get("/version").status, 401);
    assert_eq!(server.anonymous().get("/version").status, 200);
    assert_eq!(server.anonymous().get("/readyz").text(), "ok");
}
