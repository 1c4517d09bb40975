//! As kubeadm's static pod starts it: the command and probes of `deploy/kube-apiserver.yaml`, on kubeadm's files.

use super::check_is_usable;
use pintle_object::{Value, yaml};
use pintle_testkit::certificates::{Authority, key_pair, write};
use pintle_testkit::{Client, Deployed, Etcd, free_port};
use serde_json::json;
use std::path::Path;

const MANIFEST: &str = include_str!("../../deploy/kube-apiserver.yaml");

struct Files {
    ca: Authority,
    proxies: Authority,
}

/// `/etc/kubernetes/pki`, in a directory of the test's.
fn files(dir: &Path) -> Files {
    let (ca, proxies, etcd) =
        (Authority::new("kubernetes"), Authority::new("front-proxy-ca"), Authority::new("etcd-ca"));
    write(dir, "ca.crt", &ca.pem());
    ca.server(&["kubernetes.default", "localhost", "127.0.0.1", "10.96.0.1"]).write(dir, "apiserver");
    ca.client("kube-apiserver-kubelet-client", &["kubeadm:cluster-admins"])
        .write(dir, "apiserver-kubelet-client");
    write(dir, "front-proxy-ca.crt", &proxies.pem());
    proxies.client("front-proxy-client", &[]).write(dir, "front-proxy-client");
    write(dir, "etcd/ca.crt", &etcd.pem());
    etcd.server(&["localhost", "127.0.0.1"]).write(dir, "etcd/server");
    etcd.client("kube-apiserver-etcd-client", &[]).write(dir, "apiserver-etcd-client");
    let (public, private) = key_pair();
    write(dir, "sa.pub", &public);
    write(dir, "sa.key", &private);
    Files { ca, proxies }
}

fn etcd(dir: &Path) -> Option<Etcd> {
    let flag = |name: &str, file: &str| format!("--{name}={}", dir.join("etcd").join(file).display());
    let flags = [
        flag("cert-file", "server.crt"),
        flag("key-file", "server.key"),
        flag("trusted-ca-file", "ca.crt"),
        String::from("--client-cert-auth=true"),
    ];
    Etcd::with_tls(&flags.each_ref().map(String::as_str))
}

/// The manifest's command with the test's directory, ports and address.
fn flags(container: &Value, pki: &Path, port: u16, etcd: &Etcd) -> Vec<String> {
    let mut command = container.list_at(&["command"]).iter().map(|word| word.as_str().expect("text"));
    assert_eq!(command.next(), Some("kube-apiserver"));
    let here = |word: &str| {
        word.replace("/etc/kubernetes/pki", &pki.display().to_string())
            .replace("https://127.0.0.1:2379", &etcd.url())
            .replace("192.0.2.10", "127.0.0.1")
            .replace("--secure-port=6443", &format!("--secure-port={port}"))
    };
    command.map(here).collect()
}

#[test]
fn the_static_pod_of_kubeadm_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (pki, port) = (dir.path().join("pki"), free_port());
    let files = files(&pki);
    let Some(etcd) = etcd(&pki) else { return };
    let pod = yaml::parse(MANIFEST.as_bytes()).expect("the manifest is YAML").value;
    let container = &pod.list_at(&["spec", "containers"])[0];
    let flags = flags(container, &pki, port, &etcd);
    let before = paths(&pki);
    let server = Deployed::start(dir.path(), port, &flags, "/livez");
    probes_are_answered(container, port);
    let client = |user: &str, groups: &[&str]| {
        let pair = files.ca.client(user, groups);
        Client::with_certificate(port, &files.ca.pem(), &pair.certificate, &pair.key)
    };
    let admin = client("kubernetes-super-admin", &["system:masters"]);
    check_is_usable(&server, &admin);
    components_are_let_in(&admin, client);
    proxies_speak_for_users(&files, port);
    bootstrap_tokens_are_believed(&admin, port, &files.ca.pem());
    trust_is_published(&admin, &files);
    assert_eq!(paths(&pki), before, "nothing is written among kubeadm's files");
}

