//! `--tracing-config-file`: spans as a collector gets them, and the way of a trace through the server.

use bytes::Bytes;
use pintle_testkit::{
    Client, Collected, Collector, Etcd, GrpcProxy, Headers, Https, Server, WITHIN, eventually, hook,
};
use serde_json::{Value, json};
use std::time::Instant;
use tempfile::TempDir;

const NODES: &str = "/api/v1/nodes";
/// The trace of a client, whose spans are kept.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A configuration file.
struct File(TempDir);

impl File {
    fn new(fields: &str) -> File {
        let file = File(tempfile::tempdir().expect("the test's own"));
        let kind = "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n";
        std::fs::write(file.0.path().join("tracing.yaml"), format!("{kind}{fields}\n"))
            .expect("the test's own");
        file
    }

    fn flag(&self) -> String {
        format!("--tracing-config-file={}", self.0.path().join("tracing.yaml").display())
    }
}

fn traced(collector: &Collector, more: &str) -> Server {
    let file = File::new(&format!("endpoint: {}\n{more}", collector.endpoint()));
    Server::with_flags(&[&file.flag()])
}

/// Sends a request that belongs to a trace of the client's.
fn send(client: &Client, trace: &str, method: &str, path: &str, kind: &str, body: &Value) -> u16 {
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let mut headers = vec![("traceparent", parent.as_str()), ("user-agent", "tracing.test")];
    if !body.is_null() {
        headers.push(("content-type", kind));
    }
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    client.send(method, path, &headers, body).status
}

/// An expected span: its name, some attributes, and some events in this order.
type Expected = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

fn has(span: &Collected, (name, attributes, events): &Expected) -> bool {
    let mut all = span.events.iter();
    span.name == *name
        && attributes.iter().all(|(key, value)| span.attributes.get(*key).is_some_and(|found| found == value))
        && events.iter().all(|event| all.any(|found| found == event))
}

fn check(collector: &Collector, trace: &str, expected: &[Expected]) {
    for expected in expected {
        let is_there = || collector.trace(trace).iter().any(|span| has(span, expected));
        eventually(&format!("{expected:?}"), WITHIN, is_there);
    }
}

fn trace(number: u8) -> String {
    format!("{number:032x}")
}

#[test]
fn requests_have_upstreams_spans() {
    let collector = Collector::start();
    let server = traced(&collector, "");
    let admin = server.admin();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    let json_type = "application/json";
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    let annotated =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "annotations": {"a": "b"}}});
    let path = "/api/v1/nodes/n";
    assert_eq!(send(&admin, &trace(1), "POST", NODES, json_type, &node), 201);
    assert_eq!(send(&admin, &trace(2), "GET", path, "", &Value::Null), 200);
    assert_eq!(send(&admin, &trace(3), "GET", NODES, "", &Value::Null), 200);
    assert_eq!(send(&admin, &trace(4), "PUT", path, json_type, &annotated), 200);
    let merge = "application/merge-patch+json";
    assert_eq!(send(&admin, &trace(5), "PATCH", path, merge, &labelled), 200);
    let now = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
    assert_eq!(send(&admin, &trace(6), "DELETE", path, json_type, &now), 200);
    check(&collector, &trace(1), CREATED);
    check(&collector, &trace(2), READ);
    check(&collector, &trace(3), LISTED);
    check(&collector, &trace(4), UPDATED);
    check(&collector, &trace(5), PATCHED);
    check(&collector, &trace(6), DELETED);
    nested(&collector.trace(&trace(1)));
}

const HTTP: &[(&str, &str)] = &[("user_agent.original", "tracing.test"), ("network.protocol.version", "1.1")];

const CREATED: &[Expected] = &[
    ("POST /api/v1/nodes", &[("url.path", NODES), ("http.response.status_code", "201")], &[]),
    ("POST /api/v1/nodes", HTTP, &[]),
    ("audit", &[], &[]),
    ("priorityandfairness", &[], &[]),
    ("authorization", &[], &[]),
    (
        "Create",
        &[("url", NODES), ("user-agent", "tracing.test"), ("client", "127.0.0.1"), ("protocol", "HTTP/1.1")],
        &[
            "limitedReadBody succeeded",
            "About to convert to expected version",
            "Conversion done",
            "About to store object in database",
            "Write to database call succeeded",
            "About to write a response",
            "Writing http response done",
        ],
    ),
    (
        "Create etcd3",
        &[("key", "/minions/n"), ("type", "*core.Node"), ("resource", "nodes")],
        &["About to Encode", "Encode succeeded", "TransformToStorage succeeded", "Txn call succeeded"],
    ),
    (
        "SerializeObject",
        &[("url", NODES), ("method", "POST"), ("mediaType", "application/json")],
        &["About to start writing response", "Write call succeeded"],
    ),
];

