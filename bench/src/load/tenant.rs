//! A tenant that floods the server with creates, lists and watches all at once, while a kubelet renews its lease and
//! the controller manager writes: the waits and losses of these two, and the memory that the flood takes and leaves.
//!
//! Each acts as its user by impersonation, so that the server tells them apart: `--token` is an administrator's.

use super::client::{Ask, LoadClient};
use super::make::make;
use super::measure::{Figures, SpentTime, resident_memory};
use super::options::{LoadOptions, TargetServer};
use super::requests::{JSON, MERGE, post};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Creates that the tenant attempts each second, spread over connections with many under way on each.
const CREATES: u64 = 10_000;
const CREATORS: u64 = 4;
const CREATES_UNDER_WAY: u64 = 100;
/// The time between two requests of each of the two well-behaved clients.
const ASK_INTERVAL: Duration = Duration::from_millis(20);
/// The time in which memory must fall back, and the part over the one before at which it has.
const FALL_MAX: Duration = Duration::from_secs(60);
const FALLEN_PART: f64 = 1.25;
/// An answer that takes longer is counted as lost.
const LOST: Duration = Duration::from_secs(30);

const TENANT: (&str, &str) = ("bench-tenant", "bench-tenants");
const KUBELET: (&str, &str) = ("system:node:bench-node", "system:nodes");
const CONTROLLERS: (&str, &str) = ("system:kube-controller-manager", "system:authenticated");

/// Outcomes of the tenant's requests.
#[derive(Default)]
struct Flood {
    created: AtomicU64,
    listed: AtomicU64,
    listed_bytes: AtomicU64,
    watched: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// Latencies of one that is to be served, in microseconds, and how many of its requests were lost.
struct ServedLoad {
    latencies: Vec<u32>,
    lost: u64,
}

pub async fn run(options: &LoadOptions, target: &TargetServer, namespace: &str) -> Result<Figures, String> {
    let all = format!("/api/v1/namespaces/{namespace}/configmaps");
    let [lease, account] = prepare(options, target, namespace, &all).await?;
    let before = target.pid.and_then(resident_memory);
    let (spent, begin) = (SpentTime::begin(target), Instant::now());
    let end = begin + options.length;
    let flood = Arc::new(Flood::default());
    let mut tenant = JoinSet::new();
    create(&mut tenant, target, &all, &flood, end).await?;
    list(&mut tenant, options, target, &all, &flood, end);
    watch(&mut tenant, options, target, &all, &flood, end);
    let kubelet = tokio::spawn(serve(target.clone(), end, KUBELET, lease));
    let controllers = tokio::spawn(serve(target.clone(), end, CONTROLLERS, account));
    let kubelet = kubelet.await.map_err(|error| error.to_string())??;
    let controllers = controllers.await.map_err(|error| error.to_string())??;
    let seconds = begin.elapsed().as_secs_f64();
    tenant.shutdown().await;
    let mut figures = Figures { seconds, ..Figures::default() };
    spent.end(&mut figures);
    let notes = [of("kubelet", &kubelet), of("controllers", &controllers), flood.told()];
    figures.note = notes.concat() + &fallen(target, before).await;
    figures.latencies = kubelet.latencies.into_iter().chain(controllers.latencies).collect();
    figures.latencies.sort_unstable();
    figures.requests = figures.latencies.len() as u64;
    clear(target, namespace).await?;
    Ok(figures)
}

/// Makes what the tenant lists, its rights, and the objects of the two; their updates, with `N` for what changes.
async fn prepare(
    options: &LoadOptions,
    target: &TargetServer,
    namespace: &str,
    all: &str,
) -> Result<[Ask; 2], String> {
    let mut client = LoadClient::connect(target).await?;
    let binding = format!(
        r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{{"name":"tenant"}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}},"subjects":[{{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"{}"}}]}}"#,
        TENANT.0
    );
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
    client.fetch(&post(&path, binding)).await?;
    let lease = r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"bench-node","namespace":"kube-node-lease"},"spec":{"holderIdentity":"bench-node","leaseDurationSeconds":40,"renewTime":"2026-01-02T03:04:05.NZ"}}"#;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    // One that an earlier run left serves as well.
    client.drain(&post(leases, lease.replace('N', "000000"))).await?;
    let account = format!(
        r#"{{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"bench","namespace":"{namespace}","annotations":{{"n":"N"}}}}}}"#
    );
    let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    client.fetch(&post(&accounts, account.clone())).await?;
    let padding = "x".repeat(usize::try_from(options.bytes).unwrap_or(0).saturating_sub(300));
    let listed = String::from(all);
    let ask = move |n| post(&listed, config_map(&format!("listed-{n:08}"), &padding));
    make(target, options.objects, ask).await?;
    // A lease is never written without a word on what it was, but for patches.
    let renew = r#"{"spec":{"renewTime":"2026-01-02T03:04:05.NZ"}}"#;
    let path = format!("{leases}/bench-node");
    let renewal = Ask { method: "PATCH", path, content_type: MERGE, body: renew.into(), ..Ask::default() };
    let path = format!("{accounts}/bench");
    let note = Ask { method: "PUT", path, content_type: JSON, body: account.into(), ..Ask::default() };
    Ok([renewal, note])
}

