//! `pintle snapshot`, as an operator uses it.

use pintle_testkit::{Client, Etcd, Server, pintle_binary};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs a snapshot command; returns whether it succeeded, and its output.
fn snapshot(args: &[&str], data_dir: &Path) -> (bool, String) {
    let mut command = Command::new(pintle_binary());
    let output =
        command.arg("snapshot").args(args).arg(format!("--data-dir={}", data_dir.display())).output();
    let output = output.expect("the pintle binary starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// Also where the tests' other servers keep their objects elsewhere.
const EMBEDDED: &str = "--etcd-servers=";

fn body(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})
}

#[test]
fn a_saved_store_is_restored_elsewhere() {
    let mut from = Server::with_flags(&[EMBEDDED]);
    let made = from.admin().post(PATH, &body("kept"));
    assert_eq!(made.status, 201);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("snapshot");
    let file = file.to_str().unwrap();
    assert!(from.stop());
    let (done, said) = snapshot(&["save", file], &from.data_dir());
    assert!(done && said.contains("copied and verified"), "{said}");

    let mut to = Server::with_flags(&[EMBEDDED]);
    let (done, said) = snapshot(&["restore", file], &to.data_dir());
    assert!(!done && said.contains("in use by another process"), "{said}");
    assert!(to.stop());
    let (done, said) = snapshot(&["restore", file], &to.data_dir());
    assert!(!done && said.contains("holds objects"), "{said}");
    std::fs::remove_file(to.data_dir().join("store.db")).unwrap();
    let (done, said) = snapshot(&["restore", file], &to.data_dir());
    assert!(done, "{said}");
    to.spawn();
    assert_eq!(to.admin().get(&format!("{PATH}/kept")).json(), made.json());
}

/// A snapshot holds one moment: of two objects that are always written one after the other, the second is never
/// ahead of the first.
#[test]
fn a_store_is_saved_while_its_server_writes() {
    let mut from = Server::with_flags(&[EMBEDDED]);
    let admin = from.admin();
    for name in ["first", "second"] {
        assert_eq!(admin.post(PATH, &body(name)).status, 201);
    }
    let dir = tempfile::tempdir().unwrap();
    let is_done = AtomicBool::new(false);
    let files: Vec<_> = (0..4).map(|round| dir.path().join(format!("snapshot-{round}"))).collect();
    std::thread::scope(|scope| {
        let (server, is_done) = (&from, &is_done);
        let writer = scope.spawn(move || {
            let client = server.admin();
            for round in 0_u64.. {
                for name in ["first", "second"] {
                    let patch = json!({"data": {"round": round.to_string()}});
                    assert_eq!(client.patch("merge", &format!("{PATH}/{name}"), &patch).status, 200);
                }
                if is_done.load(Ordering::Relaxed) && round > 2 {
                    return;
                }
            }
        });
        for file in &files {
            let (done, said) = snapshot(&["save", file.to_str().unwrap()], &from.data_dir());
            assert!(done && said.contains("copied and verified"), "{said}");
        }
        is_done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
    assert!(from.stop());
    for file in files {
        let mut to = Server::with_flags(&[EMBEDDED]);
        assert!(to.stop());
        std::fs::remove_file(to.data_dir().join("store.db")).unwrap();
        let (done, said) = snapshot(&["restore", file.to_str().unwrap()], &to.data_dir());
        assert!(done, "{said}");
        to.spawn();
        let round = |name: &str| {
            let found = to.admin().get(&format!("{PATH}/{name}")).json();
            found["data"]["round"].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        };
        let (first, second) = (round("first"), round("second"));
        assert!(first == second || first == second + 1, "{first} {second}");
    }
}

/// Every object of every kind that the cluster has is the same on the other store.
#[test]
fn a_cluster_moves_to_etcd_and_back() {
    let Some(etcd) = Etcd::start() else { return };
    let flag = format!("--etcd-servers={}", etcd.url());
    let mut embedded = Server::with_flags(&[EMBEDDED]);
    let admin = embedded.admin();
    assert_eq!(admin.post(PATH, &body("kept")).status, 201);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/services", &service).status, 201);
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}});
    assert_eq!(admin.post("/api/v1/namespaces/default/events", &event).status, 201);
    let before = everything(&admin);
    assert!(embedded.stop());
    let (done, said) = snapshot(&["migrate", "etcd", &flag], &embedded.data_dir());
    assert!(done, "{said}");

    let mut on_etcd = Server::with_flags(&[&flag]);
    assert_eq!(everything(&on_etcd.admin()), before);
    assert_eq!(on_etcd.admin().post(PATH, &body("later")).status, 201);
    let before = everything(&on_etcd.admin());
    assert!(on_etcd.stop());
    for file in ["store.db", "store.db-wal"] {
        let _ = std::fs::remove_file(embedded.data_dir().join(file));
    }
    let (done, said) = snapshot(&["migrate", "embedded", &flag], &embedded.data_dir());
    assert!(done, "{said}");
    embedded.spawn();
    assert_eq!(everything(&embedded.admin()), before);
}

/// All objects by their paths, except for versions, which etcd counts anew, objects that a server with keys of its own
/// adds, and the endpoints with its address.
fn everything(admin: &Client) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for root in
        ["/api/v1", "/apis/rbac.authorization.k8s.io/v1", "/apis/networking.k8s.io/v1", "/apis/apps/v1"]
    {
        for resource in admin.get(root).json()["resources"].as_array().expect("resources") {
            let name = resource["name"].as_str().expect("a name");
            let is_listed = resource["verbs"].as_array().expect("verbs").contains(&json!("list"));
            if !is_listed || name == "componentstatuses" {
                continue;
            }
            for mut item in
                admin.get(&format!("{root}/{name}")).json()["items"].as_array().expect("items").clone()
            {
                item["metadata"]["resourceVersion"].take();
                let metadata = &item["metadata"];
                let is_of_server = metadata["name"] == "extension-apiserver-authentication"
                    || (name == "endpoints" && metadata["name"] == "kubernetes");
                if is_of_server {
                    continue;
                }
                let key = format!("{root}/{name} {} {}", metadata["namespace"], metadata["name"]);
                found.insert(key, item);
            }
        }
    }
    found
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a snapshot").unwrap();
    let (done, said) = snapshot(&["restore", file.to_str().unwrap()], dir.path());
    assert!(!done && said.contains("not a snapshot"), "{said}");
    assert!(!dir.path().join("store.db").exists());
}
