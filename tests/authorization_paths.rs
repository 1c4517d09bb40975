//! Paths and methods: a request in any spelling does what was authorized and nothing else.

use crate::custom;
use bytes::Bytes;
use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const BODY: &str = r#"{"metadata":{"name":"victim","labels":{"changed":"yes"}},"data":{"changed":"yes"}}"#;

/// Two namespaces with a ConfigMap and a custom object each. Alice may do everything in `mine`, and bob may watch
/// everything everywhere.
fn world() -> Server {
    let server = Server::start();
    let admin = server.admin();
    custom::install(
        &admin,
        &custom::definition("widgets", "Widget", "example.org", &json!({"type": "object"})),
    );
    for namespace in ["mine", "other"] {
        admin.post("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));
        let object = json!({"metadata": {"name": "victim"}, "data": {"secret": "hidden"}});
        admin.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), &object);
        let object =
            json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "victim"}});
        let path = format!("/apis/example.org/v1/namespaces/{namespace}/widgets");
        assert_eq!(admin.post(&path, &object).status, 201);
    }
    let group = "rbac.authorization.k8s.io";
    let binding = |user: &str, role: &str| {
        json!({
            "metadata": {"name": user}, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        })
    };
    let rule = json!({"verbs": ["watch"], "apiGroups": ["*"], "resources": ["*"]});
    admin.post(&format!("{RBAC}/clusterroles"), &json!({"metadata": {"name": "watch"}, "rules": [rule]}));
    admin.post(&format!("{RBAC}/clusterrolebindings"), &binding("bob", "watch"));
    let alice = binding("alice", "cluster-admin");
    assert_eq!(admin.post(&format!("{RBAC}/namespaces/mine/rolebindings"), &alice).status, 201);
    server
}

/// Everything that a user without the right might have changed.
fn stored(admin: &Client, paths: &[&str]) -> Vec<Value> {
    paths.iter().map(|path| admin.get(path).json()["items"].clone()).collect()
}

/// Paths that lead to `tail`, through every detour that there is.
fn detours(root: &str, namespace: &str, tail: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for prefix in ["", "/watch", "/proxy", "//watch", "/watch/watch"] {
        for place in [
            format!("/namespaces/{namespace}"),
            format!("/namespaces/mine/namespaces/{namespace}"),
            format!("/namespaces//{namespace}"),
            String::from("/namespaces/"),
            String::new(),
            format!("/namespaces/mine%2Fnamespaces%2F{namespace}"),
            format!("/namespaces/mine/../{namespace}"),
        ] {
            for end in ["", "/", "?fieldSelector=metadata.name%3Dvictim", "?dryRun=", "/status", "//status"] {
                paths.push(format!("{root}{prefix}{place}/{tail}{end}"));
            }
        }
    }
    paths
}

#[test]
fn who_may_watch_writes_nothing_in_any_way() {
    let server = world();
    let (admin, bob) = (server.admin(), [("impersonate-user", "bob")]);
    let all = ["/api/v1/configmaps", "/apis/example.org/v1/widgets", "/api/v1/namespaces"];
    let before = stored(&admin, &all);
    for (root, plural) in [("/api/v1", "configmaps"), ("/apis/example.org/v1", "widgets")] {
        for tail in [String::from(plural), format!("{plural}/victim"), String::from("finalize")] {
            for path in detours(root, "other", &tail) {
                for method in ["POST", "PUT", "PATCH", "DELETE"] {
                    // Custom resources go by the verb alone: what begins with `watch` is one, and would not end.
                    if root != "/api/v1" && path.contains("v1/watch/") {
                        continue;
                    }
                    let headers = [bob[0], ("content-type", "application/json")];
                    let answer = admin.send(method, &path, &headers, Bytes::from_static(BODY.as_bytes()));
                    assert!(answer.status >= 400, "{method} {path}: {}", answer.status);
                }
            }
        }
    }
    assert_eq!(stored(&admin, &all), before);
}

#[test]
fn who_rules_a_namespace_reaches_no_other() {
    let server = world();
    let (admin, alice) = (server.admin(), ("impersonate-user", "alice"));
    let all = [
        "/api/v1/namespaces/other/configmaps",
        "/apis/example.org/v1/namespaces/other/widgets",
        "/api/v1/namespaces",
    ];
    let before = stored(&admin, &all);
    for (root, tail) in [
        ("/api/v1", "configmaps"),
        ("/api/v1", "configmaps/victim"),
        ("/api/v1", ""),
        ("/api/v1", "finalize"),
        ("/apis/example.org/v1", "widgets/victim"),
    ] {
        for path in detours(root, "other", tail) {
            // A path that is served is no secret.
            if path.split('?').next().unwrap_or("").trim_end_matches('/') == root {
                continue;
            }
            for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
                let headers = [alice, ("content-type", "application/merge-patch+json")];
                let answer = admin.send(method, &path, &headers, Bytes::from_static(BODY.as_bytes()));
                assert!(answer.status >= 400, "{method} {path}: {} {}", answer.status, answer.text());
            }
        }
    }
    assert_eq!(stored(&admin, &all), before);
}
