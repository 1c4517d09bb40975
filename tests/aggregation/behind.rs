//! Requests to aggregated servers: the user in headers, streams, and upgraded connections.

use super::{Front, SERVICES, flunder};
use bytes::Bytes;
use pintle_testkit::{Client, Collector, ECHO, Raw, WITHIN, eventually};
use serde_json::{Value, json};

const FLUNDERS: &str = "/apis/one.example.com/v1/namespaces/default/flunders";

#[test]
fn others_learn_who_asks_and_nothing_of_what_clients_claim() {
    let front = Front::start();
    let one = front.add("one");
    let (alice, path) = (front.server.alice(), format!("{FLUNDERS}/claims"));
    let claims = [
        ("X-Remote-User", "root"),
        ("X-Remote-Uid", "0"),
        ("X-Remote-Group", "system:masters"),
        ("X-Remote-Extra-Scopes", "all"),
        ("X-Kept", "yes"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    // This server refuses a user who may not, and the other hears nothing.
    assert_eq!(alice.send("GET", &path, &claims, Bytes::new()).status, 403);
    assert!(one.seen(&path).is_empty());
    front.open("one.example.com");
    assert_eq!(alice.send("GET", &path, &claims, Bytes::new()).status, 404);
    let seen = one.seen(&path);
    let [headers] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(headers.values("x-remote-user"), ["alice"]);
    assert_eq!(headers.values("x-remote-uid"), ["u-alice"]);
    assert_eq!(headers.values("x-remote-group"), ["dev", "system:authenticated"]);
    assert_eq!(headers.values("x-remote-extra-scopes"), [""; 0]);
    assert_eq!(headers.values("x-kept"), ["yes"]);
    assert_eq!(headers.values("x-forwarded-for"), ["192.0.2.1, 127.0.0.1"]);
    assert!(headers.values("authorization").is_empty(), "a token was passed on");
}

#[test]
fn others_are_told_the_trace_and_the_span_that_they_are_called_in() {
    let (trace, own) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let (collector, dir) = (Collector::start(), tempfile::tempdir().expect("the test's own"));
    let file = dir.path().join("tracing.yaml");
    let configuration = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: {}\n",
        collector.endpoint()
    );
    std::fs::write(&file, configuration).expect("the test's own");
    let front = Front::with_flags(&[&format!("--tracing-config-file={}", file.display())]);
    let one = front.add("one");
    let (path, parent) = (format!("{FLUNDERS}/traced"), format!("00-{trace}-{own}-01"));
    let headers = [("traceparent", parent.as_str())];
    assert_eq!(front.server.admin().send("GET", &path, &headers, Bytes::new()).status, 404);
    let seen = one.seen(&path);
    let told: Vec<&str> = seen.iter().flat_map(|headers| headers.values("traceparent")).collect();
    let [told] = told[..] else { panic!("{told:?}") };
    let span = told.strip_prefix(&format!("00-{trace}-")).and_then(|rest| rest.strip_suffix("-01"));
    let span = span.unwrap_or_else(|| panic!("another trace, or not sampled: {told}"));
    assert_ne!(span, own, "the parent is the server's own span");
    eventually("the span is sent", WITHIN, || collector.trace(trace).iter().any(|one| one.id == span));
}

#[test]
fn others_learn_of_whom_somebody_acts_as() {
    let front = Front::start();
    let one = front.add("one");
    front.open("one.example.com");
    let path = format!("{FLUNDERS}/acting");
    let acting = [
        ("Impersonate-User", "bob"),
        ("Impersonate-Group", "painters"),
        ("Impersonate-Group", "system:authenticated"),
        ("Impersonate-Extra-example.com%2Fscopes", "walls"),
        ("Impersonate-Uid", "7"),
    ];
    assert_eq!(front.server.admin().send("GET", &path, &acting, Bytes::new()).status, 404);
    let seen = one.seen(&path);
    let [headers] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(headers.values("x-remote-user"), ["bob"]);
    assert_eq!(headers.values("x-remote-uid"), ["7"]);
    assert_eq!(headers.values("x-remote-group"), ["painters", "system:authenticated"]);
    assert_eq!(headers.values("x-remote-extra-example.com%2fscopes"), ["walls"]);
    assert!(headers.names("impersonate-").is_empty(), "{headers:?}");
}

#[test]
fn objects_of_others_are_written_read_and_watched() {
    let front = Front::start();
    let _one = front.add("one");
    let (admin, other) = (front.server.admin(), front.server.admin());
    let watch = format!("{FLUNDERS}?watch=true");
    let events = admin.watch_late(&watch, &[], 3, WITHIN, || {
        assert_eq!(other.post(FLUNDERS, &flunder("a")).status, 201);
        let mut changed = other.get(&format!("{FLUNDERS}/a")).json();
        changed["spec"] = json!("b");
        assert_eq!(other.put(&format!("{FLUNDERS}/a"), &changed).status, 200);
        assert_eq!(other.get(FLUNDERS).json()["items"][0]["spec"], json!("b"));
        assert_eq!(other.delete(&format!("{FLUNDERS}/a")).status, 200);
    });
    let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "DELETED"]);
    assert_eq!(admin.get(&format!("{FLUNDERS}/a")).status, 404);
}

