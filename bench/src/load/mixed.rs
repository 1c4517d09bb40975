//! The day of a cluster: leases are renewed, kubelets report on their pods, events are written, and some clients read
//! and list, while kubelets and controllers watch.

use super::client::{Ask, LoadClient};
use super::measure::{Figures, LoadShape, hammer_kinds};
use super::options::TargetServer;
use crate::load::requests::{JSON, MERGE, post};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SHAPE: LoadShape = LoadShape { connections: 10, streams: 10 };
const NODES: u64 = 100;
const PODS: u64 = 1_000;
/// Watches that share a connection.
const PER_CONNECTION: usize = 20;
/// Controllers, which watch everything.
const CONTROLLERS: usize = 5;

const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Kinds of requests, and how many of a hundred they are: about what the audit log of a quiet cluster shows.
const KINDS: [(&str, u64); 6] =
    [("lease", 40), ("status", 25), ("event", 15), ("get", 14), ("list node", 4), ("list all", 2)];

pub async fn run(target: &TargetServer, namespace: &str, length: Duration) -> Result<Figures, String> {
    let root = format!("/api/v1/namespaces/{namespace}");
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
    fill(target, &root, &leases).await?;
    let delivered = Arc::new(AtomicU64::new(0));
    let watches = watch(target, &root, &delivered).await?;
    let (all, of_leases) = (root.clone(), leases.clone());
    let names = KINDS.map(|(name, _)| name);
    let ask = move |n: u64| ask(n, &all, &of_leases);
    let figures = hammer_kinds(target, SHAPE, length, &names, ask).await;
    drop(watches);
    clear(target, &root, &leases).await?;
    let mut figures = figures?;
    figures.note.push_str(&format!(
        "\n  {:<12} {:>10} deliveries",
        "watches",
        delivered.load(Ordering::Relaxed)
    ));
    Ok(figures)
}

/// The request of a number, and its kind's place among the kinds.
fn ask(n: u64, root: &str, leases: &str) -> (usize, Ask) {
    // Spread, so that kinds alternate.
    let mut share = n * 37 % 100;
    let mut kind = 0;
    for (place, (_, of_hundred)) in KINDS.iter().enumerate() {
        kind = place;
        if share < *of_hundred {
            break;
        }
        share -= of_hundred;
    }
    let (pod, node, micros) = (n % PODS, n % NODES, n % 1_000_000);
    let patch = |path: String, content_type, body: String| Ask {
        method: "PATCH",
        path,
        content_type,
        body: body.into(),
        ..Ask::default()
    };
    let ask = match KINDS.get(kind).map_or("", |(name, _)| name) {
        "lease" => {
            let body = format!(r#"{{"spec":{{"renewTime":"2026-01-02T03:04:05.{micros:06}Z"}}}}"#);
            patch(format!("{leases}/node-{node}"), MERGE, body)
        }
        "status" => patch(format!("{root}/pods/pod-{pod}/status"), STRATEGIC, status(n)),
        "event" => post(&format!("{root}/events"), event(n, root)),
        "get" => Ask::get(format!("{root}/pods/pod-{pod}"), JSON),
        "list node" => {
            let query = format!("fieldSelector=spec.nodeName%3Dnode-{node}&resourceVersion=0");
            Ask::get(format!("{root}/pods?{query}"), JSON)
        }
        _ => Ask::get(format!("{root}/pods?limit=500"), JSON),
    };
    (kind, ask)
}

fn status(n: u64) -> String {
    let second = n % 60;
    format!(
        r#"{{"status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"True","lastProbeTime":"2026-01-02T03:04:{second:02}Z"}}],"containerStatuses":[{{"name":"c","image":"registry.example/app:{n}","imageID":"","ready":true,"restartCount":{},"state":{{"running":{{"startedAt":"2026-01-02T03:04:05Z"}}}}}}]}}}}"#,
        n % 1000
    )
}

fn event(n: u64, root: &str) -> String {
    let namespace = root.rsplit('/').next().unwrap_or("");
    format!(
        r#"{{"apiVersion":"v1","kind":"Event","metadata":{{"name":"event-{n}"}},"involvedObject":{{"kind":"Pod","namespace":"{namespace}","name":"pod-{}"}},"reason":"Pulled","message":"Container image is already present on the machine","type":"Normal","count":1,"source":{{"component":"kubelet"}}}}"#,
        n % PODS
    )
}

fn pod(n: u64) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"pod-{n}","labels":{{"app":"bench"}}}},"spec":{{"nodeName":"node-{}","containers":[{{"name":"c","image":"registry.example/app:1","env":[{{"name":"A","value":"{}"}}]}}]}}}}"#,
        n % NODES,
        "x".repeat(500)
    )
}

async fn fill(target: &TargetServer, root: &str, leases: &str) -> Result<(), String> {
    let mut client = LoadClient::connect(target).await?;
    // A controller manager may have been quicker.
    let account = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}"#;
    client.drain(&post(&format!("{root}/serviceaccounts"), account)).await?;
    let mut workers = tokio::task::JoinSet::new();
    for first in 0..32 {
        let (mut client, root, leases) = (client.clone(), root.to_string(), leases.to_string());
        workers.spawn(async move {
            for n in (first..PODS).step_by(32) {
                client.fetch(&post(&format!("{root}/pods"), pod(n))).await?;
                if n < NODES {
                    let lease = format!(
                        r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"node-{n}"}},"spec":{{"holderIdentity":"node-{n}","leaseDurationSeconds":40}}}}"#
                    );
                    client.fetch(&post(&leases, lease)).await?;
                }
            }
            Ok::<_, String>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// A watch of each node's pods, and of all pods by some. They end when they are dropped.
async fn watch(
    target: &TargetServer,
    root: &str,
    delivered: &Arc<AtomicU64>,
) -> Result<tokio::task::JoinSet<()>, String> {
    let mut watches = tokio::task::JoinSet::new();
    let mut client = LoadClient::connect(target).await?;
    let by_node = (0..NODES).map(|node| format!("&fieldSelector=spec.nodeName%3Dnode-{node}"));
    for (place, query) in by_node.chain((0..CONTROLLERS).map(|_| String::new())).enumerate() {
        if place % PER_CONNECTION == 0 {
            client = LoadClient::connect(target).await?;
        }
        let path = format!("{root}/pods?watch=true&resourceVersion=0{query}");
        let mut body = client.open(&Ask::get(path, JSON)).await?.into_body();
        let delivered = delivered.clone();
        watches.spawn(async move {
            while let Some(Ok(frame)) = body.frame().await {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                let lines = data.iter().filter(|byte| **byte == b'\n').count();
                delivered.fetch_add(lines as u64, Ordering::Relaxed);
            }
        });
    }
    Ok(watches)
}

async fn clear(target: &TargetServer, root: &str, leases: &str) -> Result<(), String> {
    let mut client = LoadClient::connect(target).await?;
    let pods = format!("{root}/pods?gracePeriodSeconds=0");
    for path in [pods, format!("{root}/events"), leases.to_string(), format!("{root}/serviceaccounts")] {
        client.drain(&Ask { method: "DELETE", path, ..Ask::default() }).await?;
    }
    Ok(())
}
