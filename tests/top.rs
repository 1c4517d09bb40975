//! `/debug/pintle/top` and `pintle top`: the users that cost a server most.

use pintle_testkit::{Client, Server, WITHIN, eventually, pintle_binary};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const TOP: &str = "/debug/pintle/top";
const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

fn row<'a>(page: &'a Value, table: &str, is_it: impl Fn(&Value) -> bool) -> Option<&'a Value> {
    page[table].as_array().expect("a table").iter().find(|row| is_it(row))
}

#[test]
fn who_asks_most_is_shown_with_what_it_costs() {
    let server = Server::start();
    let (admin, alice) = (server.admin(), server.alice());
    for _ in 0..20 {
        assert_eq!(alice.get(CONFIGMAPS).status, 403);
    }
    let page = admin.get(TOP).json();
    let user = row(&page, "users", |row| row["user"] == "alice").expect("alice's row");
    assert!(user["lately"]["requests"].as_f64().expect("a number") > 19.0, "{user}");
    assert!(user["lately"]["errors"].as_f64().expect("a number") > 19.0, "{user}");
    assert!(user["now"]["requests"].as_f64().expect("a number") > 0.5, "{user}");
    assert!(user["lately"]["cpuSeconds"].as_f64().expect("a number") > 0.0, "{user}");
    assert!(user["lately"]["bytes"].as_f64().expect("a number") > 1000.0, "{user}");
    let is_list =
        |row: &Value| row["user"] == "alice" && row["verb"] == "list" && row["resource"] == "configmaps";
    assert!(row(&page, "requests", is_list).is_some(), "{page}");
    let costs: Vec<f64> = page["users"]
        .as_array()
        .expect("a table")
        .iter()
        .map(|row| row["lately"]["cost"].as_f64().unwrap_or(0.0))
        .collect();
    assert!(costs.windows(2).all(|pair| pair[0] >= pair[1]), "{costs:?}");
}

#[test]
fn watches_are_counted_while_they_are_open() {
    let server = Server::start();
    let watching = std::thread::spawn({
        let admin = server.admin();
        move || admin.watch_for(&format!("{CONFIGMAPS}?watch=1"), Duration::from_secs(3))
    });
    let admin = server.admin();
    let open = || {
        let page = admin.get(TOP).json();
        row(&page, "users", |row| row["user"] == "admin")
            .map_or(0, |row| row["watches"].as_u64().unwrap_or(0))
    };
    eventually("the watch counts", WITHIN, || open() == 1);
    watching.join().expect("the watch ends");
    eventually("the watch does not count any more", WITHIN, || open() == 0);
}

#[test]
fn it_is_for_those_who_may_read_metrics() {
    let server = Server::start();
    let admin = server.admin();
    assert_eq!(server.alice().get(TOP).status, 403);
    assert_eq!(Client::new(server.port(), None).get(TOP).status, 403);
    let role = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "metrics"},
        "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
    });
    let binding = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "metrics"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "metrics"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    });
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    assert_eq!(admin.post(&format!("{rbac}/clusterroles"), &role).status, 201);
    assert_eq!(admin.post(&format!("{rbac}/clusterrolebindings"), &binding).status, 201);
    assert_eq!(server.alice().get(TOP).status, 200);
}

#[test]
fn the_command_shows_a_page() {
    let server = Server::start();
    assert_eq!(server.alice().get(CONFIGMAPS).status, 403);
    let kubeconfig = server.data_dir().join("admin.kubeconfig");
    let output = Command::new(pintle_binary())
        .args(["top", "--once", "--kubeconfig"])
        .arg(kubeconfig)
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("REQ/S") && text.contains("alice"), "{text}");
    let output = Command::new(pintle_binary()).args(["top", "--nonsense"]).output().expect("the binary runs");
    assert!(!output.status.success());
}