#[test]
fn a_connection_to_another_server_becomes_a_stream() {
    let front = Front::start();
    let one = front.add("one");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut raw = Raw::connect(front.server.port(), &[b"http/1.1"]).await.unwrap();
        let head = format!(
            "GET {FLUNDERS}/a/talk HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\n\
             Connection: Upgrade\r\nUpgrade: {ECHO}\r\nX-Remote-User: root\r\n\r\n"
        );
        raw.send(head.as_bytes()).await.unwrap();
        let answered = raw.read_until("\r\n\r\n").await;
        assert!(answered.starts_with("HTTP/1.1 101 "), "{answered}");
        for said in ["hello", "again"] {
            raw.send(said.as_bytes()).await.unwrap();
            assert_eq!(raw.read_until(said).await, said);
        }
    });
    let seen = one.seen(&format!("{FLUNDERS}/a/talk"));
    assert_eq!(seen[0].values("x-remote-user"), ["admin"]);
}

#[test]
fn names_that_are_not_ascii_arrive_as_go_sends_them() {
    let front = Front::start();
    let one = front.add("one");
    front.open("one.example.com");
    let path = format!("{FLUNDERS}/named");
    let account = [("Impersonate-User", "zoë"), ("Impersonate-Extra-Town", "Zürich")];
    assert_eq!(front.server.admin().send("GET", &path, &account, Bytes::new()).status, 404);
    let seen = one.seen(&path);
    let [headers] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(headers.values("x-remote-user"), ["zoë"]);
    assert_eq!(headers.values("x-remote-extra-town"), ["Zürich"]);
}

fn definition() -> Value {
    json!({
        "metadata": {"name": "flunders.one.example.com"},
        "spec": {
            "group": "one.example.com", "scope": "Namespaced",
            "names": {"plural": "flunders", "singular": "flunder", "kind": "Flunder"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// Whether this server itself answers, and not the one behind it.
fn is_local(client: &Client) -> bool {
    client.get(&format!("{FLUNDERS}/a")).json()["details"]["kind"] == json!("flunders")
}

#[test]
fn an_api_service_comes_before_a_definition_of_the_same_version() {
    let front = Front::start();
    let one = front.add("one");
    let admin = front.server.admin();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(admin.post(definitions, &definition()).status, 201);
    eventually("the definition is established", WITHIN, || {
        let found = admin.get(&format!("{definitions}/flunders.one.example.com")).json();
        let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|one| one["type"] == json!("Established") && one["status"] == json!("True"))
    });
    assert_eq!(admin.post(FLUNDERS, &flunder("a")).status, 201);
    assert_eq!(one.seen(FLUNDERS).len(), 1);
    // Once nobody else is named, the definition is.
    assert_eq!(admin.delete(&format!("{SERVICES}/v1.one.example.com")).status, 200);
    eventually("this server answers", WITHIN, || is_local(&admin));
    eventually("this server says that it serves the version", WITHIN, || {
        let spec = admin.get(&format!("{SERVICES}/v1.one.example.com")).json()["spec"].clone();
        spec["service"].is_null() && spec["group"] == json!("one.example.com")
    });
}