const READ: &[Expected] = &[
    ("GET /api/v1/nodes/{:name}", &[("http.request.method", "GET"), ("url.scheme", "https")], &[]),
    ("Get", &[("verb", "GET")], &["About to Get from storage", "Writing http response done"]),
    (
        "cacher.Get",
        &[("key", "/minions/n"), ("resource-version", "")],
        &["About to Get from underlying storage"],
    ),
];

const LISTED: &[Expected] = &[
    ("GET /api/v1/nodes", &[], &[]),
    ("List", &[("verb", "LIST"), ("scope", "cluster")], &[]),
    (
        "cacher.GetList",
        &[("type", "nodes")],
        &["Ready", "watchCache fresh enough", "Listed items from cache", "Filtered items"],
    ),
    ("SerializeObject", &[("method", "GET")], &["About to start writing response"]),
];

const WRITTEN: &[&str] = &[
    "initial value restored",
    "About to Encode",
    "Encode succeeded",
    "Transaction prepared",
    "TransformToStorage succeeded",
    "Txn call completed",
    "Transaction committed",
];

const UPDATED: &[Expected] = &[
    ("PUT /api/v1/nodes/{:name}", &[], &[]),
    ("Update", &[("verb", "PUT")], &["limitedReadBody succeeded", "Write to database call succeeded"]),
    ("GuaranteedUpdate etcd3", &[("key", "/minions/n"), ("type", "*core.Node")], WRITTEN),
];

const PATCHED: &[Expected] = &[
    ("PATCH /api/v1/nodes/{:name}", &[], &[]),
    ("Patch", &[], &["limitedReadBody succeeded", "Recorded the audit event", "Object stored in database"]),
    ("GuaranteedUpdate etcd3", &[], &["About to apply patch", "About to check admission control"]),
    ("GuaranteedUpdate etcd3", &[], WRITTEN),
];

const DELETED: &[Expected] = &[
    ("DELETE /api/v1/nodes/{:name}", &[], &[]),
    (
        "Delete",
        &[],
        &[
            "limitedReadBody succeeded",
            "Decoded delete options",
            "Recorded the audit event",
            "About to delete object from database",
            "Object deleted from database",
            "About to write a response",
        ],
    ),
];

/// Checks that the spans of a trace lie within their parents, and have the request's audit ID and the server's name.
fn nested(spans: &[Collected]) {
    let of = |name: &str| spans.iter().find(|span| span.name == name).expect("the span is there");
    let (http, create, store) = (of("POST /api/v1/nodes"), of("Create"), of("Create etcd3"));
    assert_eq!((http.kind, http.parent.as_str()), (2, "00f067aa0ba902b7"));
    assert_eq!(store.parent, create.id);
    assert!(http.time.0 <= create.time.0 && create.time.1 <= http.time.1);
    assert!(!http.attributes["audit-id"].is_empty());
    assert_eq!(http.attributes["audit-id"], create.attributes["audit-id"]);
    assert_eq!(http.attributes["audit-id"], store.attributes["audit-id"]);
    assert_eq!(http.resource["service.name"], "apiserver");
    assert!(http.resource["service.instance.id"].starts_with("apiserver-"));
    assert_eq!(http.made_by, "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp");
    assert_eq!(create.made_by, "k8s.io/component-base/tracing");
}

#[test]
fn a_watch_is_traced_until_it_has_told_what_there_is() {
    let collector = Collector::start();
    let server = traced(&collector, "");
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let path = "/api/v1/nodes?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    let headers = [("traceparent", parent.as_str())];
    server.admin().watch_late(path, &headers, 1, WITHIN, || {});
    check(
        &collector,
        TRACE,
        &[
            ("GET /api/v1/nodes", &[("http.response.status_code", "200")], &[]),
            ("WatchList", &[("verb", "WATCH")], &[]),
            ("cacher.Watch", &[("type", "nodes")], &["watchCache fresh enough"]),
            (
                "WatchServer.HandleHTTP",
                &[("mediaType", "application/json")],
                &["Writing initial events done"],
            ),
        ],
    );
}