fn config_map(name: &str, padding: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"padding":"{padding}"}}}}"#
    )
}

/// The tenant's creates, as many as the server takes of `CREATES` a second.
async fn create(
    tenant: &mut JoinSet<()>,
    target: &TargetServer,
    all: &str,
    flood: &Arc<Flood>,
    end: Instant,
) -> Result<(), String> {
    let workers = CREATORS * CREATES_UNDER_WAY;
    let every = Duration::from_micros(1_000_000 * workers / CREATES);
    for connection in 0..CREATORS {
        let client = LoadClient::connect(target).await?;
        for stream in 0..CREATES_UNDER_WAY {
            let (mut client, all, flood) = (client.clone(), String::from(all), flood.clone());
            tenant.spawn(async move {
                let mut due = Instant::now();
                for n in 0_u64.. {
                    if due >= end {
                        return;
                    }
                    tokio::time::sleep_until(due.into()).await;
                    due = Instant::now().max(due + every);
                    let name = format!("flood-{connection}-{stream}-{n}");
                    let ask = Ask { user: Some(TENANT), ..post(&all, config_map(&name, "x")) };
                    flood.count(client.drain(&ask).await.map(|(status, _)| status), &flood.created);
                }
            });
        }
    }
    Ok(())
}

/// The tenant's lists, `--clients` at a time over and over.
fn list(
    tenant: &mut JoinSet<()>,
    options: &LoadOptions,
    target: &TargetServer,
    all: &str,
    flood: &Arc<Flood>,
    end: Instant,
) {
    for _ in 0..options.clients {
        let (target, flood) = (target.clone(), flood.clone());
        let ask = Ask { user: Some(TENANT), ..Ask::get(all, JSON) };
        tenant.spawn(async move {
            while Instant::now() < end {
                let Ok(mut client) = LoadClient::connect(&target).await else { continue };
                let answer = client.drain(&ask).await;
                if let Ok((200, bytes)) = &answer {
                    flood.listed_bytes.fetch_add(*bytes, Ordering::Relaxed);
                }
                flood.count(answer.map(|(status, _)| status), &flood.listed);
            }
        });
    }
}

