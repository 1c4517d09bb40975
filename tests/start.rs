//! Starting, stopping, and the state that stays.

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
fn a_start_repairs_what_is_the_servers_own() {
    const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    const FLOWS: &str = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
    const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
    let mut server = Server::start();
    let admin = server.admin();
    let paths = ["view", "system:basic-user", "system:discovery"].map(|name| format!("{RBAC}/{name}"));
    let [aggregated, repaired, kept] = &paths;
    let before = admin.get(repaired).json()["rules"].clone();
    let nothing = json!({"rules": []});
    assert_eq!(admin.patch("merge", repaired, &nothing).status, 200);
    let hands_off = json!({"metadata": {"annotations": {AUTOUPDATE: "false"}}, "rules": []});
    assert_eq!(admin.patch("merge", kept, &hands_off).status, 200);
    let own = json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    assert_eq!(admin.patch("merge", aggregated, &own).status, 200);
    let flow = format!("{FLOWS}/global-default");
    let precedence = admin.get(&flow).json()["spec"]["matchingPrecedence"].clone();
    let changed = json!({"spec": {"matchingPrecedence": 4000}});
    assert_eq!(admin.patch("merge", &flow, &changed).status, 200);
    assert_eq!(admin.delete("/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical").status, 403);
    assert_eq!(admin.delete("/apis/apiregistration.k8s.io/v1/apiservices/v1.apps").status, 200);
    assert!(server.stop(), "{}", server.log());
    server.spawn();
    let admin = server.admin();
    assert_eq!(admin.get(repaired).json()["rules"], before);
    assert_eq!(admin.get(kept).json()["rules"].as_array().map_or(0, Vec::len), 0);
    let selectors = admin.get(aggregated).json()["aggregationRule"]["clusterRoleSelectors"].clone();
    assert_eq!(selectors.as_array().map(Vec::len), Some(2), "{selectors}");
    assert_eq!(admin.get(&flow).json()["spec"]["matchingPrecedence"], precedence);
    assert_eq!(admin.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.apps").status, 200);
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
    let server = Server::with_flags(&["--watch-cache=false"]);
    assert!(server.log().contains("--watch-cache"), "{}", server.log());
}
