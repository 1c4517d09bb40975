//! A node without containers: it registers, keeps its lease, and reports pods that are bound to it as running, done or
//! gone, as a hollow kubelet does.

use crate::client::Client;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The time between two looks of the node at its pods.
const PAUSE: Duration = Duration::from_millis(100);
/// The time between two renewals of its lease; a kubelet's is 10 seconds.
const LEASE: Duration = Duration::from_secs(5);
/// Pods with this label end successfully as soon as they run.
const ENDS: &str = "ends";

/// A running node; it stops when dropped.
pub struct HollowNode {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HollowNode {
    pub fn start(port: u16, token: &str, name: &str) -> HollowNode {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (stop, token, name) = (stop.clone(), token.to_string(), name.to_string());
            move || NodeLoop { client: Client::new(port, Some(&token)), name }.run(&stop)
        });
        HollowNode { stop, thread: Some(thread) }
    }
}

impl Drop for HollowNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct NodeLoop {
    client: Client,
    name: String,
}

impl NodeLoop {
    fn run(&self, stop: &AtomicBool) {
        self.register();
        let mut renewed: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            if renewed.is_none_or(|at| at.elapsed() > LEASE) {
                self.renew();
                renewed = Some(Instant::now());
            }
            for pod in self.pods() {
                self.report(&pod);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn register(&self) {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}},
        });
        self.client.post("/api/v1/nodes", &node);
        let status = json!({"status": {
            "capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        }});
        self.client.patch("merge", &format!("/api/v1/nodes/{}/status", self.name), &status);
    }

    fn renew(&self) {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name},
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now()},
        });
        let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        let one = format!("{path}/{}?fieldManager=kubelet&force=true", self.name);
        self.client.patch("apply", &one, &lease);
    }

    fn pods(&self) -> Vec<Value> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", self.name);
        let list = self.client.try_get(&path).filter(|answer| answer.status == 200);
        let items = list.and_then(|answer| answer.json()["items"].as_array().cloned());
        items.unwrap_or_default()
    }

    fn report(&self, pod: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            let now = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}});
            let headers = [("content-type", "application/json")];
            self.client.send("DELETE", &path, &headers, now.to_string().into());
            return;
        }
        let ends = pod["metadata"]["labels"][ENDS] == "true";
        let phase = if ends { "Succeeded" } else { "Running" };
        if pod["status"]["phase"] == phase {
            return;
        }
        let ready = if ends { "False" } else { "True" };
        let status = json!({"status": {
            "phase": phase,
            "startTime": now().split('.').next().map(|seconds| format!("{seconds}Z")),
            "conditions": [{"type": "Ready", "status": ready}, {"type": "ContainersReady", "status": ready}],
        }});
        self.client.patch("strategic-merge", &format!("{path}/status"), &status);
    }
}

/// The time now as a MicroTime.
fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, hour, minute, second) = (now.date(), now.hour(), now.minute(), now.second());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{:06}Z", now.microsecond())
}
