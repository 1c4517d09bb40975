//! As a pod of the cluster: the `kube` crate finds the server by its environment and its ServiceAccount's files, and
//! does what controllers do: elect a leader, watch, and apply.
//!
//! The files are where the kubelet mounts them. The test runs itself again where they can be put there without
//! touching the machine: in a mount namespace of its own.

use futures::TryStreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, Config, Error};
use pintle_testkit::Server;
use serde_json::json;
use std::process::Command;
use std::time::Duration;

/// The time that the controller may take before the test fails.
const WORK_MAX: Duration = Duration::from_secs(60);
/// Set in the run that plays the pod.
const INSIDE: &str = "PINTLE_TEST_IN_POD";
/// Mounts the files of a directory as a kubelet does, and runs what comes after it.
const MOUNT: &str = r#"
at=/var/run/secrets/kubernetes.io/serviceaccount
mount -t tmpfs none "$(readlink -f /var/run)" && mkdir -p $at && cp "$0"/* $at && exec "$@"
"#;

fn unshared() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--"]);
    command
}

#[test]
fn a_pod_finds_its_server() {
    if !unshared().arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("mounts need rights that this machine does not give: nothing tested");
        return;
    }
    let server = Server::start();
    let files = tempfile::tempdir().expect("a directory can be made");
    let write = |name: &str, content: &[u8]| {
        std::fs::write(files.path().join(name), content).expect("a file can be written");
    };
    write("token", account(&server).as_bytes());
    write("namespace", b"team");
    write("ca.crt", &std::fs::read(server.data_dir().join("pki/ca.crt")).expect("the authority"));
    let output = unshared()
        .args(["sh", "-c", MOUNT])
        .arg(files.path())
        .arg(std::env::current_exe().expect("a running test knows its path"))
        .args(["--exact", "the_controller_in_the_pod", "--nocapture"])
        .env(INSIDE, "yes")
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", server.port().to_string())
        .output()
        .expect("the test can be run again");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&said), server.log());
    let made = server.admin().get("/api/v1/namespaces/team/configmaps/copy-of-one").json();
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "copier", "{made}");
}

/// Makes the controller's ServiceAccount with its rights, and returns its token.
fn account(server: &Server) -> String {
    let admin = server.admin();
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/team";
    let group = "rbac.authorization.k8s.io";
    let rules = json!([
        {"verbs": ["*"], "apiGroups": [""], "resources": ["configmaps"]},
        {"verbs": ["get", "create", "update"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
    ]);
    let subjects = json!([{"kind": "ServiceAccount", "name": "controller", "namespace": "team"}]);
    let role = json!({"apiGroup": group, "kind": "Role", "name": "controller"});
    for (path, object) in [
        (String::from("/api/v1/namespaces"), json!({"metadata": {"name": "team"}})),
        (
            String::from("/api/v1/namespaces/team/serviceaccounts"),
            json!({"metadata": {"name": "controller"}}),
        ),
        (format!("{rbac}/roles"), json!({"metadata": {"name": "controller"}, "rules": rules})),
        (
            format!("{rbac}/rolebindings"),
            json!({"metadata": {"name": "controller"}, "roleRef": role, "subjects": subjects}),
        ),
    ] {
        assert_eq!(admin.post(&path, &object).status, 201, "{path}");
    }
    let path = "/api/v1/namespaces/team/serviceaccounts/controller/token";
    let answer = admin.post(path, &json!({"spec": {}})).json();
    answer["status"]["token"].as_str().expect("a token").into()
}

/// Does nothing but in the pod.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_controller_in_the_pod() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let config = Config::incluster_env().expect("the pod's environment is complete");
    assert_eq!(config.default_namespace, "team");
    let client = Client::try_from(config).expect("a client can be made");
    let work = async {
        lead(client.clone()).await;
        copy(client.clone()).await;
        let secrets: Api<Secret> = Api::default_namespaced(client);
        let refused = secrets.list(&ListParams::default()).await.expect_err("secrets are not for it");
        assert_eq!(code(&refused), 403);
    };
    tokio::time::timeout(WORK_MAX, work).await.expect("the work takes its time");
}

fn code(error: &Error) -> u16 {
    match error {
        Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

/// Two candidates for one Lease: the first wins, the other waits until the first one's time is over.
async fn lead(client: Client) {
    let leases: Api<Lease> = Api::default_namespaced(client);
    let params = PostParams::default();
    let lease = |holder: &str, second: u8, version: Option<&str>| -> Lease {
        let renewed = format!("2026-01-01T00:00:{second:02}.000000Z");
        let lease = json!({
            "metadata": {"name": "leader", "resourceVersion": version},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 1, "renewTime": renewed},
        });
        serde_json::from_value(lease).expect("a lease")
    };
    let version = |lease: &Lease| lease.metadata.resource_version.clone();
    let won = leases.create(&params, &lease("a", 0, None)).await.expect("nobody leads yet");
    let lost = leases.create(&params, &lease("b", 0, None)).await.expect_err("a leads");
    assert_eq!(code(&lost), 409);
    let seen = leases.get("leader").await.expect("b looks who leads");
    let renewed = lease("a", 1, version(&won).as_deref());
    let renewed = leases.replace("leader", &params, &renewed).await.expect("a renews");
    // The lease as b has seen it is no longer true.
    let taken = lease("b", 2, version(&seen).as_deref());
    assert_eq!(code(&leases.replace("leader", &params, &taken).await.expect_err("a has renewed")), 409);
    let seen = leases.get("leader").await.expect("b looks again");
    let taken = lease("b", 2, version(&seen).as_deref());
    leases.replace("leader", &params, &taken).await.expect("a's time is over");
    let late = lease("a", 3, version(&renewed).as_deref());
    assert_eq!(code(&leases.replace("leader", &params, &late).await.expect_err("b leads now")), 409);
}

/// Watches ConfigMaps and keeps a copy of each by server-side apply.
async fn copy(client: Client) {
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let source = |value: &str| -> ConfigMap {
        let source = json!({"metadata": {"name": "one", "labels": {"role": "source"}}, "data": {"k": value}});
        serde_json::from_value(source).expect("a config map")
    };
    maps.create(&PostParams::default(), &source("first")).await.expect("the source is made");
    let mut events = std::pin::pin!(
        maps.watch(&WatchParams::default().labels("role=source"), "0").await.expect("a watch")
    );
    let mut copied = Vec::new();
    while copied.last().is_none_or(|value| value != "second") {
        let event = events.try_next().await.expect("the watch goes on").expect("it has not ended");
        let (WatchEvent::Added(map) | WatchEvent::Modified(map)) = event else { continue };
        let value = map.data.and_then(|data| data.get("k").cloned()).unwrap_or_default();
        apply(&maps, &value).await;
        if copied.is_empty() {
            let change = Patch::Merge(json!({"data": {"k": "second"}}));
            maps.patch("one", &PatchParams::default(), &change).await.expect("the source changes");
        }
        copied.push(value);
    }
    assert_eq!(copied, ["first", "second"]);
    let copy = maps.get("copy-of-one").await.expect("there is a copy");
    assert_eq!(copy.data.and_then(|data| data.get("k").cloned()).as_deref(), Some("second"));
    // Another manager that applies another value is told whose it is.
    let other = Patch::Apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "copy-of-one"}, "data": {"k": "mine"},
    }));
    let conflict = maps.patch("copy-of-one", &PatchParams::apply("other"), &other).await;
    let conflict = conflict.expect_err("the value is the copier's");
    assert!(code(&conflict) == 409 && conflict.to_string().contains("copier"), "{conflict}");
}

async fn apply(maps: &Api<ConfigMap>, value: &str) {
    let copy = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "copy-of-one"}, "data": {"k": value},
    });
    maps.patch("copy-of-one", &PatchParams::apply("copier"), &Patch::Apply(copy))
        .await
        .expect("it is applied");
}
