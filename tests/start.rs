//! Starting, stopping, and what stays.

use pintle_testkit::Server;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn a_second_start_finds_everything() {
    let mut server = Server::start();
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"k": "v"}});
    let before = server.admin().post(CONFIGMAPS, &object).json();
    let kubeconfig = std::fs::read(server.kubeconfig()).expect("a kubeconfig");
    assert!(server.stop(), "{}", server.log());
    server.spawn();
    assert_eq!(server.admin().get(&format!("{CONFIGMAPS}/kept")).json(), before);
    assert_eq!(std::fs::read(server.kubeconfig()).expect("a kubeconfig"), kubeconfig);
}

#[test]
fn a_killed_server_loses_nothing_acknowledged() {
    let mut server = Server::start();
    for index in 0..50 {
        let name = format!("c{index}");
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        assert_eq!(server.admin().post(CONFIGMAPS, &object).status, 201);
    }
    server.kill();
    server.spawn();
    let list = server.admin().get(CONFIGMAPS).json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(50));
}

#[test]
fn private_files_are_private() {
    let server = Server::start();
    let mut seen = 0;
    check_modes(&server.data_dir(), &mut seen);
    assert!(seen >= 3, "only {seen} files under the data directory");
}

/// Keys, kubeconfigs and the store are for their owner alone.
fn check_modes(dir: &Path, seen: &mut usize) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            check_modes(&path, seen);
            continue;
        }
        let name = path.to_string_lossy().into_owned();
        if name.ends_with(".crt") {
            continue;
        }
        *seen += 1;
        let mode = path.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[test]
fn a_flag_without_effect_is_said() {
    let server = Server::with_flags(&["--goaway-chance=0.01"]);
    assert!(server.log().contains("--goaway-chance"), "{}", server.log());
}
