//! Connections before, between and instead of requests: none is kept for nothing.

use bytes::Bytes;
use pintle_testkit::certificates::Authority;
use pintle_testkit::{HTTP2_BEGIN, Raw, Server, tls};
use serde_json::json;
use std::time::{Duration, Instant};

/// More than the server bears with a connection that asks nothing, for slow machines.
const FIRST_REQUEST_MAX: Duration = Duration::from_secs(45);
const DRIP_EVERY: Duration = Duration::from_secs(4);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made")
}

/// The time for which the server keeps a connection that begins with some bytes and goes on with others.
async fn kept(port: u16, protocol: &[u8], begin: &[u8], drip: &[u8]) -> Option<Duration> {
    let mut raw = Raw::connect(port, &[protocol]).await.expect("the server speaks TLS");
    raw.send(begin).await.expect("the server hears");
    raw.closed_after(drip, DRIP_EVERY, FIRST_REQUEST_MAX).await
}

#[test]
fn who_asks_nothing_is_not_kept() {
    let server = Server::start();
    let port = server.port();
    type Case = (&'static str, &'static [u8], &'static [u8], &'static [u8]);
    let cases: [Case; 7] = [
        ("nothing", b"http/1.1", b"", b""),
        ("nothing over HTTP/2", b"h2", b"", b""),
        ("half a preface", b"h2", b"PRI * HTTP/2.0\r\n", b""),
        ("no stream", b"h2", HTTP2_BEGIN, b""),
        // A ping is no request.
        ("pings", b"h2", HTTP2_BEGIN, b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"),
        ("half a line", b"http/1.1", b"GET /version HT", b""),
        ("a head that never ends", b"http/1.1", b"GET /version HTTP/1.1\r\n", b"x-a: b\r\n"),
    ];
    runtime().block_on(async {
        let tasks = cases.map(|(name, protocol, begin, drip)| {
            tokio::spawn(async move { (name, kept(port, protocol, begin, drip).await) })
        });
        for task in tasks {
            let (name, kept) = task.await.expect("a test's task");
            assert!(kept.is_some(), "a connection with {name} is kept");
        }
    });
}

#[test]
fn a_head_that_is_slow_after_a_request_is_not_kept() {
    let server = Server::start();
    runtime().block_on(async {
        let mut raw = Raw::connect(server.port(), &[b"http/1.1"]).await.unwrap();
        raw.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(raw.read_until("ok").await.starts_with("HTTP/1.1 200"));
        raw.send(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        assert!(raw.closed_after(b"x-a: b\r\n", DRIP_EVERY, FIRST_REQUEST_MAX).await.is_some());
    });
}

/// Connections without a request make room for those with one.
#[test]
fn a_crowd_that_asks_nothing_keeps_nobody_out() {
    const CROWD: usize = 1200;
    let server = Server::start();
    let port = server.port();
    runtime().block_on(async {
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            crowd.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open"));
        }
        let mut raw = Raw::connect(port, &[b"http/1.1"]).await.expect("there is room");
        raw.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(raw.read_until("ok").await.starts_with("HTTP/1.1 200"));
    });
}

/// Out of files it goes on with those it has, and takes new ones when there is room; it does not spin meanwhile.
#[test]
fn who_has_no_files_left_waits_for_some() {
    let server = Server::with_shell("ulimit -n 300");
    let port = server.port();
    runtime().block_on(async {
        let mut crowd = Vec::new();
        for _ in 0..400 {
            crowd.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok());
        }
        let mut raw = Raw::connect(port, &[b"http/1.1"]).await.expect("there is room");
        raw.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(raw.read_until("ok").await.starts_with("HTTP/1.1 200"));
        let lines = server.log().lines().filter(|line| line.contains("connections")).count();
        assert!(lines < 10, "{}", server.log());
    });
}

