//! A server of this kind behind another: it learns the authorities from the other's ConfigMap, and asks it about tokens
//! and rights.

use super::{Front, bind, register};
use base64::Engine as _;
use bytes::Bytes;
use pintle_testkit::certificates::{Authority, write};
use pintle_testkit::{Client, Raw, Server, WITHIN, eventually};
use serde_json::{Value, json};
use std::path::Path;

const THINGS: &str = "/apis/behind.example.com/v1/namespaces/default/things";

/// The ServiceAccount of the server behind, with what such a server needs, and a token of its.
fn account(admin: &Client) -> String {
    let accounts = "/api/v1/namespaces/kube-system/serviceaccounts";
    assert_eq!(admin.post(accounts, &json!({"metadata": {"name": "behind"}})).status, 201);
    let subject = json!({"kind": "ServiceAccount", "name": "behind", "namespace": "kube-system"});
    bind(admin, "system:auth-delegator", &subject);
    let reader = json!({
        "metadata": {"name": "behind"}, "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                    "name": "extension-apiserver-authentication-reader"},
    });
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings";
    assert_eq!(admin.post(bindings, &reader).status, 201);
    let token = admin.post(&format!("{accounts}/behind/token"), &json!({"spec": {}})).json();
    token["status"]["token"].as_str().expect("a token").into()
}

/// A kubeconfig by which reviews are sent to a server.
fn kubeconfig(dir: &Path, name: &str, (url, authority): (&str, &str), token: &str) -> String {
    let data = base64::engine::general_purpose::STANDARD.encode(authority);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "w", "cluster": {"server": url, "certificate-authority-data": data}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "w", "user": "u"}}],
    });
    write(dir, name, &config.to_string());
    dir.join(name).display().to_string()
}

fn list(map: &Value, key: &str) -> String {
    let text = map["data"][key].as_str().expect("it is published");
    let list: Vec<String> = serde_json::from_str(text).expect("a list");
    list.join(",")
}

/// Starts the server behind: it is told by the ConfigMap alone whom to believe.
fn behind(front: &Front, dir: &Path, own: &Authority) -> Server {
    let admin = front.server.admin();
    let token = account(&admin);
    let authority =
        std::fs::read_to_string(front.server.data_dir().join("pki/ca.crt")).expect("an authority");
    let delegate = Client::with_token(front.server.port(), &authority, &token);
    let map = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let map = delegate.get(map).json();
    write(dir, "front.crt", map["data"]["requestheader-client-ca-file"].as_str().expect("it is published"));
    own.server(&["behind.default.svc", "localhost"]).write(dir, "serving");
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    let to = |path: &str| format!("{}{path}", front.server.url());
    let tokens = to("/apis/authentication.k8s.io/v1/tokenreviews");
    let access = to("/apis/authorization.k8s.io/v1/subjectaccessreviews");
    let flags = [
        file("tls-cert-file", "serving.crt"),
        file("tls-private-key-file", "serving.key"),
        file("requestheader-client-ca-file", "front.crt"),
        format!("--requestheader-allowed-names={}", list(&map, "requestheader-allowed-names")),
        format!("--requestheader-username-headers={}", list(&map, "requestheader-username-headers")),
        format!("--requestheader-uid-headers={}", list(&map, "requestheader-uid-headers")),
        format!("--requestheader-group-headers={}", list(&map, "requestheader-group-headers")),
        format!("--requestheader-extra-headers-prefix={}", list(&map, "requestheader-extra-headers-prefix")),
        String::from("--authentication-token-webhook-version=v1"),
        format!(
            "--authentication-token-webhook-config-file={}",
            kubeconfig(dir, "tokens", (&tokens, &authority), &token)
        ),
        String::from("--authorization-mode=Webhook"),
        String::from("--authorization-webhook-version=v1"),
        String::from("--authorization-webhook-cache-unauthorized-ttl=0s"),
        format!(
            "--authorization-webhook-config-file={}",
            kubeconfig(dir, "access", (&access, &authority), &token)
        ),
    ];
    Server::with_flags(&flags.each_ref().map(String::as_str))
}

