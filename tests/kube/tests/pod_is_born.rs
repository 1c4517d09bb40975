//! The main job, end to end: a user posts a pod, a scheduler binds it, a kubelet runs it, and every watch
//! sees each step in order. The `kube` crate plays all three.

use futures::{StreamExt, TryStreamExt, future};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use pintle_testkit::Server;
use serde_json::json;
use std::time::Duration;

/// The time that any one step may take before the test fails.
const STEP_MAX: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_is_stored_bound_and_run() {
    let server = tokio::task::spawn_blocking(Server::start).await.expect("the server starts");
    let client = client(&server).await;
    let nodes: Api<Node> = Api::all(client.clone());
    let node = serde_json::from_value(json!({"metadata": {"name": "node-1"}})).expect("a node");
    nodes.create(&PostParams::default(), &node).await.expect("the node is stored");

    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let user = tokio::spawn(steps(pods.clone(), WatchParams::default(), 5));
    let scheduler = tokio::spawn(schedule(client.clone()));
    let kubelet = tokio::spawn(run(client.clone()));
    let posted = pods.create(&PostParams::default(), &pod()).await.expect("the pod is stored");
    assert_eq!(phase(&posted), "Pending");
    assert_eq!(node_of(&posted), "");

    within(scheduler).await;
    within(kubelet).await;
    let seen = within(user).await;
    assert_eq!(
        seen,
        [
            "ADDED Pending on ''",
            "MODIFIED Pending on 'node-1'",
            "MODIFIED Running on 'node-1'",
            // A deletion without grace still marks the pod first.
            "MODIFIED Running on 'node-1'",
            "DELETED Running on 'node-1'",
        ]
    );
}

/// Watches pods without a node and binds the first one.
async fn schedule(client: Client) -> Vec<String> {
    let pods: Api<Pod> = Api::all(client.clone());
    let unassigned = WatchParams::default().fields("spec.nodeName=");
    let pod = first(pods, unassigned).await;
    let (name, namespace) =
        (pod.metadata.name.expect("a name"), pod.metadata.namespace.expect("a namespace"));
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
    });
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/binding"))
        .header("content-type", "application/json")
        .body(binding.to_string().into_bytes())
        .expect("a request");
    let status: serde_json::Value = client.request(request).await.expect("the binding is accepted");
    assert_eq!(status["status"], "Success");
    Vec::new()
}

/// Watches the pods of its node, reports the first one as running, then lets it be deleted.
async fn run(client: Client) -> Vec<String> {
    let pods: Api<Pod> = Api::default_namespaced(client);
    let mine = WatchParams::default().fields("spec.nodeName=node-1");
    let pod = first(pods.clone(), mine).await;
    let name = pod.metadata.name.expect("a name");
    let status =
        json!({"status": {"phase": "Running", "podIP": "10.244.0.7", "podIPs": [{"ip": "10.244.0.7"}]}});
    let running = pods
        .patch_status(&name, &PatchParams::default(), &Patch::Strategic(status))
        .await
        .expect("the status is stored");
    assert_eq!(phase(&running), "Running");
    let now = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    pods.delete(&name, &now).await.expect("the pod is deleted");
    Vec::new()
}

/// The first pod that a watch delivers.
async fn first(pods: Api<Pod>, params: WatchParams) -> Pod {
    let mut events = std::pin::pin!(pods.watch(&params, "0").await.expect("the watch opens"));
    while let Some(event) = events.try_next().await.expect("the watch goes on") {
        if let WatchEvent::Added(pod) = event {
            return pod;
        }
    }
    panic!("the watch ended without a pod");
}

/// The first `count` changes that a watch tells, each as one line.
async fn steps(pods: Api<Pod>, params: WatchParams, count: usize) -> Vec<String> {
    let events = pods.watch(&params, "0").await.expect("the watch opens");
    let lines = events.filter_map(|event| {
        future::ready(match event.expect("the watch goes on") {
            WatchEvent::Added(pod) => Some(line("ADDED", &pod)),
            WatchEvent::Modified(pod) => Some(line("MODIFIED", &pod)),
            WatchEvent::Deleted(pod) => Some(line("DELETED", &pod)),
            // It tells that the initial state is complete.
            WatchEvent::Bookmark(_) => None,
            WatchEvent::Error(error) => Some(format!("ERROR {error:?}")),
        })
    });
    lines.take(count).collect().await
}

fn line(event: &str, pod: &Pod) -> String {
    format!("{event} {} on '{}'", phase(pod), node_of(pod))
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

fn pod() -> Pod {
    let pod = json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}], "terminationGracePeriodSeconds": 0},
    });
    serde_json::from_value(pod).expect("a pod")
}

/// A client that knows nothing but the kubeconfig that the server wrote.
async fn client(server: &Server) -> Client {
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig()).expect("the kubeconfig reads");
    let options = KubeConfigOptions::default();
    let config =
        Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("the kubeconfig is complete");
    Client::try_from(config).expect("a client can be made")
}

async fn within<T>(task: tokio::task::JoinHandle<T>) -> T {
    tokio::time::timeout(STEP_MAX, task).await.expect("the step takes its time").expect("the step succeeds")
}
