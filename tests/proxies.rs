//! Proxied requests to kubelets, Pods and Services: unreachable and forbidden addresses.

use pintle_testkit::{Server, free_port};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A port without a listener.
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

/// Asks in the clear, and gives the connection with the head of the answer.
fn ask(port: u16, path: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the test's own");
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{headers}\r\n").as_bytes()).expect("the test's own");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the test's own");
        head.extend(byte);
    }
    (stream, String::from_utf8(head).expect("the test's own"))
}

#[test]
fn the_port_that_asks_for_nothing_is_for_this_machine_only() {
    let port = free_port();
    let server = Server::with_flags(&[&format!("--insecure-port={port}")]);
    for (headers, code) in [
        ("Host: localhost:8080\r\n", "200"),
        ("Host: 127.0.0.1\r\nOrigin: http://localhost:3000\r\n", "200"),
        ("Host: rebound.example:8080\r\n", "401"),
        ("Host: localhost.example\r\n", "401"),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", "401"),
        ("Host: localhost\r\nOrigin: null\r\n", "401"),
    ] {
        let (_, head) = ask(port, "/api/v1/secrets", headers);
        assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{headers}: {head}");
    }
    drop(server);
}

#[test]
fn watches_are_told_in_messages_of_a_web_socket() {
    let port = free_port();
    let server = Server::with_flags(&[&format!("--insecure-port={port}")]);
    let path = "/api/v1/namespaces/default/configmaps";
    let socket = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let watch = format!("{path}?watch=true");
    let (_, head) = ask(port, &watch, socket);
    assert!(head.starts_with("HTTP/1.1 403 "), "who does not say where it is from is refused: {head}");
    let (mut stream, head) = ask(port, &watch, &format!("{socket}Origin: http://localhost\r\n"));
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    for name in ["a", "b"] {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        assert_eq!(server.admin().post(path, &map).status, 201);
        let mut start = [0; 4];
        stream.read_exact(&mut start).unwrap();
        assert_eq!((start[0], start[1]), (0x81, 126));
        let mut event = vec![0; u16::from_be_bytes([start[2], start[3]]).into()];
        stream.read_exact(&mut event).unwrap();
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)));
    }
    // A client's close, masked with zeros.
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 232]).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [0x88, 2, 3, 232]);
}

#[test]
fn proxies_are_at_the_paths_of_old_where_that_is_asked_for() {
    let server = Server::with_flags(&["--legacy-proxy-paths"]);
    cluster(&server, dead_port());
    check(&server, "/api/v1/proxy/nodes/n/metrics", 400, "address not allowed");
    check(&server, "/api/v1/proxy/namespaces/default/pods/p:80/x", 400, "address not allowed");
    let refused = server.alice().get("/api/v1/proxy/nodes/n/metrics");
    let body: Value = refused.json();
    let message = body["message"].as_str().unwrap_or_default();
    assert!(refused.status == 403 && message.contains("cannot get resource \"nodes/proxy\""), "{message}");
    let without = Server::start();
    assert_eq!(without.admin().get("/api/v1/proxy/nodes/n/metrics").status, 404);
}
