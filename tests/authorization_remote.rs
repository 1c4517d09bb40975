//! Authorization webhooks, by flags and by a configuration that changes, and their requests.

use bytes::Bytes;
use pintle_testkit::{Client, Https, Server};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const PODS: &str = "/api/v1/namespaces/default/pods";
/// The time until a changed file must be seen, on loaded machines.
const SEEN_MAX: Duration = Duration::from_secs(60);

/// Says yes to lists, and an explicit no to deletions.
fn webhook() -> Https {
    Https::start(|asked| {
        let review: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let status = match review["spec"]["resourceAttributes"]["verb"].as_str() {
            Some("list") => json!({"allowed": true, "reason": "lists are fine"}),
            Some("delete") => json!({"allowed": false, "denied": true, "reason": "nothing goes"}),
            Some("watch") => return (500, String::new()),
            _ => json!({"allowed": false}),
        };
        (
            200,
            json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "status": status}).to_string(),
        )
    })
}

fn kubeconfig(dir: &Path, webhook: &Https) -> PathBuf {
    use base64::Engine as _;
    let authorities = base64::engine::general_purpose::STANDARD.encode(&webhook.pem);
    let cluster =
        json!({"server": format!("{}/authorize", webhook.url()), "certificate-authority-data": authorities});
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "w", "cluster": cluster}], "users": [],
        "contexts": [{"name": "c", "context": {"cluster": "w"}}],
    });
    let path = dir.join("webhook");
    std::fs::write(&path, config.to_string()).expect("the kubeconfig can be written");
    path
}

#[test]
fn a_webhook_is_asked_after_the_others_and_its_answers_are_remembered() {
    let (webhook, dir) = (webhook(), tempfile::tempdir().expect("a temporary directory can be made"));
    let file = format!("--authorization-webhook-config-file={}", kubeconfig(dir.path(), &webhook).display());
    let server = Server::with_flags(&[
        "--authorization-mode=RBAC,Webhook",
        &file,
        "--authorization-webhook-version=v1",
    ]);
    let alice = server.alice();
    let selecting = format!("{PODS}?fieldSelector=spec.nodeName%3Dn1");
    assert_eq!(alice.get(&selecting).status, 200);
    assert_eq!(alice.get(&selecting).status, 200);
    let asked = webhook.asked();
    assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/authorize?timeout=30s"));
    let review: Value = serde_json::from_str(&asked[0].body).expect("what is asked is JSON");
    assert_eq!(
        review["spec"]["resourceAttributes"]["fieldSelector"]["requirements"],
        json!([{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}])
    );
    let refused = alice.delete(&format!("{PODS}/p"));
    assert!(refused.status == 403 && refused.text().contains("nothing goes"));
    assert_eq!(alice.get(&format!("{PODS}/p")).status, 403);
    // The webhook is not called when the other authorizers decide.
    let before = webhook.asked().len();
    assert_eq!((alice.get("/version").status, server.admin().get(PODS).status), (200, 200));
    assert_eq!(webhook.asked().len(), before);
    let failed = alice.get(&format!("{PODS}?watch=1"));
    assert_eq!(failed.status, 500);
    assert!(
        failed.text().starts_with("Internal Server Error: \"/api/v1/namespaces/default/pods?watch=1\": ")
    );
    reviews(&server.admin(), &alice);
}

