//! `pintle snapshot`, as an operator uses it.

use pintle_testkit::{Server, pintle_binary};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Runs a snapshot command; tells whether it succeeded, and what it said.
fn snapshot(args: &[&str], data_dir: &Path) -> (bool, String) {
    let mut command = Command::new(pintle_binary());
    let output =
        command.arg("snapshot").args(args).arg(format!("--data-dir={}", data_dir.display())).output();
    let output = output.expect("the pintle binary starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_saved_store_is_restored_elsewhere() {
    let mut from = Server::start();
    let body =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "b"}});
    let made = from.admin().post("/api/v1/namespaces/default/configmaps", &body);
    assert_eq!(made.status, 201);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("snapshot");
    let file = file.to_str().unwrap();

    let (done, said) = snapshot(&["save", file], &from.data_dir());
    assert!(!done && said.contains("in use by another process"), "{said}");
    assert!(from.stop());
    let (done, said) = snapshot(&["save", file], &from.data_dir());
    assert!(done && said.contains("copied and verified"), "{said}");

    let mut to = Server::start();
    assert!(to.stop());
    let (done, said) = snapshot(&["restore", file], &to.data_dir());
    assert!(!done && said.contains("holds objects"), "{said}");
    std::fs::remove_file(to.data_dir().join("store.db")).unwrap();
    let (done, said) = snapshot(&["restore", file], &to.data_dir());
    assert!(done, "{said}");
    to.spawn();
    let found = to.admin().get("/api/v1/namespaces/default/configmaps/kept");
    assert_eq!(found.json(), made.json());
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a snapshot").unwrap();
    let (done, said) = snapshot(&["restore", file.to_str().unwrap()], dir.path());
    assert!(!done && said.contains("is no snapshot"), "{said}");
    assert!(!dir.path().join("store.db").exists());
}
