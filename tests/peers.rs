//! Two servers on one etcd that serve different APIs: requests are passed on, discovery is of both.

use bytes::Bytes;
use pintle_testkit::certificates::{Authority, write};
use pintle_testkit::{Client, ClientAnswer, Etcd, Server, WITHIN, eventually, free_port, front_proxy_flags};
use serde_json::{Value, json};
use std::path::Path;

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const OF_ALL: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const OF_ONE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer";

/// Certificates of one cluster, for clients and for the other servers.
fn certificates(dir: &Path) {
    let (own, proxies) = (Authority::new("cluster"), Authority::new("front"));
    own.server(&["kubernetes.default.svc", "localhost"]).write(dir, "serving");
    proxies.client("front-proxy-client", &[]).write(dir, "proxy");
    write(dir, "ca.crt", &own.pem());
    write(dir, "front.crt", &proxies.pem());
}

/// The flags of a server of the cluster with a host name.
fn flags(etcd: &Etcd, dir: &Path, name: &str, port: u16) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    let own = [
        format!("--etcd-servers={}", etcd.url()),
        format!("--hostname={name}"),
        file("tls-cert-file", "serving.crt"),
        file("tls-private-key-file", "serving.key"),
        file("peer-ca-file", "ca.crt"),
        String::from("--peer-advertise-ip=127.0.0.1"),
        format!("--peer-advertise-port={port}"),
    ];
    own.into_iter().chain(front_proxy_flags(dir)).collect()
}

fn start(etcd: &Etcd, dir: &Path, name: &str, more: &[&str]) -> Server {
    let port = free_port();
    let own = flags(etcd, dir, name, port);
    let flags: Vec<&str> = own.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::on_port(port, &flags)
}

/// The lease of the server of a name, if it has one.
fn lease(client: &Client, name: &str) -> Option<Value> {
    let leases = client.get(LEASES).json();
    let items = leases["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().find(|lease| lease["metadata"]["labels"]["kubernetes.io/hostname"] == json!(name))
}

fn discovery(client: &Client, accept: &str) -> ClientAnswer {
    client.send("GET", "/apis", &[("accept", accept)], Bytes::new())
}

/// The names of the groups of a document.
fn groups(document: &Value) -> Vec<String> {
    let items = document["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|group| group["metadata"]["name"].as_str().unwrap_or_default().into()).collect()
}

fn job(name: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}})
}

fn metric(client: &Client, line: &str) -> Option<f64> {
    let text = client.get("/metrics").text();
    text.lines().find_map(|found| found.strip_prefix(line)).and_then(|value| value.trim().parse().ok())
}