fn definition() -> Value {
    json!({
        "metadata": {"name": "things.behind.example.com"},
        "spec": {
            "group": "behind.example.com", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// Both servers, with `things` served by the one behind.
fn pair(dir: &Path) -> (Front, Server) {
    let front = Front::start();
    let own = Authority::new("behind");
    let behind = behind(&front, dir, &own);
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(behind.admin().post(definitions, &definition()).status, 201);
    eventually("things are served", WITHIN, || behind.admin().get(THINGS).status == 200);
    register(&front.server.admin(), "behind", ("behind.example.com", "v1"), behind.port(), &own.pem());
    front.is_available("v1.behind.example.com", "True");
    (front, behind)
}

fn thing(name: &str) -> Value {
    json!({"apiVersion": "behind.example.com/v1", "kind": "Thing", "metadata": {"name": name}, "size": 1})
}

#[test]
fn a_server_of_this_kind_serves_behind_another() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (front, behind) = pair(dir.path());
    let (admin, other) = (front.server.admin(), front.server.admin());
    let events = admin.watch_late(&format!("{THINGS}?watch=true"), &[], 3, WITHIN, || {
        assert_eq!(other.post(THINGS, &thing("a")).status, 201);
        let changed = other.patch("merge", &format!("{THINGS}/a"), &json!({"size": 2}));
        assert_eq!((changed.status, &changed.json()["size"]), (200, &json!(2)));
        let applied = other.patch("apply", &format!("{THINGS}/a?fieldManager=x&force=true"), &thing("a"));
        assert_eq!((applied.status, &applied.json()["size"]), (200, &json!(1)));
    });
    let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "MODIFIED"]);
    // Its documents are its own, and what both have is told by this one.
    let index = || admin.get("/openapi/v3").json()["paths"].take();
    eventually("its document is listed", WITHIN, || index()["apis/behind.example.com/v1"].is_object());
    let alone = Server::start().admin().get("/openapi/v3").json()["paths"].take();
    assert_eq!(index()["apis/apps/v1"], alone["apis/apps/v1"]);
    let page = admin.get("/openapi/v3/apis/behind.example.com/v1").text();
    assert!(page.contains("/apis/behind.example.com/v1/namespaces/{namespace}/things"), "{page}");
    // It is stored there, and not here.
    assert_eq!(behind.admin().get(&format!("{THINGS}/a")).status, 200);
    // A refusal comes as it was said.
    let again = admin.post(THINGS, &thing("a"));
    assert_eq!((again.status, &again.json()["reason"]), (409, &json!("AlreadyExists")));
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = admin.send("GET", THINGS, &table, Bytes::new()).json();
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
}

#[test]
fn rights_are_asked_for_in_front_and_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (front, behind) = pair(dir.path());
    let alice = front.server.alice();
    assert_eq!(alice.get(THINGS).status, 403);
    // A token of the other server, shown to the one behind: it asks whose it is, and whether they may.
    let admin = front.server.admin();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(admin.post(accounts, &json!({"metadata": {"name": "robot"}})).status, 201);
    let token = admin.post(&format!("{accounts}/robot/token"), &json!({"spec": {}})).json();
    let token = token["status"]["token"].as_str().expect("a token").to_string();
    let robot = Client::new(behind.port(), Some(&token));
    let refused = robot.get(THINGS);
    assert_eq!(refused.status, 403, "{refused:?}");
    let said = refused.json()["message"].as_str().unwrap_or_default().to_string();
    assert!(
        said.contains(r#"User "system:serviceaccount:default:robot" cannot list resource "things""#),
        "{said}"
    );
    assert_eq!(Client::new(behind.port(), Some("nobody's")).get(THINGS).status, 401);
    front.open("behind.example.com");
    eventually("alice may", WITHIN, || alice.get(THINGS).status == 200);
    eventually("the robot may", WITHIN, || robot.get(THINGS).status == 200);
    // Nobody without the certificate is believed.
    let claims = [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")];
    let claimed = Client::new(behind.port(), None).send("GET", THINGS, &claims, Bytes::new());
    assert_eq!(claimed.status, 403, "{claimed:?}");
}

#[test]
fn watches_over_web_sockets_lead_through() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (front, _behind) = pair(dir.path());
    let admin = front.server.admin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut raw = runtime.block_on(Raw::connect(front.server.port(), &[b"http/1.1"])).unwrap();
    let head = format!(
        "GET {THINGS}?watch=true HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: https://localhost\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    runtime.block_on(raw.send(head.as_bytes())).unwrap();
    let answered = runtime.block_on(raw.read_until("\r\n\r\n"));
    assert!(answered.starts_with("HTTP/1.1 101 "), "{answered}");
    assert_eq!(admin.post(THINGS, &thing("seen")).status, 201);
    let event = runtime.block_on(raw.read_until("\"seen\""));
    assert!(event.contains("ADDED"), "{event}");
}
