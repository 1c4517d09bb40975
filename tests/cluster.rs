//! The real controller manager and scheduler on pintle, with two hollow nodes.
//!
//! `PINTLE_KUBE_COMPONENTS` names the directory of the two binaries; without it they are looked for on the path.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_testkit::{Client, HollowNode, Server, eventually, free_port};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Controllers look again after a while; a minute and a half covers the slowest of them.
const WITHIN: Duration = Duration::from_secs(90);

/// A process that is killed when dropped.
struct Component(Child);

impl Drop for Component {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn component(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("PINTLE_KUBE_COMPONENTS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    named
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// The parts of a cluster; everything ends with it.
struct Cluster {
    server: Server,
    _components: Vec<Component>,
    _nodes: Vec<HollowNode>,
    _dir: tempfile::TempDir,
}

impl Cluster {
    /// `None`, and a loud line, where the components are missing.
    fn start() -> Option<Cluster> {
        let found = (component("kube-controller-manager"), component("kube-scheduler"));
        let (Some(manager), Some(scheduler)) = found else {
            eprintln!("NO KUBE-CONTROLLER-MANAGER AND KUBE-SCHEDULER ON THIS MACHINE: NO CLUSTER IS TESTED");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let file = |name: &str| dir.path().join(name).display().to_string();
        authority(dir.path());
        let server = Server::with_flags(&[
            &format!("--client-ca-file={}", file("ca.crt")),
            &format!("--service-account-key-file={}", file("sa.key")),
            &format!("--service-account-signing-key-file={}", file("sa.key")),
            "--service-account-issuer=https://kubernetes.default.svc",
        ]);
        std::fs::write(dir.path().join("kubeconfig"), kubeconfig(server.port()))
            .expect("a file can be written");
        let kubeconfig = format!("--kubeconfig={}", file("kubeconfig"));
        let shared = [kubeconfig, "--leader-elect=false".into(), "--bind-address=127.0.0.1".into()];
        let managed = [
            "--use-service-account-credentials".into(),
            format!("--service-account-private-key-file={}", file("sa.key")),
            format!("--cluster-signing-cert-file={}", file("ca.crt")),
            format!("--cluster-signing-key-file={}", file("ca.key")),
            format!("--root-ca-file={}", file("ca.crt")),
        ];
        let start = |binary: &Path, log: &str, flags: &[String]| {
            let log = std::fs::File::create(dir.path().join(log)).expect("a log can be made");
            let command = Command::new(binary)
                .args(&shared)
                .arg(format!("--secure-port={}", free_port()))
                .args(flags)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn();
            Component(command.expect("the component starts"))
        };
        let components = vec![start(&manager, "manager", &managed), start(&scheduler, "scheduler", &[])];
        let nodes = ["node-a", "node-b"].map(|name| HollowNode::start(server.port(), "admin-token", name));
        Some(Cluster { server, _components: components, _nodes: nodes.into(), _dir: dir })
    }
}

/// An authority of clients, and a key of ServiceAccount tokens.
fn authority(dir: &Path) {
    let (key, mut params) =
        (rcgen::KeyPair::generate().expect("a key can be made"), rcgen::CertificateParams::default());
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::DigitalSignature];
    std::fs::write(dir.join("ca.crt"), params.self_signed(&key).expect("a certificate can be made").pem())
        .expect("a file can be written");
    std::fs::write(dir.join("ca.key"), key.serialize_pem()).expect("a file can be written");
    std::fs::write(
        dir.join("sa.key"),
        rcgen::KeyPair::generate().expect("a key can be made").serialize_pem(),
    )
    .expect("a file can be written");
}

fn kubeconfig(port: u16) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "pintle", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "admin", "user": {"token": "admin-token"}}],
        "contexts": [{"name": "admin", "context": {"cluster": "pintle", "user": "admin"}}],
        "current-context": "admin",
    })
    .to_string()
}

fn make(admin: &Client, path: &str, object: &Value) {
    let answer = admin.post(path, object);
    assert_eq!(answer.status, 201, "{path}: {answer:?}");
}

fn items(admin: &Client, path: &str) -> Vec<Value> {
    admin.get(path).json()["items"].as_array().cloned().unwrap_or_default()
}

fn template(labels: &Value, restarts: &str) -> Value {
    json!({
        "metadata": {"labels": labels},
        "spec": {"restartPolicy": restarts, "containers": [{"name": "c", "image": "example.org/c:1"}]},
    })
}

/// One cluster for all tests, since its start takes long.
#[test]
fn real_controllers_and_a_real_scheduler_run_a_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let admin = cluster.server.admin();
    deployments_run_and_move(&admin);
    jobs_end(&admin);
    cron_jobs_make_jobs(&admin);
    volumes_are_bound(&admin);
    requests_of_nodes_are_approved_and_signed(&admin);
    custom_resources_are_collected_and_go_with_their_namespace(&admin);
}

