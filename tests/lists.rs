//! Lists: selectors, pages of one consistent snapshot, forms.

use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

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