/// As the kubelet asks: without credentials, at the port's name.
fn probes_are_answered(container: &Value, port: u16) {
    let nobody = Client::new(port, None);
    assert_eq!(container.list_at(&["ports"])[0].int_at(&["containerPort"]), Some(6443));
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = |field: &str| container.str_at(&[probe, "httpGet", field]);
        assert_eq!((get("scheme"), get("port")), ("HTTPS", "probe-port"));
        assert_eq!(nobody.get(get("path")).status, 200, "{probe}");
    }
}

/// Scheduler, controller manager and kubelet, each with the certificate that kubeadm gives it.
fn components_are_let_in(admin: &Client, client: impl Fn(&str, &[&str]) -> Client) {
    let node = json!({"metadata": {"name": "node-1"}});
    let kubelet = client("system:node:node-1", &["system:nodes"]);
    let made = kubelet.post("/api/v1/nodes", &node);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(kubelet.post("/api/v1/nodes", &json!({"metadata": {"name": "node-2"}})).status, 403);
    assert_eq!(client("system:kube-scheduler", &[]).get("/api/v1/pods").status, 200);
    assert_eq!(client("system:kube-controller-manager", &[]).get("/api/v1/secrets").status, 200);
    assert_eq!(client("system:kube-scheduler", &[]).get("/api/v1/secrets").status, 403);
    // kubeadm's own administrators have rights by a binding that kubeadm makes.
    let other = client("kubernetes-admin", &["kubeadm:cluster-admins"]);
    assert_eq!(other.get("/api/v1/nodes").status, 403);
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": {"name": "kubeadm:cluster-admins"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "kubeadm:cluster-admins"}],
    });
    let path = format!("/apis/{group}/v1/clusterrolebindings");
    assert_eq!(admin.post(&path, &binding).status, 201);
    assert_eq!(other.get("/api/v1/nodes").status, 200);
}

/// The aggregation layer's way in: a front proxy's certificate, and the user in headers.
fn proxies_speak_for_users(files: &Files, port: u16) {
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let headers = [
        ("content-type", "application/json"),
        ("X-Remote-User", "jane"),
        ("X-Remote-Group", "system:authenticated"),
        ("X-Remote-Extra-Team", "blue"),
    ];
    let ask = |name: &str| {
        let pair = files.proxies.client(name, &[]);
        let proxy = Client::with_certificate(port, &files.ca.pem(), &pair.certificate, &pair.key);
        proxy.send("POST", path, &headers, "{}".into())
    };
    let user = ask("front-proxy-client").json()["status"]["userInfo"].clone();
    let expected =
        json!({"username": "jane", "groups": ["system:authenticated"], "extra": {"team": ["blue"]}});
    assert_eq!(user, expected);
    assert_eq!(ask("other").status, 401);
}

fn bootstrap_tokens_are_believed(admin: &Client, port: u16, authority: &str) {
    let secret = json!({
        "metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token",
        "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true"},
    });
    assert_eq!(admin.post("/api/v1/namespaces/kube-system/secrets", &secret).status, 201);
    let joining = Client::with_token(port, authority, "abcdef.0123456789abcdef");
    let review = joining.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({}));
    assert_eq!(review.json()["status"]["userInfo"]["username"], "system:bootstrap:abcdef", "{review:?}");
}

/// Checks the published map that servers behind this one learn their trust from.
fn trust_is_published(admin: &Client, files: &Files) {
    let map =
        admin.get("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication").json();
    assert_eq!(map["data"]["client-ca-file"], files.ca.pem());
    assert_eq!(map["data"]["requestheader-client-ca-file"], files.proxies.pem());
    assert_eq!(map["data"]["requestheader-allowed-names"], r#"["front-proxy-client"]"#);
}

/// Every file below a directory.
fn paths(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            found.extend(paths(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
