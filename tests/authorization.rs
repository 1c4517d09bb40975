//! Authorization: a user without rights can read and change nothing; rights take effect at once.

use bytes::Bytes;
use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

#[test]
fn paths_that_are_no_resources_are_guarded() {
    let server = Server::start();
    let (alice, nobody) = (server.alice(), server.anonymous());
    for (path, for_alice, for_nobody) in [
        ("/", 403, 403),
        ("/api", 200, 403),
        ("/apis/apps/v1", 200, 403),
        ("/openapi/v3", 200, 403),
        ("/version", 200, 200),
        ("/readyz", 200, 200),
        ("/readyz/ping", 403, 403),
        ("/metrics", 403, 403),
        ("/openid/v1/jwks", 403, 403),
        ("/no/such/path", 403, 403),
    ] {
        assert_eq!(alice.get(path).status, for_alice, "alice {path}");
        assert_eq!(nobody.get(path).status, for_nobody, "nobody {path}");
    }
}

#[test]
fn rights_come_and_go_with_their_bindings() {
    let server = Server::start();
    let (admin, alice) = (server.admin(), server.alice());
    let path = "/api/v1/namespaces/default/configmaps";
    let roles = format!("{RBAC}/namespaces/default/roles");
    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let rule = json!({"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]});
    assert_eq!(alice.get(path).status, 403);
    assert_eq!(admin.post(&bindings, &binding("alice")).status, 201);
    let refused = alice.get(path);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains(r#"RBAC: role.rbac.authorization.k8s.io \"r\" not found"#));
    assert_eq!(admin.post(&roles, &json!({"metadata": {"name": "r"}, "rules": [rule]})).status, 201);
    assert_eq!(alice.get(path).status, 200);
    assert_eq!(alice.get("/api/v1/configmaps").status, 403);
    assert_eq!(admin.delete(&format!("{bindings}/b")).status, 200);
    assert_eq!(alice.get(path).status, 403);
}

fn binding(user: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    json!({
        "metadata": {"name": "b"}, "roleRef": {"apiGroup": group, "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    })
}

#[test]
fn rights_are_asked_again_for_whom_one_acts_as() {
    let server = Server::start();
    let path = "/api/v1/namespaces/default/configmaps";
    let as_user =
        |client: &Client, headers: &[(&str, &str)]| client.send("GET", path, headers, Bytes::new()).status;
    let user = ("impersonate-user", "bob");
    assert_eq!(as_user(&server.admin(), &[user]), 403);
    assert_eq!(as_user(&server.admin(), &[user, ("impersonate-group", "system:masters")]), 200);
    assert_eq!(as_user(&server.admin(), &[("impersonate-group", "system:masters")]), 400);
    assert_eq!(as_user(&server.alice(), &[user, ("impersonate-group", "system:masters")]), 403);
    assert_eq!(as_user(&server.anonymous(), &[("impersonate-user", "admin")]), 403);
}

#[test]
fn a_kubelet_reaches_what_its_pods_refer_to() {
    let server = Server::with_flags(&["--enable-admission-plugins=NodeRestriction"]);
    let admin = server.admin();
    let node = [("impersonate-user", "system:node:n1"), ("impersonate-group", "system:nodes")];
    let secrets = "/api/v1/namespaces/default/secrets";
    let pods = "/api/v1/namespaces/default/pods";
    let read = |name: &str| admin.send("GET", &format!("{secrets}/{name}"), &node, Bytes::new());
    for name in ["used", "free"] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        assert_eq!(admin.post(secrets, &secret).status, 201);
        assert_eq!(read(name).status, 403);
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {
            "nodeName": "n1", "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "v", "secret": {"secretName": "used"}}],
        },
    });
    assert_eq!(admin.post(pods, &pod).status, 201);
    assert_eq!((read("used").status, read("free").status), (200, 403));
    assert!(read("free").text().contains("no relationship found between node 'n1' and this object"));
    // A kubelet cannot give itself a pod that refers to more.
    let headers = [node[0], node[1], ("content-type", "application/json")];
    let own = pod.to_string().replace("used", "free").replace("\"p\"", "\"q\"");
    assert_eq!(admin.send("POST", pods, &headers, Bytes::from(own)).status, 403);
    assert_eq!(read("free").status, 403);
    assert_eq!(admin.delete(&format!("{pods}/p?gracePeriodSeconds=0")).status, 200);
    assert_eq!(read("used").status, 403);
}

#[test]
fn pods_keep_to_the_level_of_their_namespace() {
    let server = Server::start();
    let admin = server.admin();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}},
    });
    assert_eq!(admin.post("/api/v1/namespaces", &namespace).status, 201);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    assert_eq!(admin.post("/api/v1/namespaces/strict/serviceaccounts", &account).status, 201);
    let pod = |host: bool| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"hostPID": host, "containers": [{"name": "c", "image": "i"}]},
        })
    };
    let refused = admin.post("/api/v1/namespaces/strict/pods", &pod(true));
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("host namespaces (hostPID=true)"));
    assert_eq!(admin.post("/api/v1/namespaces/strict/pods", &pod(false)).status, 201);
    assert_eq!(admin.post("/api/v1/namespaces/default/pods", &pod(true)).status, 201);
}

#[test]
fn kubectl_lists_what_one_may_do() {
    let Some(binary) = pintle_testkit::kubectl() else {
        eprintln!("no kubectl on this machine: nothing tested");
        return;
    };
    let server = Server::start();
    let list = |user: &[&str]| {
        let output = std::process::Command::new(&binary)
            .arg(format!("--kubeconfig={}", server.kubeconfig().display()))
            .args(["auth", "can-i", "--list", "--no-headers"])
            .args(user)
            .output()
            .expect("kubectl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let admin = list(&[]);
    assert!(admin.contains(&"*.* [] [] [*]".into()) && admin.contains(&"[*] [] [*]".into()), "{admin:?}");
    let alice = list(&["--as=alice", "--as-group=system:authenticated"]);
    assert!(alice.contains(&"selfsubjectreviews.authentication.k8s.io [] [] [create]".into()), "{alice:?}");
    assert!(alice.contains(&"[/version] [] [get]".into()) && !alice.contains(&"*.* [] [] [*]".into()));
}