fn deployments_run_and_move(admin: &Client) {
    let labels = json!({"app": "web"});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 4, "selector": {"matchLabels": labels}, "template": template(&labels, "Always")},
    });
    make(admin, "/apis/apps/v1/namespaces/default/deployments", &deployment);
    let web = "/apis/apps/v1/namespaces/default/deployments/web";
    let available = || admin.get(web).json()["status"]["availableReplicas"] == json!(4);
    eventually("four pods of a deployment", WITHIN, available);
    let on = |node: &str| {
        let path = format!(
            "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb&fieldSelector=spec.nodeName%3D{node}"
        );
        items(admin, &path)
    };
    assert!(!on("node-a").is_empty() && !on("node-b").is_empty(), "the scheduler spreads pods");
    // A drain: no new pods, and those that are there are evicted.
    let cordon = json!({"spec": {"unschedulable": true}});
    assert_eq!(admin.patch("merge", "/api/v1/nodes/node-a", &cordon).status, 200);
    for pod in on("node-a") {
        let name = pod["metadata"]["name"].as_str().expect("a pod has a name");
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
        let path = format!("/api/v1/namespaces/default/pods/{name}/eviction");
        assert_eq!(admin.post(&path, &eviction).status, 201);
    }
    eventually("all pods on the other node", WITHIN, || on("node-b").len() == 4 && on("node-a").is_empty());
    eventually("four pods again", WITHIN, available);
    let uncordon = json!({"spec": {"unschedulable": false}});
    assert_eq!(admin.patch("merge", "/api/v1/nodes/node-a", &uncordon).status, 200);
}

fn jobs_end(admin: &Client) {
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"completions": 3, "template": template(&json!({"ends": "true"}), "Never")},
    });
    make(admin, "/apis/batch/v1/namespaces/default/jobs", &job);
    eventually("a job to end", WITHIN, || {
        let job = admin.get("/apis/batch/v1/namespaces/default/jobs/once").json();
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|one| one["type"] == "Complete" && one["status"] == "True")
    });
}

fn cron_jobs_make_jobs(admin: &Client) {
    let cron = json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "often"},
        "spec": {
            "schedule": "* * * * *",
            "jobTemplate": {"spec": {"template": template(&json!({"ends": "true"}), "Never")}},
        },
    });
    make(admin, "/apis/batch/v1/namespaces/default/cronjobs", &cron);
    eventually("a cron job's job", WITHIN, || {
        let jobs = items(admin, "/apis/batch/v1/namespaces/default/jobs");
        jobs.iter().any(|job| job["metadata"]["ownerReferences"][0]["name"] == "often")
    });
    assert_eq!(admin.delete("/apis/batch/v1/namespaces/default/cronjobs/often").status, 200);
}

fn volumes_are_bound(admin: &Client) {
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "disk"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "hostPath": {"path": "/disk"},
        },
    });
    make(admin, "/api/v1/persistentvolumes", &volume);
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "claim"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    make(admin, "/api/v1/namespaces/default/persistentvolumeclaims", &claim);
    eventually("a claim to be bound", WITHIN, || {
        let claim = admin.get("/api/v1/namespaces/default/persistentvolumeclaims/claim").json();
        claim["status"]["phase"] == "Bound" && claim["spec"]["volumeName"] == "disk"
    });
}

fn requests_of_nodes_are_approved_and_signed(admin: &Client) {
    let bound = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "approve"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "system:certificates.k8s.io:certificatesigningrequests:nodeclient"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:masters"}],
    });
    make(admin, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &bound);
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(rcgen::DnType::CommonName, "system:node:node-c");
    let request = params
        .serialize_request(&rcgen::KeyPair::generate().expect("a key can be made"))
        .expect("a request can be made")
        .pem()
        .expect("and written");
    let request = json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "node-c"},
        "spec": {
            "request": STANDARD.encode(request),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    });
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    make(admin, path, &request);
    eventually("a certificate for a node", WITHIN, || {
        let found = admin.get(&format!("{path}/node-c")).json();
        found["status"]["certificate"].as_str().is_some_and(|certificate| !certificate.is_empty())
    });
}

fn custom_resources_are_collected_and_go_with_their_namespace(admin: &Client) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.cluster.example.org"},
        "spec": {
            "group": "cluster.example.org",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    make(admin, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "doomed"}});
    make(admin, "/api/v1/namespaces", &namespace);
    let widgets = "/apis/cluster.example.org/v1/namespaces/doomed/widgets";
    eventually("the custom resource", WITHIN, || admin.get(widgets).status == 200);
    let widget = |name: &str, owners: Value| {
        json!({
            "apiVersion": "cluster.example.org/v1",
            "kind": "Widget",
            "metadata": {"name": name, "ownerReferences": owners},
        })
    };
    make(admin, widgets, &widget("owner", json!([])));
    let uid = admin.get(&format!("{widgets}/owner")).json()["metadata"]["uid"].clone();
    let owner =
        json!([{"apiVersion": "cluster.example.org/v1", "kind": "Widget", "name": "owner", "uid": uid}]);
    make(admin, widgets, &widget("owned", owner));
    make(admin, widgets, &widget("free", json!([])));
    assert_eq!(admin.delete(&format!("{widgets}/owner")).status, 200);
    // The collector hears of new resources every half minute.
    eventually("what was owned to go", WITHIN, || admin.get(&format!("{widgets}/owned")).status == 404);
    assert_eq!(admin.get(&format!("{widgets}/free")).status, 200);
    assert_eq!(admin.delete("/api/v1/namespaces/doomed").status, 200);
    eventually("the namespace to go", WITHIN, || admin.get("/api/v1/namespaces/doomed").status == 404);
}
