//! Short requests that would grow: deep trees, long paths, many findings, large objects.

use bytes::Bytes;
use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";

fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn patch(client: &Client, kind: &str, path: &str, body: &str) -> pintle_testkit::ClientAnswer {
    client.send("PATCH", path, &[("content-type", kind)], Bytes::from(body.to_owned()))
}

/// Copied into its own deepest map, a value doubles its depth each time.
#[test]
fn patches_make_no_deep_trees() {
    let server = Server::start();
    let admin = server.admin();
    admin.post(CONFIGMAPS, &config_map("a", json!({"k": "v"})));
    for operation in ["copy", "add"] {
        let value = format!("{}{}", r#"{"a":"#.repeat(399) + "{}", "}".repeat(399));
        let mut operations = vec![format!(r#"{{"op":"add","path":"/data","value":{value}}}"#)];
        let mut depth = 400;
        for _ in 0..8 {
            let path = format!("/data{}", "/a".repeat(depth));
            operations.push(match operation {
                "copy" => format!(r#"{{"op":"copy","from":"/data","path":"{path}"}}"#),
                _ => format!(r#"{{"op":"add","path":"{path}","value":{value}}}"#),
            });
            depth += if operation == "copy" { depth } else { 400 };
        }
        let body = format!("[{}]", operations.join(","));
        let answer = patch(&admin, JSON_PATCH, &format!("{CONFIGMAPS}/a"), &body);
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    assert_eq!(admin.get(&format!("{CONFIGMAPS}/a")).json()["data"], json!({"k": "v"}));
}

#[test]
fn tested_values_stay_out_of_the_log() {
    let server = Server::start();
    let admin = server.admin();
    admin.post(CONFIGMAPS, &config_map("a", json!({"k": "v"})));
    let body = r#"[{"op":"test","path":"/data/k","value":"hunter2"}]"#;
    let answer = patch(&admin, JSON_PATCH, &format!("{CONFIGMAPS}/a"), body);
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["message"], "the server rejected our request due to an error in our request");
    assert!(server.log().contains("testing value /data/k failed"), "{}", server.log());
    assert!(!server.log().contains("hunter2"));
}

/// Anybody may ask for a review, and have as many fields in it as fit.
#[test]
fn findings_and_warnings_are_bounded() {
    let server = Server::start();
    let alice = server.alice();
    let spec = r#""spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}"#;
    let unknown: String = (0..2000).map(|n| format!("\"u{n:04}{}\":0,", "x".repeat(300))).collect();
    let answer =
        alice.send("POST", REVIEWS, &[("content-type", JSON)], format!("{{{unknown}{spec}}}").into());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let warnings = answer.headers.iter().filter(|(name, _)| name == "warning");
    let lens: Vec<usize> = warnings.map(|(_, value)| value.len()).collect();
    assert!((15..20).contains(&lens.len()) && lens.iter().all(|len| *len < 300), "{lens:?}");

    let path = format!("{REVIEWS}?fieldValidation=Strict");
    let answer = alice.send("POST", &path, &[("content-type", JSON)], format!("{{{unknown}{spec}}}").into());
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text().matches("unknown field").count(), 100, "upstream collects a hundred");

    let admin = server.admin();
    admin.post(CONFIGMAPS, &config_map("a", json!({})));
    let long = format!("{{\"{}\":{{{}}}}}", "k".repeat(50_000), vec!["\"a\":1"; 5000].join(","));
    let answer = patch(&admin, MERGE_PATCH, &format!("{CONFIGMAPS}/a?fieldValidation=Warn"), &long);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bytes: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(bytes < 16 * 1024, "{bytes}");
}

/// A body that is wrong in every field is refused with a bounded part of that.
#[test]
fn error_answers_are_bounded() {
    let server = Server::start();
    let label = "x".repeat(10_000);
    let bad: serde_json::Map<String, Value> = (0..60).map(|n| (format!("{label}{n}"), json!("v"))).collect();
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": bad, "annotations": bad}});
    let answer = server.admin().post(CONFIGMAPS, &body);
    assert_eq!(answer.status, 422);
    assert!(answer.text().len() < 2 << 20, "{}", answer.text().len());
}

#[test]
fn deep_objects_are_not_indented_without_end() {
    let server = Server::start();
    let admin = server.admin();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "looses.bounds.example"},
        "spec": {"group": "bounds.example", "scope": "Cluster",
            "names": {"plural": "looses", "singular": "loose", "kind": "Loose", "listKind": "LooseList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}
    });
    assert_eq!(
        admin.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).status,
        201
    );
    let path = "/apis/bounds.example/v1/looses";
    let within = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while admin.get(path).status != 200 && std::time::Instant::now() < within {
        std::thread::yield_now();
    }
    let deep = format!("{}{}{}", "[".repeat(100), vec!["0"; 20_000].join(","), "]".repeat(100));
    let body = format!(
        r#"{{"apiVersion":"bounds.example/v1","kind":"Loose","metadata":{{"name":"a"}},"x":{deep}}}"#
    );
    let answer = admin.send("POST", path, &[("content-type", JSON)], body.into());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let path = format!("{path}/a");
    let whole: Value = admin.get(&path).json();
    let pretty = admin.get(&format!("{path}?pretty=true"));
    assert!(pretty.text().len() < 1 << 20, "{}", pretty.text().len());
    assert_eq!(pretty.json(), whole);
    let yaml = admin.send("GET", &path, &[("accept", YAML)], Bytes::new());
    assert_eq!(yaml.status, 200);
    assert!(yaml.text().len() < 1 << 20, "{}", yaml.text().len());
    assert_eq!(yaml.json(), whole, "what would be indentation alone is JSON, which is YAML");
}

/// Every store refuses writes that are too large for one request to etcd.
#[test]
fn large_objects_are_refused_as_by_etcd() {
    let server = Server::start();
    let admin = server.admin();
    let secret = |bytes: usize| {
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a", "namespace": "default"},
            "involvedObject": {"namespace": "default"}, "message": "m".repeat(bytes)})
    };
    let events = "/api/v1/namespaces/default/events";
    let answer = admin.post(events, &secret(1536 * 1024));
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "etcdserver: request is too large", "code": 500})
    );
    assert_eq!(admin.get(&format!("{events}/a")).status, 404);
    let answer = admin.post(events, &secret(1500 * 1024));
    assert_eq!(answer.status, 201, "{}", answer.text());
    // Managed fields are given up rather than the write refused.
    let size = (0..40).map(|step| 1536 * 1024 - 100 * step).find(|size| {
        let answer = admin.put(&format!("{events}/a"), &secret(*size));
        assert!(matches!(answer.status, 200 | 500), "{}", answer.text());
        answer.status == 200
    });
    assert!(size.is_some());
    let stored = admin.get(&format!("{events}/a")).json();
    assert_eq!(stored["metadata"]["managedFields"], Value::Null);
}

/// Each list of anchored lists was copied as often as it nested.
#[test]
fn anchors_cost_no_memory() {
    let server = Server::start();
    let anchors: String = (0..400).map(|n| format!("&a{n} [")).collect();
    let body = format!("x: {anchors}{}{}\n", vec!["1"; 20_000].join(","), "]".repeat(400));
    let body = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n{body}");
    let answer = server.admin().send("POST", CONFIGMAPS, &[("content-type", YAML)], body.into());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let bomb = "x: &x \"0123456789\"\n".to_owned()
        + &(0..6)
            .map(|n| {
                format!(
                    "y{n}: &y{n} [{}]\n",
                    vec![if n == 0 { "*x".into() } else { format!("*y{}", n - 1) }; 20].join(",")
                )
            })
            .collect::<String>();
    let answer = server.admin().send("POST", CONFIGMAPS, &[("content-type", YAML)], bomb.into());
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("document contains excessive aliasing"), "{}", answer.text());
}