/// The tenant's `--watchers` watches, each of which reads what it is told.
fn watch(
    tenant: &mut JoinSet<()>,
    options: &LoadOptions,
    target: &TargetServer,
    all: &str,
    flood: &Arc<Flood>,
    end: Instant,
) {
    let connections = options.watchers.div_ceil(options.per_connection);
    for _ in 0..connections {
        let (target, flood, count) = (target.clone(), flood.clone(), options.per_connection);
        let ask = Ask { user: Some(TENANT), ..Ask::get(format!("{all}?watch=1&resourceVersion=0"), JSON) };
        tenant.spawn(async move {
            let Ok(client) = LoadClient::connect(&target).await else { return };
            let mut watches = JoinSet::new();
            for _ in 0..count {
                let (mut client, ask, flood) = (client.clone(), ask.clone(), flood.clone());
                watches.spawn(async move {
                    let Ok(answer) = client.open(&ask).await else {
                        return flood.count(Err(()), &flood.watched);
                    };
                    flood.count(Ok::<_, ()>(answer.status().as_u16()), &flood.watched);
                    let mut body = answer.into_body();
                    while Instant::now() < end && body.frame().await.is_some() {}
                });
            }
            while watches.join_next().await.is_some() {}
        });
    }
}

/// Updates an object at an even pace as one that is to be served whatever happens.
async fn serve(
    target: TargetServer,
    end: Instant,
    user: (&'static str, &'static str),
    update: Ask,
) -> Result<ServedLoad, String> {
    let mut client = LoadClient::connect(&target).await?;
    let text = String::from_utf8_lossy(&update.body).into_owned();
    let (mut latencies, mut lost) = (Vec::new(), 0);
    let mut due = Instant::now();
    for n in 0_u64.. {
        if due >= end {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        due += ASK_INTERVAL;
        let body = text.replace('N', &format!("{:06}", n % 1_000_000));
        let ask = Ask { body: body.into(), user: Some(user), ..update.clone() };
        let begin = Instant::now();
        match tokio::time::timeout(LOST, client.drain(&ask)).await {
            Ok(Ok((status, _))) if (200..300).contains(&status) => {}
            _ => lost += 1,
        }
        latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    latencies.sort_unstable();
    Ok(ServedLoad { latencies, lost })
}

impl Flood {
    fn count<E>(&self, status: Result<u16, E>, done: &AtomicU64) {
        let of = match status {
            Ok(200..300) => done,
            Ok(429) => &self.refused,
            _ => &self.failed,
        };
        of.fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self) -> String {
        let [created, listed, bytes, watched, refused, failed] =
            [&self.created, &self.listed, &self.listed_bytes, &self.watched, &self.refused, &self.failed]
                .map(|count| count.load(Ordering::Relaxed));
        format!(
            "\n  tenant       {created} created, {listed} lists of {:.0} MB, {watched} watches; {refused} refused, \
             {failed} failed",
            bytes as f64 / 1e6
        )
    }
}

fn of(name: &str, served: &ServedLoad) -> String {
    let figures = Figures { latencies: served.latencies.clone(), ..Figures::default() };
    let (half, most) = (figures.percentile(0.5), figures.percentile(0.99));
    let (count, lost) = (served.latencies.len(), served.lost);
    format!("\n  {name:<12} {count} writes, p50 {half:.2} ms, p99 {most:.2} ms, {lost} lost")
}

/// The course of memory after the flood.
async fn fallen(target: &TargetServer, before: Option<u64>) -> String {
    let (Some(pid), Some(before)) = (target.pid, before) else { return String::new() };
    let begin = Instant::now();
    loop {
        let now = resident_memory(pid).unwrap_or(0);
        if now as f64 <= before as f64 * FALLEN_PART || begin.elapsed() > FALL_MAX {
            let [now, before] = [now, before].map(|bytes| bytes as f64 / 1e6);
            let seconds = begin.elapsed().as_secs_f64();
            return format!("\n  memory       {before:.0} MB before, {now:.0} MB {seconds:.0} s after");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn clear(target: &TargetServer, namespace: &str) -> Result<(), String> {
    let mut client = LoadClient::connect(target).await?;
    for path in [
        String::from("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/bench-node"),
        format!("/api/v1/namespaces/{namespace}/serviceaccounts/bench"),
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/tenant"),
    ] {
        client.drain(&Ask { method: "DELETE", path, ..Ask::default() }).await?;
    }
    Ok(())
}
