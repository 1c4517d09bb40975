//! Bad input gets a clear Status, stores nothing, and leaves the connection usable.

use bytes::Bytes;
use pintle_testkit::Server;
use serde_json::json;

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

#[test]
fn a_bad_body_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let deep = "[".repeat(100_000);
    let deep_map =
        format!("{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"x\":{}}}", "{\"a\":".repeat(50_000));
    let huge = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{{\"a\":\"{}\"}}}}",
        "x".repeat(4 << 20)
    );
    let cases: [(&str, &[u8], u16, &str); 12] = [
        (JSON, b"", 400, "BadRequest"),
        (JSON, b"{", 400, "BadRequest"),
        (JSON, b"nonsense", 400, "BadRequest"),
        (JSON, deep.as_bytes(), 400, "BadRequest"),
        (JSON, deep_map.as_bytes(), 400, "BadRequest"),
        (JSON, huge.as_bytes(), 413, "RequestEntityTooLarge"),
        (JSON, br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#, 400, "BadRequest"),
        (
            JSON,
            br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":1}}"#,
            400,
            "BadRequest",
        ),
        (JSON, br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"A B"}}"#, 422, "Invalid"),
        (YAML, b"a: b: c", 400, "BadRequest"),
        (PROTOBUF, b"k8s\0\xff\xff\xff\xff", 400, "BadRequest"),
        ("text/plain", b"hello", 415, "UnsupportedMediaType"),
    ];
    for (content_type, body, status, reason) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer =
            admin.send("POST", CONFIGMAPS, &[("content-type", content_type)], Bytes::copy_from_slice(body));
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert_eq!(answer.json()["kind"], "Status", "{shown}");
        assert_eq!(answer.json()["reason"], reason, "{shown}");
    }
    assert_eq!(admin.get(CONFIGMAPS).json()["items"], json!([]));
}

#[test]
fn invalid_utf8_is_replaced_as_go_does() {
    let server = Server::start();
    let body = b"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"u\"},\"data\":{\"k\":\"a\xff\"}}";
    let answer =
        server.admin().send("POST", CONFIGMAPS, &[("content-type", JSON)], Bytes::copy_from_slice(body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["data"]["k"], "a\u{fffd}");
}

#[test]
fn a_bad_request_line_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let cases = [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/apis/no.such.group/v1/things", 404),
        ("GET", "/api/v1/configmaps?labelSelector=a%20b", 400),
        ("GET", "/api/v1/configmaps?fieldSelector=a%3D%3D%3Db", 400),
        ("GET", "/api/v1/configmaps?fieldSelector=spec.nothing%3Db", 400),
        ("GET", "/api/v1/configmaps?limit=many", 400),
        ("GET", "/api/v1/configmaps?resourceVersion=abc", 400),
        ("GET", "/api/v1/configmaps?continue=abc", 400),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
    ];
    for (method, path, status) in cases {
        let answer = admin.send(method, path, &[("content-type", JSON)], Bytes::from_static(b"{}"));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    assert_eq!(admin.get("/readyz").status, 200);
}

/// Labels come from the served resources, so that no client can make series by its words.
#[test]
fn labels_of_metrics_are_not_what_clients_say() {
    let server = Server::start();
    let (admin, anonymous) = (server.admin(), server.anonymous());
    let ask = |from: usize, to: usize| {
        for number in from..to {
            let path = format!(
                "/apis/group{number}.example.org/v1/namespaces/ns{number}/things{number}/name{number}"
            );
            anonymous.send(&format!("METHOD{number}"), &path, &[], Bytes::new());
            anonymous.get(&path);
            admin.get(&path);
            admin.get(&format!("/api/v1/namespaces/ns{number}/configmaps/name{number}?watch=1&said{number}"));
            admin.delete(&format!("/said{number}"));
        }
    };
    let series = || admin.get("/metrics").text().lines().filter(|line| !line.starts_with('#')).count();
    ask(0, 5);
    let before = series();
    ask(5, 60);
    assert_eq!(series(), before);
    let text = admin.get("/metrics").text();
    for said in ["example.org", "things", "METHOD", "said", "ns1", "name1"] {
        assert!(!text.contains(said), "{said} is a label");
    }
}