#[test]
fn what_one_server_has_all_have() {
    let Some(etcd) = Etcd::start() else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    certificates(dir.path());
    let whole = start(&etcd, dir.path(), "whole", &[]);
    let mut part = start(&etcd, dir.path(), "part", &["--runtime-config=batch/v1=false"]);
    let (one, other) = (whole.admin(), part.admin());
    eventually("jobs are passed on", WITHIN, || other.get(JOBS).status == 200);
    assert_eq!(other.post(JOBS, &job("a")).status, 201);
    assert_eq!(one.get(&format!("{JOBS}/a")).status, 200);
    // The user arrives, and is refused where they may not.
    let managers = other.get(&format!("{JOBS}/a")).json()["metadata"]["managedFields"].clone();
    assert!(managers.is_array(), "{managers}");
    let claims = [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")];
    let refused = part.alice().send("GET", JOBS, &claims, Bytes::new());
    assert_eq!(refused.status, 403, "{refused:?}");
    // A request that was passed on once is answered by the next server, even if it cannot serve it.
    let once = [("x-kubernetes-peer-proxied", "true")];
    assert_eq!(other.send("GET", JOBS, &once, Bytes::new()).status, 404);
    assert_eq!(other.get("/apis/batch/v3/namespaces/default/jobs").status, 404);
    let events = other.watch_late(&format!("{JOBS}?watch=true&resourceVersion=0"), &[], 2, WITHIN, || {
        assert_eq!(one.post(JOBS, &job("b")).status, 201);
    });
    assert_eq!(events.len(), 2);
    discovery_is_of_both(&one, &other);
    let counted =
        r#"apiserver_rerouted_request_total{code="200",group="batch",resource="jobs",version="v1"}"#;
    assert!(metric(&other, counted) >= Some(1.0), "{:?}", metric(&other, counted));
    let address = lease(&one, "part").expect("a lease")["metadata"]["annotations"].take();
    assert_eq!(
        address["kubernetes.io/peer-advertise-address"],
        json!(format!("127.0.0.1:{}", part.port())),
        "{address}"
    );
    // A server that leaves takes its leases back.
    assert!(part.stop());
    assert_eq!(lease(&one, "part"), None);
}

fn discovery_is_of_both(one: &Client, other: &Client) {
    let (whole, alone) = (discovery(one, OF_ALL), discovery(other, OF_ONE));
    let merged = discovery(other, OF_ALL);
    assert!(!groups(&alone.json()).contains(&String::from("batch")));
    assert_eq!(groups(&merged.json()), groups(&whole.json()));
    assert_ne!(alone.header("etag"), merged.header("etag"));
    assert_eq!(discovery(other, OF_ALL).header("etag"), merged.header("etag"));
    assert!(metric(other, "aggregator_discovery_peer_aggregated_cache_hits_total ") >= Some(1.0));
    assert!(metric(other, "aggregator_discovery_peer_aggregated_cache_misses_total ") >= Some(1.0));
    // The servers ask each other in this way, too.
    assert!(metric(other, "aggregator_discovery_nopeer_requests_total ") >= Some(1.0));
    let checks = other.get("/readyz?verbose").text();
    assert!(checks.contains("[+]poststarthook/mixed-version-proxy-handler ok"), "{checks}");
}

#[test]
fn nobody_is_sent_to_a_server_that_died() {
    let Some(etcd) = Etcd::start() else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    certificates(dir.path());
    let mut whole = start(&etcd, dir.path(), "whole", &[]);
    let part = start(&etcd, dir.path(), "part", &["--runtime-config=batch/v1=false"]);
    let other = part.admin();
    eventually("jobs are passed on", WITHIN, || other.get(JOBS).status == 200);
    whole.kill();
    let failed = other.get(JOBS);
    let why = "error trying to reach service: dial tcp 127.0.0.1:";
    assert!(failed.status == 503 && failed.text().starts_with(why), "{failed:?}");
    // Its address goes with its lease, and with the last trace of it the resource.
    let gone = "Error getting ip and port info of the remote server while proxying";
    eventually("its address is gone", WITHIN, || {
        let answer = other.get(JOBS);
        answer.status == 503 && answer.text().contains(gone)
    });
    let name =
        lease(&other, "whole").expect("a lease")["metadata"]["name"].as_str().unwrap_or_default().to_string();
    assert_eq!(other.delete(&format!("{LEASES}/{name}")).status, 200);
    eventually("nobody has jobs", WITHIN, || other.get(JOBS).status == 404);
    // The next process of that name is another.
    whole.spawn();
    eventually("jobs are passed on again", WITHIN, || other.get(JOBS).status == 200);
}

#[test]
fn custom_resources_are_nobody_elses() {
    let Some(etcd) = Etcd::start() else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    certificates(dir.path());
    let one = start(&etcd, dir.path(), "one", &[]);
    let other = start(&etcd, dir.path(), "other", &["--runtime-config=batch/v1=false"]);
    let (one, other) = (one.admin(), other.admin());
    eventually("jobs are passed on", WITHIN, || other.get(JOBS).status == 200);
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                          "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    assert_eq!(one.post(definitions, &definition).status, 201);
    let path = "/apis/example.com/v1/things";
    eventually("both serve them", WITHIN, || one.get(path).status == 200 && other.get(path).status == 200);
    let counted = r#"apiserver_rerouted_request_total{code="200",group="example.com","#;
    assert!(!other.get("/metrics").text().contains(counted));
    assert_eq!(one.delete(&format!("{definitions}/things.example.com")).status, 200);
    eventually("nobody serves them", WITHIN, || one.get(path).status == 404 && other.get(path).status == 404);
}

#[test]
fn flags_of_peers_need_their_gate_and_a_certificate() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    certificates(dir.path());
    let authority = format!("--peer-ca-file={}", dir.path().join("ca.crt").display());
    let off = "--feature-gates=UnknownVersionInteroperabilityProxy=false";
    let check = |flags: &[&str], expected: &str| {
        let data = format!("--data-dir={}", dir.path().join("data").display());
        let output = std::process::Command::new(pintle_testkit::pintle_binary())
            .args([&data, "--secure-port=1"])
            .args(flags)
            .output()
            .expect("pintle starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{flags:?}: {said}");
    };
    for flag in [authority.as_str(), "--peer-advertise-ip=10.0.0.1", "--peer-advertise-port=6443"] {
        let (name, _) = flag.split_once('=').expect("a flag with a value");
        let why = format!("{name} requires UnknownVersionInteroperabilityProxy feature to be turned on");
        check(&[off, flag], &why);
    }
    let why = "UnknownVersionInteroperabilityProxy is enabled, but depends on features that are disabled: \
               [APIServerIdentity]";
    check(&["--feature-gates=APIServerIdentity=false"], why);
    check(&[&authority], "error building peer proxy handler, proxy-cert-file not specified");
    let half = ["--peer-advertise-ip=nowhere", "--peer-advertise-port=6443"];
    check(&half, r#"--peer-advertise-ip: "nowhere" is not an IP address"#);
}
