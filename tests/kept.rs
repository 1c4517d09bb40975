//! Objects of the cluster that the server keeps while it runs.

use pintle_testkit::{Client, Etcd, Server, WITHIN, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const API_SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1.kept.example.org";
const SLICE: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";

fn define(admin: &Client) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.kept.example.org"},
        "spec": {
            "group": "kept.example.org",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    assert_eq!(
        admin.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).status,
        201
    );
}

#[test]
fn an_api_service_of_custom_resources_is_put_right_unless_it_is_somebodys() {
    let server = Server::start();
    let admin = server.admin();
    define(&admin);
    eventually("the APIService", WITHIN, || admin.get(API_SERVICE).status == 200);
    let uid = |answer: &Value| answer["metadata"]["uid"].clone();
    let before = uid(&admin.get(API_SERVICE).json());
    assert_eq!(admin.delete(API_SERVICE).status, 200);
    eventually("another APIService", WITHIN, || {
        let answer = admin.get(API_SERVICE);
        answer.status == 200 && uid(&answer.json()) != before
    });
    let changed = json!({"spec": {"groupPriorityMinimum": 7}});
    assert_eq!(admin.patch("merge", API_SERVICE, &changed).status, 200);
    eventually("its priority", WITHIN, || {
        admin.get(API_SERVICE).json()["spec"]["groupPriorityMinimum"] == json!(1000)
    });
    let taken = json!({"metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": null}}});
    assert_eq!(admin.patch("merge", API_SERVICE, &taken).status, 200);
    assert_eq!(admin.patch("merge", API_SERVICE, &changed).status, 200);
    // Another definition's APIService shows that changes are looked at: the one that was taken is left as it is.
    let other = "/apis/apiregistration.k8s.io/v1/apiservices/v1.other.example.org";
    let made = json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {
            "name": "v1.other.example.org",
            "labels": {"kube-aggregator.kubernetes.io/automanaged": "true"},
        },
        "spec": {"group": "other.example.org", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1},
    });
    assert_eq!(admin.post("/apis/apiregistration.k8s.io/v1/apiservices", &made).status, 201);
    eventually("the spurious APIService to go", WITHIN, || admin.get(other).status == 404);
    assert_eq!(admin.get(API_SERVICE).json()["spec"]["groupPriorityMinimum"], json!(7));
}

fn addresses(admin: &Client) -> Vec<String> {
    let slice = admin.get(SLICE).json();
    let endpoints = slice["endpoints"].as_array().cloned().unwrap_or_default();
    endpoints.iter().filter_map(|endpoint| endpoint["addresses"][0].as_str().map(String::from)).collect()
}

#[test]
fn the_endpoints_of_the_kubernetes_service_are_the_servers_that_live() {
    let Some(etcd) = Etcd::start() else { return };
    let on = |address: &str| {
        let flags = [format!("--etcd-servers={}", etcd.url()), format!("--advertise-address={address}")];
        Server::with_flags(&flags.each_ref().map(String::as_str))
    };
    let (one, mut two, mut three) = (on("10.1.0.1"), on("10.1.0.2"), on("10.1.0.10"));
    let admin = one.admin();
    eventually("three servers", WITHIN, || addresses(&admin) == ["10.1.0.1", "10.1.0.10", "10.1.0.2"]);
    // Addresses without a lease go, and servers agree on the rest: the object does not change any more.
    let slice = || admin.get(SLICE).json()["metadata"]["resourceVersion"].clone();
    let mut foreign = admin.get(SLICE).json();
    foreign["endpoints"].as_array_mut().unwrap().push(json!({"addresses": ["10.9.9.9"]}));
    assert_eq!(admin.put(SLICE, &foreign).status, 200);
    eventually("the foreign address to go", WITHIN, || addresses(&admin).len() == 3);
    let settled = slice();
    assert!(two.stop());
    eventually("two servers", WITHIN, || addresses(&admin) == ["10.1.0.1", "10.1.0.10"]);
    assert_ne!(slice(), settled);
    three.kill();
    eventually("the killed server's lease to end", Duration::from_secs(90), || {
        addresses(&admin) == ["10.1.0.1"]
    });
}
