//! Fills a server with pods of a wanted size, for measurements of large stores.

use super::client::{Ask, LoadClient};
use super::measure::{Figures, SpentTime};
use super::options::{LoadOptions, TargetServer};
use super::progress::Progress;
use crate::load::requests::{PROTOBUF, post};
use http_body_util::BodyExt;
use pintle_object::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const NAMESPACE: &str = "bench-fill";
const NODES: u64 = 500;
const WORKERS: usize = 64;

/// Makes the pods that are not there yet.
pub async fn run(options: &LoadOptions, target: &TargetServer) -> Result<Figures, String> {
    let mut client = LoadClient::connect(target).await?;
    make_namespace(&mut client).await?;
    let pod = sized(&mut client, options.bytes).await?;
    let (pod, next) = (Arc::new(pod), Arc::new(AtomicU64::new(0)));
    let progress = Arc::new(Progress::new("fill", options.objects));
    let (spent, begin, count) = (SpentTime::begin(target), Instant::now(), options.objects);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        let (pod, next, progress) = (pod.clone(), next.clone(), progress.clone());
        let mut client = LoadClient::connect(target).await?;
        workers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return Ok::<_, String>(());
                }
                create(&mut client, numbered(&pod, n)).await?;
                progress.add(1);
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    let mut figures = Figures {
        seconds: begin.elapsed().as_secs_f64(),
        requests: count,
        bytes: count * options.bytes,
        note: format!("(pods in {NAMESPACE}; they stay)"),
        ..Figures::default()
    };
    spent.end(&mut figures);
    Ok(figures)
}

async fn make_namespace(client: &mut LoadClient) -> Result<(), String> {
    for (path, kind, name) in [
        (String::from("/api/v1/namespaces"), "Namespace", NAMESPACE),
        (format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts"), "ServiceAccount", "default"),
    ] {
        let body = format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"{name}"}}}}"#);
        let (status, _) = client.drain(&post(&path, body)).await?;
        if status != 201 && status != 409 {
            return Err(format!("{path}: status {status}"));
        }
    }
    Ok(())
}

/// A pod that takes this many bytes when it is stored: one is made without padding to see what is missing.
async fn sized(client: &mut LoadClient, bytes: u64) -> Result<Value, String> {
    let mut pod = json::parse(include_bytes!("../pod.json")).map_err(|error| error.message.to_string())?;
    let name = format!("probe-{}", std::process::id());
    for field in
        ["generateName", "uid", "resourceVersion", "generation", "creationTimestamp", "ownerReferences"]
    {
        pod.remove(&["metadata", field]);
    }
    for field in ["serviceAccountName", "serviceAccount", "priorityClassName", "priority"] {
        pod.remove(&["spec", field]);
    }
    pod.remove(&["status"]);
    pod.set(&["metadata", "namespace"], NAMESPACE);
    pod.set(&["metadata", "annotations", "padding"], "");
    let mut probe = pod.clone();
    probe.set(&["metadata", "name"], name.as_str());
    create(client, probe).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}");
    let found = client.fetch(&Ask::get(path.as_str(), PROTOBUF)).await?.len();
    let path = path + "?gracePeriodSeconds=0";
    client.fetch(&Ask { method: "DELETE", path, ..Ask::default() }).await?;
    let missing = usize::try_from(bytes).unwrap_or(0).saturating_sub(found);
    pod.set(&["metadata", "annotations", "padding"], padding(missing));
    Ok(pod)
}

/// Text that does not shrink to nothing when it is compressed.
fn padding(len: usize) -> String {
    let mut state = 1_u64;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 33) as u8 % 26)
    });
    letters.take(len).collect()
}

fn numbered(pod: &Value, n: u64) -> Value {
    let mut pod = pod.clone();
    pod.set(&["metadata", "name"], format!("pod-{n:08}"));
    pod.set(&["spec", "nodeName"], format!("node-{:04}", n % NODES));
    pod
}

async fn create(client: &mut LoadClient, pod: Value) -> Result<(), String> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let answer = client.open(&post(&path, json::to_string(&pod))).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    match status {
        201 | 409 => Ok(()),
        status => Err(format!("POST {path}: {status}: {}", String::from_utf8_lossy(&body))),
    }
}
