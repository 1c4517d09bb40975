//! As controller-runtime's envtest starts its control plane.

use super::check_is_usable;
use pintle_testkit::certificates::Authority;
use pintle_testkit::{Client, Deployed, Etcd, free_port};
use serde_json::{Value, json};
use std::path::Path;

/// The files that envtest writes before it starts the server.
struct Files {
    serving: Authority,
    clients: Authority,
}

fn files(dir: &Path) -> Files {
    let (serving, clients) = (Authority::new("envtest-environment"), Authority::new("envtest-environment"));
    serving.server(&["localhost", "127.0.0.1"]).write(dir, "apiserver");
    Authority::new("envtest-environment").pair().write(dir, "sa-signer");
    std::fs::write(dir.join("client-cert-auth-ca.crt"), clients.pem()).expect("a file can be written");
    Files { serving, clients }
}

/// envtest's flags; `store` stands for `--etcd-servers`.
fn flags(dir: &Path, port: u16, store: String) -> Vec<String> {
    let path = |name: &str| dir.join(name).display().to_string();
    vec![
        String::from("--advertise-address=127.0.0.1"),
        String::from("--allow-privileged=true"),
        String::from("--authorization-mode=RBAC"),
        String::from("--bind-address=127.0.0.1"),
        format!("--cert-dir={}", dir.display()),
        format!("--client-ca-file={}", path("client-cert-auth-ca.crt")),
        String::from("--disable-admission-plugins=ServiceAccount"),
        store,
        format!("--secure-port={port}"),
        format!("--service-account-issuer=https://127.0.0.1:{port}/"),
        format!("--service-account-key-file={}", path("sa-signer.crt")),
        format!("--service-account-signing-key-file={}", path("sa-signer.key")),
        String::from("--service-cluster-ip-range=10.0.0.0/24"),
    ]
}

fn admin(files: &Files, port: u16) -> Client {
    let pair = files.clients.client("admin", &["system:masters"]);
    Client::with_certificate(port, &files.serving.pem(), &pair.certificate, &pair.key)
}

#[test]
fn envtest_finds_its_server() {
    let Some(etcd) = Etcd::start() else { return };
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let files = files(dir.path());
    // envtest looks into the help for flags that this server must not have, or must have.
    let help = Deployed::help(dir.path());
    assert!(help.status.success());
    assert!(!String::from_utf8_lossy(&help.stdout).contains("--insecure-port"));
    let flags = flags(dir.path(), port, format!("--etcd-servers={}", etcd.url()));
    let mut server = Deployed::start(dir.path(), port, &flags, "/healthz");
    let admin = admin(&files, port);
    check_is_usable(&server, &admin);
    install(&admin);
    tokens_are_signed(&admin, port, &files.serving.pem());
    assert!(server.stop(), "{}", server.log());
}

#[test]
fn envtest_does_without_etcd() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let files = files(dir.path());
    let data = dir.path().join("data");
    let flags = flags(dir.path(), port, format!("--data-dir={}", data.display()));
    let server = Deployed::start(dir.path(), port, &flags, "/readyz");
    check_is_usable(&server, &admin(&files, port));
    let names: Vec<_> = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name.to_string_lossy().starts_with("store.db")), "{names:?}");
}

/// Installs a definition as envtest does, and waits for its kind in discovery.
fn install(admin: &Client) {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version =
        json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let names = json!({"plural": "widgets", "kind": "Widget"});
    let crd = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(admin.post(path, &crd).status, 201);
    let is_found = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let answer = admin.get("/apis/example.com/v1");
        answer.status == 200 && answer.json()["resources"][0]["kind"] == "Widget"
    });
    assert!(is_found);
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "a": 1});
    let made = admin.post("/apis/example.com/v1/namespaces/default/widgets", &widget);
    assert_eq!((made.status, &made.json()["a"]), (201, &json!(1)));
}

/// With the key of `sa-signer.key`, whose certificate `sa-signer.crt` is checked against.
fn tokens_are_signed(admin: &Client, port: u16, authority: &str) {
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    admin.post(accounts, &json!({"metadata": {"name": "robot"}}));
    let issued: Value = admin.post(&format!("{accounts}/robot/token"), &json!({"spec": {}})).json();
    let token = issued["status"]["token"].as_str().expect("a token");
    let robot = Client::with_token(port, authority, token);
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let review = robot.post(path, &json!({}));
    assert_eq!(
        review.json()["status"]["userInfo"]["username"],
        "system:serviceaccount:default:robot",
        "{review:?}"
    );
}