#[test]
fn only_privileged_clients_say_which_trace_they_belong_to() {
    let collector = Collector::start();
    let mut server = traced(&collector, "samplingRatePerMillion: 1000000");
    assert_eq!(send(&server.alice(), TRACE, "GET", "/healthz", "", &Value::Null), 200);
    assert_eq!(send(&server.anonymous(), TRACE, "GET", "/livez", "", &Value::Null), 200);
    assert_eq!(send(&server.admin(), TRACE, "GET", "/version", "", &Value::Null), 200);
    // Spans that are left are sent when the server ends.
    assert!(server.stop());
    let spans = collector.spans();
    let of = |path: &str| {
        let is_of = |span: &&Collected| span.attributes.get("url.path").is_some_and(|found| found == path);
        spans.iter().find(|span| is_of(span) && span.kind == 2).expect("the request is traced")
    };
    for path in ["/healthz", "/livez"] {
        let span = of(path);
        assert_eq!((span.name.as_str(), span.parent.as_str()), ("GET", ""));
        assert_ne!(span.trace_id, TRACE);
        assert_eq!(span.links, [TRACE]);
    }
    assert_eq!(of("/version").trace_id, TRACE);
    assert!(spans.iter().any(|span| span.name == "authentication"));
}

#[test]
fn without_a_rate_nothing_is_sampled_but_what_clients_sample() {
    let collector = Collector::start();
    let mut server = traced(&collector, "");
    assert_eq!(server.admin().get(NODES).status, 200);
    assert_eq!(send(&server.alice(), TRACE, "GET", "/healthz", "", &Value::Null), 200);
    assert!(server.stop());
    assert_eq!(collector.requests(), 0);
}

/// The header of a request that another server got.
fn parent_in(head: &str) -> Option<(String, String)> {
    let line = head.lines().find_map(|line| line.strip_prefix("traceparent: "))?;
    let mut parts = line.trim().split('-').skip(1).map(String::from);
    Some((parts.next()?, parts.next()?))
}

#[test]
fn webhooks_are_told_the_span_that_they_are_called_in() {
    let hook = Https::start(|asked| {
        let review: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let response = json!({"uid": review["request"]["uid"], "allowed": true});
        (
            200,
            json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
                .to_string(),
        )
    });
    let collector = Collector::start();
    let server = traced(&collector, "");
    let admin = server.admin();
    let rule = hook::rule("", "v1", &["nodes"]);
    for kind in ["Mutating", "Validating"] {
        let entry = hook::entry("a.example.com", &format!("{}/{kind}", hook.url()), &hook.pem, &rule);
        let path =
            format!("/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations", kind.to_lowercase());
        let made = json!({"metadata": {"name": "c"}, "webhooks": [entry]});
        assert_eq!(admin.post(&path, &made).status, 201);
    }
    let node = json!({"metadata": {"name": "n"}});
    eventually("the webhooks are asked", WITHIN, || {
        send(&admin, TRACE, "POST", NODES, "application/json", &node);
        admin.delete("/api/v1/nodes/n");
        ["/Mutating", "/Validating"]
            .iter()
            .all(|path| hook.asked().iter().any(|asked| asked.path.starts_with(path)))
    });
    check(
        &collector,
        TRACE,
        &[
            (
                "Call mutating webhook",
                &[("configuration", "c"), ("webhook", "a.example.com")],
                &["Request completed"],
            ),
            ("Call validating webhook", &[("operation", "CREATE"), ("resource", "/v1, Resource=nodes")], &[]),
            ("HTTP POST", &[("http.response.status_code", "200"), ("server.address", "127.0.0.1")], &[]),
        ],
    );
    let spans = collector.trace(TRACE);
    let told: Vec<_> = hook.asked().iter().filter_map(|asked| parent_in(&asked.head)).collect();
    let (_, called) = told.iter().find(|(trace, _)| trace == TRACE).expect("webhooks are told");
    let call = spans.iter().find(|span| span.id == *called).expect("it is a span of the server");
    assert_eq!((call.name.as_str(), call.kind), ("HTTP POST", 3));
    assert!(spans.iter().any(|span| span.id == call.parent && span.name.starts_with("Call ")));
}