fn reviews(admin: &Client, alice: &Client) {
    let ask = |client: &Client, plural: &str, spec: Value| -> Value {
        let body = json!({"apiVersion": "authorization.k8s.io/v1", "spec": spec});
        client.post(&format!("/apis/authorization.k8s.io/v1/{plural}"), &body).json()["status"].clone()
    };
    let about = |verb: &str| json!({"user": "eve", "resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "default"}});
    let list = ask(admin, "subjectaccessreviews", about("list"));
    assert_eq!(list, json!({"allowed": true, "reason": "lists are fine"}));
    let delete = ask(admin, "subjectaccessreviews", about("delete"));
    assert_eq!(delete, json!({"allowed": false, "denied": true, "reason": "nothing goes"}));
    let watch = ask(admin, "subjectaccessreviews", about("watch"));
    assert!(watch["allowed"] == false && watch["evaluationError"].is_string());
    let rules = ask(alice, "selfsubjectrulesreviews", json!({"namespace": "default"}));
    assert_eq!(rules["incomplete"], true);
    assert_eq!(rules["evaluationError"], "webhook authorizer does not support user rule resolution");
}

#[test]
fn a_changed_configuration_is_followed_and_a_wrong_one_is_not() {
    let (webhook, dir) = (webhook(), tempfile::tempdir().expect("a temporary directory can be made"));
    let own = json!([{"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}]);
    let remote = json!({
        "timeout": "3s", "subjectAccessReviewVersion": "v1", "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": kubeconfig(dir.path(), &webhook)},
    });
    let path = dir.path().join("authorization");
    let write = |authorizers: &Value| {
        let kind = "AuthorizationConfiguration";
        let config =
            json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": kind, "authorizers": authorizers});
        std::fs::write(&path, config.to_string()).expect("the configuration can be written");
    };
    write(&own);
    let server = Server::with_flags(&[&format!("--authorization-config={}", path.display())]);
    let alice = server.alice();
    assert_eq!(alice.get(PODS).status, 403);
    let mut both = own.clone();
    both.as_array_mut().expect("a list").push(json!({"type": "Webhook", "name": "far", "webhook": remote}));
    write(&both);
    let start = Instant::now();
    while alice.get(PODS).status != 200 {
        assert!(start.elapsed() < SEEN_MAX, "{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // RBAC may not go: all stays as it is.
    write(&json!([{"type": "AlwaysDeny", "name": "alwaysdeny"}]));
    while !server.log().contains("missing required types: [Node RBAC]") {
        assert!(start.elapsed() < 2 * SEEN_MAX, "{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(alice.get(PODS).status, 200);
}

/// A server whose last authorizer is a webhook.
fn asking(webhook: &Https, dir: &Path) -> Server {
    let file = format!("--authorization-webhook-config-file={}", kubeconfig(dir, webhook).display());
    Server::with_flags(&["--authorization-mode=RBAC,Webhook", &file, "--authorization-webhook-version=v1"])
}

#[test]
fn nobody_waits_for_answers_to_the_questions_of_others() {
    const ASKING: usize = 24;
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let handler = gate.clone();
    let webhook = Https::start(move |_| {
        let (open, opened) = &*handler;
        let closed = open.lock().expect("nobody panics with the gate");
        drop(opened.wait_while(closed, |open| !*open).expect("nobody panics with the gate"));
        (200, json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}).to_string())
    });
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let server = asking(&webhook, dir.path());
    std::thread::scope(|scope| {
        let one = |index: usize| {
            let (client, user) = (server.alice(), format!("user-{index}"));
            scope.spawn(move || client.send("GET", PODS, &[("impersonate-user", &user)], Bytes::new()).status)
        };
        let all: Vec<_> = (0..ASKING).map(one).collect();
        let start = Instant::now();
        while webhook.asked().len() < ASKING {
            assert!(start.elapsed() < SEEN_MAX, "{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!((server.admin().get("/livez").status, server.admin().get(PODS).status), (200, 200));
        *gate.0.lock().expect("nobody panics with the gate") = true;
        gate.1.notify_all();
        let answered: Vec<u16> = all.into_iter().map(|one| one.join().expect("a client answers")).collect();
        assert_eq!(answered, [403; ASKING]);
    });
}

#[test]
fn impersonation_and_admission_ask_others_too() {
    let webhook = Https::start(|asked| {
        let review: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let (user, about) = (review["spec"]["user"].as_str(), &review["spec"]["resourceAttributes"]);
        let asked = (user, about["verb"].as_str(), about["resource"].as_str(), about["name"].as_str());
        let is_allowed = matches!(
            asked,
            (Some("alice"), Some("create"), Some("rolebindings"), None)
                | (Some("alice"), Some("bind"), Some("clusterroles"), Some("system:node-proxier"))
                | (Some("alice"), Some("impersonate"), Some("users"), Some("carol"))
                | (Some("carol"), Some("list"), Some("pods"), None)
        );
        let status = json!({"allowed": is_allowed});
        let kind = "SubjectAccessReview";
        (200, json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "status": status}).to_string())
    });
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let server = asking(&webhook, dir.path());
    let alice = server.alice();
    let bind = |role: &str| {
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "metadata": {"name": role}, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
        });
        alice.post("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", &binding).status
    };
    assert_eq!((bind("system:node-proxier"), bind("cluster-admin")), (201, 403));
    let as_user = |user: &str| alice.send("GET", PODS, &[("impersonate-user", user)], Bytes::new()).status;
    assert_eq!((as_user("carol"), as_user("dave")), (200, 403));
}