/// A body that a request has no use for is not waited for, and the watch is open at once.
#[test]
fn a_watch_reads_no_body() {
    let server = Server::start();
    runtime().block_on(async {
        let mut raw = Raw::connect(server.port(), &[b"http/1.1"]).await.unwrap();
        let head = "GET /api/v1/namespaces?watch=1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer admin-token\r\n\
                    content-length: 3000000\r\n\r\n{";
        raw.send(head.as_bytes()).await.unwrap();
        let read = raw.read_until("ADDED");
        let text = tokio::time::timeout(Duration::from_secs(10), read).await.expect("the watch begins");
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    });
    let answer = server.admin().send("GET", "/api/v1/namespaces/default", &[], Bytes::from_static(b"{}"));
    assert_eq!(answer.status, 200);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut server = Server::with_flags(&["--shutdown-delay-duration=60s"]);
    server.signal("TERM");
    let stopping = || server.anonymous().try_get("/readyz").is_some_and(|answer| answer.status == 500);
    let end = Instant::now() + Duration::from_secs(10);
    while !stopping() {
        assert!(Instant::now() < end, "it does not begin to stop");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.signal("INT");
    assert_eq!(server.ended_within(Duration::from_secs(10)), Some(1));
}

/// Clients with several certificates choose by the authorities that the handshake names.
#[test]
fn the_handshake_names_the_authorities_of_clients() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let write =
        |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("it can be written");
    let [clients, proxies, others] = ["clients", "proxies", "others"].map(Authority::new);
    write("clients.crt", &clients.pem());
    write("proxies.crt", &proxies.pem());
    let flag = |name: &str, file: &str| format!("--{name}={}", dir.path().join(file).display());
    let server = Server::with_flags(&[
        &flag("client-ca-file", "clients.crt"),
        &flag("requestheader-client-ca-file", "proxies.crt"),
        "--requestheader-username-headers=X-Remote-User",
    ]);
    let named = || {
        let names = runtime().block_on(tls::named_authorities(server.port()));
        let texts = names.iter().map(|name| String::from_utf8_lossy(name).into_owned());
        let is_named = |name: &&str| texts.clone().any(|text| text.ends_with(name));
        ["clients", "proxies", "others"].into_iter().filter(is_named).collect::<Vec<_>>()
    };
    assert_eq!(named(), ["clients", "proxies"]);
    write("clients.crt", &(clients.pem() + &others.pem()));
    let end = Instant::now() + Duration::from_secs(30);
    while named() != ["clients", "proxies", "others"] {
        assert!(Instant::now() < end, "{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The answer to a raw request over HTTP/1.1, its head and the beginning of its body.
fn raw_answer(server: &Server, line: &str, headers: &str, until: &str) -> String {
    runtime().block_on(async {
        let mut raw = Raw::connect(server.port(), &[b"http/1.1"]).await.expect("the server speaks TLS");
        let head = format!("{line} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        raw.send(head.as_bytes()).await.expect("the server hears");
        let read = raw.read_until(until);
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("the server answers")
    })
}

/// Headers are those of Go's servers: canonical, sorted, and a length only where the body is short.
#[test]
fn heads_look_as_go_writes_them() {
    const ADMIN: &str = "authorization: Bearer admin-token\r\n";
    let server = Server::start();
    let short = raw_answer(&server, "GET /version", ADMIN, "}");
    let names: Vec<&str> =
        short.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    assert!(names.starts_with(&["Audit-Id", "Cache-Control", "Content-Type"]), "{short}");
    assert!(short.contains("Content-Length: "), "{short}");
    let long = raw_answer(&server, "GET /api/v1", ADMIN, "APIResourceList");
    assert!(long.contains("Transfer-Encoding: chunked") && !long.contains("Content-Length"), "{long}");
    let document =
        raw_answer(&server, "GET /openapi/v3/api/v1", &format!("{ADMIN}accept-encoding: gzip\r\n"), "{");
    assert!(document.contains("Content-Length: ") && !document.contains("Content-Encoding"), "{document}");

    // Sizes of chunks have small letters; a list's first chunk is what Go's servers keep before they send.
    let apps = raw_answer(&server, "GET /apis/apps/v1", ADMIN, "APIResourceList");
    assert!(apps.contains("\r\n\r\n8ce\r\n{"), "{apps}");
    let map = json!({"metadata": {"name": "long"}, "data": {"k": "v".repeat(5000)}});
    let maps = "/api/v1/namespaces/default/configmaps";
    assert_eq!(server.admin().post(maps, &map).status, 201);
    let list = raw_answer(&server, &format!("GET {maps}"), ADMIN, "ConfigMapList");
    assert!(list.contains("\r\n\r\n800\r\n{"), "{list}");

    // A head that cannot be read is refused in words.
    let lengths = "content-length: 2\r\ncontent-length: 3\r\n";
    let refused = raw_answer(&server, "POST /api/v1/namespaces", lengths, "\r\n\r\n400 Bad Request");
    assert!(refused.starts_with("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain"), "{refused}");

    // A client that waits to be told to send, and is refused, is told that the connection ends.
    let expect = "content-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n";
    let refused = raw_answer(&server, "POST /api/v1/namespaces", expect, "Status");
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("Connection: close"), "{refused}");
}

#[test]
fn pages_of_health_and_metrics_have_their_headers() {
    let server = Server::start();
    let get = |path: &str, accepted: &str| {
        let headers = [("accept-encoding", accepted)];
        server.admin().send("GET", path, &headers, Bytes::new())
    };
    assert_eq!(get("/readyz/ping", "").header("x-content-type-options"), None);
    assert_eq!(get("/readyz", "").header("x-content-type-options"), Some("nosniff"));
    let indicators = get("/metrics/slis", "").text();
    let described: Vec<&str> = indicators.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(
        described,
        [
            "kubernetes_healthcheck gauge",
            "kubernetes_healthchecks_total counter",
            "process_start_time_seconds gauge",
        ]
    );
    assert!(indicators.contains("kubernetes_healthcheck{name=\"ping\",type=\"readyz\"} 1"), "{indicators}");
    assert!(
        indicators
            .contains("kubernetes_healthchecks_total{name=\"ping\",status=\"success\",type=\"readyz\"}"),
        "{indicators}"
    );
    let encoding = |path: &str, accepted: &str| {
        let answer = get(path, accepted);
        (answer.header("content-encoding").map(String::from), answer.header("vary").map(String::from))
    };
    assert_eq!(encoding("/metrics", "gzip"), (Some("gzip".into()), None));
    assert_eq!(encoding("/metrics", "gzip;q=0"), (None, None));
}
