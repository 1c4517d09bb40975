//! Lists: selectors, pages of one consistent snapshot, forms.

use pintle_testkit::{Client, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

fn fill(admin: &Client, count: usize) {
    for index in 0..count {
        let labels = json!({"parity": if index % 2 == 0 { "even" } else { "odd" }});
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("c{index:03}"), "labels": labels}, "data": {"i": index.to_string()},
        });
        assert_eq!(admin.post(CONFIGMAPS, &object).status, 201);
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect()
}

#[test]
fn items_of_a_list_carry_no_kind() {
    let server = Server::start();
    let admin = server.admin();
    fill(&admin, 2);
    let list = admin.get(CONFIGMAPS).json();
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(names(&list), ["c000", "c001"]);
    assert!(list["items"][0].get("kind").is_none());
}

#[test]
fn selectors_choose() {
    let server = Server::start();
    let admin = server.admin();
    fill(&admin, 4);
    let cases = [
        ("labelSelector=parity%3Deven", vec!["c000", "c002"]),
        ("labelSelector=parity%20notin%20(even)", vec!["c001", "c003"]),
        ("labelSelector=%21parity", vec![]),
        ("fieldSelector=metadata.name%3Dc003", vec!["c003"]),
        ("fieldSelector=metadata.name%21%3Dc003&labelSelector=parity%3Dodd", vec!["c001"]),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&admin.get(&format!("{CONFIGMAPS}?{query}")).json()), expected, "{query}");
    }
}

#[test]
fn pages_show_one_snapshot() {
    let server = Server::start();
    let admin = server.admin();
    fill(&admin, 5);
    let first = admin.get(&format!("{CONFIGMAPS}?limit=2")).json();
    assert_eq!(names(&first), ["c000", "c001"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    admin.delete(&format!("{CONFIGMAPS}/c002"));
    let next = first["metadata"]["continue"].as_str().expect("a continue token");
    let second = admin.get(&format!("{CONFIGMAPS}?limit=9&continue={next}")).json();
    assert_eq!(names(&second), ["c002", "c003", "c004"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
}

/// The token of a page at a revision.
fn token(revision: u64, start: &str) -> String {
    let document = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string();
    base64url(document.as_bytes())
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextets = |group: &[u8]| {
        let number =
            group.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (24 - 8 * group.len());
        (0..=group.len())
            .map(|place| char::from(DIGITS[(number >> (18 - 6 * place) & 63) as usize]))
            .collect::<String>()
    };
    bytes.chunks(3).map(sextets).collect()
}

#[test]
fn a_page_of_the_future_is_refused_at_once() {
    let server = Server::start();
    let admin = server.admin();
    fill(&admin, 1);
    for query in [
        format!("continue={}", token(999_999, "c000\0")),
        String::from("resourceVersion=999999&resourceVersionMatch=Exact"),
        String::from("resourceVersion=999999&limit=1"),
    ] {
        let begun = Instant::now();
        let answer = admin.get(&format!("{CONFIGMAPS}?{query}"));
        assert_eq!(answer.status, 504, "{query}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{query}");
        let status = answer.json();
        assert_eq!(status["reason"], "Timeout");
        assert_eq!(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
        assert!(status["details"].get("retryAfterSeconds").is_none());
    }
}

#[test]
fn pages_end_before_watches_do() {
    let server = Server::with_flags(&["--etcd-compaction-interval=1s"]);
    let admin = server.admin();
    fill(&admin, 3);
    let first = admin.get(&format!("{CONFIGMAPS}?limit=1")).json();
    let revision = first["metadata"]["resourceVersion"].as_str().expect("a version").to_string();
    let next = first["metadata"]["continue"].as_str().expect("a continue token").to_string();
    let deadline = Instant::now() + Duration::from_secs(30);
    let expired = loop {
        admin.delete(&format!("{CONFIGMAPS}/c002"));
        let answer = admin.get(&format!("{CONFIGMAPS}?limit=1&continue={next}"));
        if answer.status == 410 || Instant::now() > deadline {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(expired.status, 410);
    let status = expired.json();
    assert_eq!(status["reason"], "Expired");
    let rest = status["metadata"]["continue"].as_str().expect("a token for the inconsistent rest");
    assert_eq!(names(&admin.get(&format!("{CONFIGMAPS}?continue={rest}")).json()), ["c001"]);
    let exact = format!("{CONFIGMAPS}?resourceVersion={revision}&resourceVersionMatch=Exact");
    assert_eq!(admin.get(&exact).status, 410);
    let path = format!("{CONFIGMAPS}?watch=1&resourceVersion={revision}");
    let events = admin.watch_until(&path, 1, Duration::from_secs(10));
    assert_eq!(
        (&events[0]["type"], &events[0]["object"]["metadata"]["name"]),
        (&json!("DELETED"), &json!("c002"))
    );
}

#[test]
fn a_table_has_cells() {
    let server = Server::start();
    let admin = server.admin();
    fill(&admin, 1);
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = admin.send("GET", CONFIGMAPS, &[("accept", accept)], Default::default()).json();
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"][0], "c000");
    assert_eq!(table["rows"][0]["cells"][1], 1);
}

#[test]
fn a_long_list_comes_in_pieces_and_whole() {
    let server = Server::start();
    let admin = server.admin();
    let padding = "0123456789abcdef".repeat(4_000);
    for index in 0..20 {
        let metadata = json!({"name": format!("long-{index:03}"), "annotations": {"padding": padding}});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        assert_eq!(admin.post(CONFIGMAPS, &object).status, 201);
    }
    let list = admin.get(CONFIGMAPS).json();
    assert_eq!(names(&list).len(), 20);
    assert_eq!(names(&list).last(), Some(&"long-019"));
    let laid_out = admin.get(&format!("{CONFIGMAPS}?pretty=true"));
    assert!(laid_out.text().starts_with("{\n  \"kind\": \"ConfigMapList\",\n"));
    assert_eq!(laid_out.json(), list);
}
