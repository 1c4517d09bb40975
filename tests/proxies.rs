//! Kubelets, Pods and Services that requests lead through to: who cannot be reached, and who must not be.

use pintle_testkit::Server;
use serde_json::{Value, json};

/// A port on which nobody listens.
fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// A node on this machine, and a Pod on it.
fn cluster(server: &Server, port: u16) {
    let admin = server.admin();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}});
    assert_eq!(admin.post("/api/v1/nodes", &node).status, 201);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                     "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/pods", &pod).status, 201);
}

const POD: &str = "/api/v1/namespaces/default/pods/p";

fn check(server: &Server, path: &str, code: u16, message: &str) {
    let answer = server.admin().get(path);
    let body: Value = answer.json();
    assert_eq!((answer.status, body["message"].as_str()), (code, Some(message)), "{path}");
}

#[test]
fn who_cannot_be_reached_is_named_in_the_words_of_go() {
    let server = Server::start();
    let port = dead_port();
    cluster(&server, port);
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    let log = format!("https://127.0.0.1:{port}/containerLogs/default/p/c?follow=true&tailLines=2");
    let said = format!("Get {log:?}: {refused}");
    check(&server, &format!("{POD}/log?tailLines=2&follow=true"), 500, &said);
    let upgrade = [("connection", "Upgrade"), ("upgrade", "SPDY/3.1")];
    let answer = server.admin().send("POST", &format!("{POD}/exec?command=id"), &upgrade, Default::default());
    let body: Value = answer.json();
    assert_eq!(body["message"], format!("error dialing backend: {refused}"), "{body}");
    for stream in ["exec?command=id", "attach", "portforward"] {
        check(&server, &format!("{POD}/{stream}"), 400, "Upgrade request required");
    }
}

#[test]
fn nobody_is_proxied_to_this_machine() {
    let server = Server::start();
    cluster(&server, dead_port());
    check(&server, "/api/v1/nodes/n/proxy/metrics", 400, "address not allowed");
    check(&server, "/api/v1/nodes/http:n:80/proxy/", 400, "address not allowed");
    check(&server, &format!("{POD}:80/proxy/"), 400, "address not allowed");
    let status = json!({"status": {"podIPs": [{"ip": "127.0.0.1"}], "podIP": "127.0.0.1"}});
    assert_eq!(server.admin().patch("merge", &format!("{POD}/status"), &status).status, 200);
    check(&server, &format!("{POD}:80/proxy/"), 400, "address not allowed");
}

#[test]
fn services_are_proxied_to_their_own_pods_only() {
    let server = Server::start();
    let admin = server.admin();
    cluster(&server, dead_port());
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                         "spec": {"ports": [{"port": 80}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/services", &service).status, 201);
    let path = "/api/v1/namespaces/default/services";
    check(&server, &format!("{path}/s:81/proxy/"), 503, "no service port 81 found for service \"s\"");
    check(&server, &format!("{path}/ftp:s:80/proxy/"), 400, "invalid service request \"ftp:s:80\"");
    // An address that is no Pod's, and one that says it is that of a Pod which has another.
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "s"},
        "subsets": [{"ports": [{"port": 80}], "addresses": [{"ip": "10.9.9.9"},
            {"ip": "10.9.9.8", "targetRef": {"kind": "Pod", "name": "p", "namespace": "default"}}]}]});
    assert_eq!(admin.post("/api/v1/namespaces/default/endpoints", &endpoints).status, 201);
    check(&server, &format!("{path}/s:80/proxy/"), 503, "no endpoints available for service \"s:80\"");
}
