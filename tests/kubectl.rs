//! The real kubectl, unmodified, where the machine has one.

use pintle_testkit::Server;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// kubectl against one server; `None` when the machine has no kubectl.
pub struct Kubectl<'a> {
    binary: PathBuf,
    server: &'a Server,
    kubeconfig: PathBuf,
}

impl<'a> Kubectl<'a> {
    pub fn find(server: &'a Server) -> Option<Kubectl<'a>> {
        let Some(binary) = pintle_testkit::kubectl() else {
            eprintln!("no kubectl on this machine: nothing tested");
            return None;
        };
        Some(Kubectl { binary, server, kubeconfig: server.kubeconfig() })
    }

    /// The same as another user: `user` is the user's part of a kubeconfig.
    fn as_user(&self, user: &Value) -> Kubectl<'a> {
        let authority = self.server.data_dir().join("pki/ca.crt");
        let cluster = json!({"server": self.server.url(), "certificate-authority": authority});
        let content = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        });
        let kubeconfig = self.server.data_dir().join("user.kubeconfig");
        std::fs::write(&kubeconfig, content.to_string()).expect("a kubeconfig can be written");
        Kubectl { binary: self.binary.clone(), server: self.server, kubeconfig }
    }

    /// Its error output when it fails, which it must.
    fn refused(&self, line: &str) -> String {
        let output = self.command(line).output().expect("kubectl starts");
        assert!(!output.status.success(), "kubectl {line}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .args(line.split_whitespace())
            .env("HOME", self.server.data_dir());
        command
    }

    /// Runs one command line and returns its output; fails the test when the command fails.
    pub fn run(&self, line: &str) -> String {
        self.run_with(line, "")
    }

    fn run_with(&self, line: &str, stdin: &str) -> String {
        let mut child = self
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("kubectl reads");
        let output = child.wait_with_output().expect("kubectl ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "kubectl {line}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }
}

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.29"}]}
"#;

#[test]
fn kubectl_finds_its_way() {
    let server = Server::start();
    let Some(kubectl) = Kubectl::find(&server) else { return };
    assert!(kubectl.run("version").contains("Server Version: v1.36"));
    assert!(kubectl.run("api-resources").contains("deployments"));
    assert!(kubectl.run("api-versions").contains("apps/v1"));
    assert!(kubectl.run("explain pod.spec.containers.image").contains("Container image name"));
    assert!(kubectl.run("get namespaces").contains("kube-system"));
    assert_eq!(kubectl.run("get --raw /readyz"), "ok");
}

#[test]
fn kubectl_works_on_objects() {
    let server = Server::start();
    let Some(kubectl) = Kubectl::find(&server) else { return };
    kubectl.run("create configmap a --from-literal=k=v");
    assert_eq!(kubectl.run("get configmap a -o jsonpath={.data.k}"), "v");
    kubectl.run("label configmap a tier=one");
    kubectl.run("annotate configmap a note=x");
    assert!(kubectl.run("get configmaps -l tier=one").contains("\na "));
    kubectl.run("patch configmap a --type=merge -p {\"data\":{\"k\":\"w\"}}");
    assert!(kubectl.run("get configmap a -o yaml").contains("k: w"));
    assert!(kubectl.run("describe configmap a").contains("Data"));
    kubectl.run("delete configmap a --wait=true");
    assert!(!kubectl.run("get configmaps -o name").contains("configmap/a"));
}

#[test]
fn kubectl_applies_and_scales() {
    let server = Server::start();
    let Some(kubectl) = Kubectl::find(&server) else { return };
    assert!(kubectl.run_with("apply -f -", DEPLOYMENT).contains("created"));
    assert!(kubectl.run_with("apply -f -", DEPLOYMENT).contains("unchanged"));
    let changed = DEPLOYMENT.replace("nginx:1.29", "nginx:1.30");
    assert!(kubectl.run_with("apply -f -", &changed).contains("configured"));
    kubectl.run("scale deployment web --replicas=5");
    let wide = kubectl.run("get deployments -o wide");
    assert!(wide.contains("0/5") && wide.contains("nginx:1.30"), "{wide}");
    kubectl.run_with("replace -f -", &changed);
    assert_eq!(kubectl.run("get deployment web -o jsonpath={.spec.replicas}"), "2");
    kubectl.run("delete deployment web --cascade=orphan --wait=false");
}

#[test]
fn kubectl_prints_pods_as_usual() {
    let server = Server::start();
    let Some(kubectl) = Kubectl::find(&server) else { return };
    kubectl.run("run web --image=nginx:1.29");
    let wide = kubectl.run("get pods -o wide");
    let header: Vec<&str> = wide.lines().next().unwrap_or_default().split_whitespace().collect();
    let expected = [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "IP",
        "NODE",
        "NOMINATED",
        "NODE",
        "READINESS",
        "GATES",
    ];
    assert_eq!(header, expected, "{wide}");
    assert!(wide.contains("0/1") && wide.contains("Pending"), "{wide}");
    kubectl.run("delete pod web --now");
}

#[test]
fn kubectl_knows_what_its_user_may_do() {
    let server = Server::start();
    let Some(kubectl) = Kubectl::find(&server) else { return };
    let admin = kubectl.run("auth can-i --list");
    assert!(admin.lines().any(|line| line.starts_with("*.*") && line.contains("[*]")), "{admin}");
    assert_eq!(kubectl.run("auth can-i delete nodes").trim(), "yes");
    kubectl.run("create serviceaccount robot");
    kubectl.run("create role reader --verb=get,list --resource=pods,pods/log,deployments.apps");
    kubectl.run("create rolebinding reader --role=reader --serviceaccount=default:robot");
    let token = kubectl.run("create token robot");
    let robot = kubectl.as_user(&json!({"token": token.trim()}));
    let listed = robot.run("auth can-i --list");
    for (resource, verbs) in [
        ("pods", "[get list]"),
        ("pods/log", "[get list]"),
        ("deployments.apps", "[get list]"),
        ("selfsubjectaccessreviews.authorization.k8s.io", "[create]"),
        ("[/healthz]", "[get]"),
    ] {
        let fits = |line: &str| line.split_whitespace().any(|word| word == resource) && line.contains(verbs);
        assert!(listed.lines().any(fits), "{resource}: {listed}");
    }
    assert_eq!(robot.run("auth can-i list pods").trim(), "yes");
    assert_eq!(robot.run("auth can-i get deployments.apps").trim(), "yes");
    robot.refused("auth can-i delete pods");
    robot.refused("auth can-i list pods -n kube-system");
    let refused = robot.refused("get secrets");
    let words = "User \"system:serviceaccount:default:robot\" cannot list resource \"secrets\"";
    assert!(refused.contains("Forbidden") && refused.contains(words), "{refused}");
    assert_eq!(kubectl.run("auth can-i list pods --as=system:serviceaccount:default:robot").trim(), "yes");
}