#[test]
fn kubelets_are_told_the_trace() {
    let kubelet = Https::start(|_| (200, "{}".into()));
    let collector = Collector::start();
    let server = traced(&collector, "");
    let admin = server.admin();
    let node = json!({"metadata": {"name": "n"}, "status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port()}},
    }});
    assert_eq!(admin.post(NODES, &node).status, 201);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/pods", &pod).status, 201);
    assert_eq!(send(&admin, TRACE, "GET", "/api/v1/namespaces/default/pods/p/log", "", &Value::Null), 200);
    let asked = kubelet.asked();
    let told = asked.iter().find_map(|asked| parent_in(&asked.head)).expect("the kubelet is told");
    assert_eq!(told.0, TRACE);
    assert_ne!(told.1, "00f067aa0ba902b7", "the parent is the server's own span");
}

#[test]
fn calls_to_etcd_are_spans() {
    let Some(etcd) = Etcd::start() else { return };
    let collector = Collector::start();
    let file = File::new(&format!("endpoint: {}", collector.endpoint()));
    let server = Server::with_flags(&[&format!("--etcd-servers={}", etcd.url()), &file.flag()]);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    assert_eq!(send(&server.admin(), &trace(1), "POST", NODES, "application/json", &node), 201);
    assert_eq!(send(&server.admin(), &trace(2), "GET", "/api/v1/nodes/n", "", &Value::Null), 200);
    let grpc: &[(&str, &str)] = &[("rpc.system.name", "grpc"), ("rpc.response.status_code", "OK")];
    check(&collector, &trace(1), &[("etcdserverpb.KV/Txn", grpc, &["message", "message"])]);
    check(&collector, &trace(2), &[("etcdserverpb.KV/Range", grpc, &["message"])]);
}

/// The traces and parents in the headers of calls.
fn parents(seen: &[Headers]) -> Vec<(String, String)> {
    let told = seen.iter().flat_map(|headers| headers.values("traceparent"));
    told.filter_map(|told| parent_in(&format!("traceparent: {told}"))).collect()
}

#[test]
fn etcd_is_told_the_span_that_it_is_called_in() {
    let Some(etcd) = Etcd::start() else { return };
    let proxy = GrpcProxy::start(&etcd.url());
    let collector = Collector::start();
    let file = File::new(&format!("endpoint: {}", collector.endpoint()));
    let server = Server::with_flags(&[&format!("--etcd-servers={}", proxy.url()), &file.flag()]);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    assert_eq!(send(&server.admin(), TRACE, "POST", NODES, "application/json", &node), 201);
    check(&collector, TRACE, &[("etcdserverpb.KV/Txn", &[], &[])]);
    let spans = collector.trace(TRACE);
    let called = spans.iter().find(|span| span.name == "etcdserverpb.KV/Txn").expect("it was just there");
    let told = parents(&proxy.seen("/etcdserverpb.KV/Txn"));
    assert!(told.contains(&(TRACE.into(), called.id.clone())), "{told:?} {called:?}");
}

#[test]
fn a_collector_that_fails_holds_nobody_up() {
    let collector = Collector::start();
    collector.set_refusing(true);
    let mut server = traced(&collector, "samplingRatePerMillion: 1000000");
    let admin = server.admin();
    for _ in 0..400 {
        assert_eq!(admin.get("/livez").status, 200);
    }
    eventually("the collector is asked", WITHIN, || collector.requests() > 0);
    assert_eq!(admin.get("/livez").status, 200);
    eventually("the failure is told", WITHIN * 2, || server.log().contains("cannot export traces"));
    let begun = Instant::now();
    assert!(server.stop());
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
}

#[test]
fn files_that_cannot_be_used_end_the_start() {
    let mut server = Server::start();
    assert!(server.stop());
    let invalid = "failed to validate tracing configuration: ";
    let cases = [
        (
            "samplingRatePerMillion: -1",
            format!("{invalid}samplingRatePerMillion: Invalid value: -1: sampling rate must be positive"),
        ),
        (
            "endpoint: http://localhost:4317",
            format!("{invalid}endpoint: Invalid value: \"http://localhost:4317\": unsupported scheme: http."),
        ),
        ("colour: blue", String::from("strict decoding error: unknown field \"colour\"")),
    ];
    for (fields, why) in cases {
        let file = File::new(fields);
        server.set_flags(&[&file.flag()]);
        server.launch();
        assert_eq!(server.ended_within(WITHIN), Some(1));
        assert!(server.log().contains(&why), "{fields}: {}", server.log());
    }
    server.set_flags(&["--tracing-config-file=/nowhere/at/all"]);
    server.launch();
    assert_eq!(server.ended_within(WITHIN), Some(1));
    assert!(server.log().contains("tracing-config-file /nowhere/at/all does not exist"), "{}", server.log());
}
