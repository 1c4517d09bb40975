//! A tenant who sends the worst of every kind at once: health, a kubelet and acknowledged writes are not affected.

use bytes::Bytes;
use pintle_testkit::{HTTP2_BEGIN, Http2, Raw, Sent, Server, Session, number_from_env};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The duration of the flood; `PINTLE_FLOOD_SECONDS` changes it.
const SECONDS: u64 = 10;
/// Connections of the tenant.
const CONNECTIONS: usize = 50;
/// Requests at a time on each that has several.
const STREAMS: usize = 100;
/// The time between two checks of health and renewals of the lease.
const PROBE_EVERY: Duration = Duration::from_millis(25);
/// The time for 99 of 100 probes; a build without optimisation shares its cores with a flood as slow as itself.
const P99_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 3000 } else { 500 });
const MEMORY_MB_MAX: u64 = 400;

const TENANT: &str = "alice-token";
const NODE: &str = "node-token";
const CONFIGMAPS: &str = "/api/v1/namespaces/flood/configmaps";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// A request that the tenant sends on one of the connections, again and again.
type Attack = fn() -> Sent<'static>;

/// Requests that cost far more than their size says.
const COSTLY: [Attack; 9] = [
    // Stored objects are for quotas to bound: here they are only worked on.
    || post("/api/v1/namespaces/flood/configmaps?dryRun=All", &annotations()),
    || post("/api/v1/namespaces/flood/pods", &containers()),
    || {
        patch(
            "json",
            &(0..4000)
                .map(|index| json!({"op": "add", "path": format!("/data/k{index}"), "value": "v"}))
                .collect(),
        )
    },
    || {
        patch(
            "merge",
            &json!({"data": (0..20_000).map(|index| (format!("k{index}"), json!("v"))).collect::<serde_json::Map<_, _>>()}),
        )
    },
    || patch("strategic-merge", &annotations()),
    || Sent { body: yaml_bomb(), ..sent("POST", CONFIGMAPS, &[("content-type", "application/yaml")]) },
    || Sent { body: deep(), ..sent("POST", CONFIGMAPS, &[("content-type", "application/json")]) },
    || sent("GET", "/api/v1/namespaces/flood/configmaps/large", &[("accept", "application/yaml")]),
    || sent("GET", "/api/v1/namespaces/flood/configmaps?pretty=1", &[]),
];

/// Requests whose clients do not read the answers.
const UNTAKEN: [Attack; 5] = [
    || sent("GET", "/api/v1/namespaces/flood/configmaps", &[]),
    || sent("GET", "/api/v1/namespaces/flood/configmaps/large", &[]),
    || sent("GET", "/openapi/v2", &[]),
    || sent("GET", "/api/v1/namespaces/flood/configmaps?watch=1", &[]),
    // A write is answered with far more than it said.
    || patch("merge", &json!({"data": {"b": "c"}})),
];

fn sent(method: &'static str, path: &'static str, headers: &'static [(&str, &str)]) -> Sent<'static> {
    Sent { method, path, headers, body: Bytes::new(), ends: true }
}

fn post(path: &'static str, body: &Value) -> Sent<'static> {
    Sent { body: body.to_string().into(), ..sent("POST", path, &[("content-type", "application/json")]) }
}

fn patch(kind: &str, body: &Value) -> Sent<'static> {
    let headers: &[(&str, &str)] = match kind {
        "json" => &[("content-type", "application/json-patch+json")],
        "merge" => &[("content-type", "application/merge-patch+json")],
        _ => &[("content-type", "application/strategic-merge-patch+json")],
    };
    let path = "/api/v1/namespaces/flood/configmaps/large?dryRun=All";
    Sent { body: body.to_string().into(), ..sent("PATCH", path, headers) }
}

fn annotations() -> Value {
    let all: serde_json::Map<_, _> =
        (0..20_000).map(|index| (format!("k{}", 99_999 - index), json!(""))).collect();
    json!({"metadata": {"generateName": "c", "annotations": all}})
}

fn containers() -> Value {
    json!({"metadata": {"generateName": "p"}, "spec": {"containers": vec![json!({}); 30_000]}})
}

fn yaml_bomb() -> Bytes {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let again = vec![format!("*a{}", level - 1); 8].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{again}]\n"));
    }
    text.into()
}

fn deep() -> Bytes {
    ("[".repeat(200_000) + &"]".repeat(200_000)).into()
}

/// Sends the same again and again, many times at once, until it is stopped.
async fn repeat(port: u16, attack: Attack, streams: usize) {
    loop {
        let Ok(http) = Http2::connect(port, TENANT, 1 << 20).await else {
            tokio::time::sleep(PROBE_EVERY).await;
            continue;
        };
        let sent = attack();
        let mut open = JoinSet::new();
        for _ in 0..streams {
            let (mut http, sent) = (http.clone(), sent.clone());
            open.spawn(async move { while http.send(sent.clone()).await.is_ok() {} });
        }
        while open.join_next().await.is_some() {}
    }
}

/// Asks much and takes nothing.
async fn take_nothing(port: u16) {
    loop {
        let Ok(http) = Http2::connect(port, TENANT, 0).await else {
            tokio::time::sleep(PROBE_EVERY).await;
            continue;
        };
        let mut open = JoinSet::new();
        for index in 0..STREAMS {
            let mut http = http.clone();
            let attack = UNTAKEN[index % UNTAKEN.len()];
            open.spawn(async move {
                let answer = http.send(attack()).await;
                if answer.is_ok() {
                    std::future::pending::<()>().await;
                }
            });
        }
        while open.join_next().await.is_some() {}
    }
}

/// Sends bodies that never end.
async fn never_end(port: u16) {
    loop {
        let Ok(http) = Http2::connect(port, TENANT, 1 << 20).await else {
            tokio::time::sleep(PROBE_EVERY).await;
            continue;
        };
        let mut open = JoinSet::new();
        for _ in 0..STREAMS {
            let mut http = http.clone();
            open.spawn(async move {
                let body = Bytes::from(vec![b' '; 100_000]);
                let head = sent("POST", CONFIGMAPS, &[("content-type", "application/json")]);
                let _ = http.send(Sent { body, ends: false, ..head }).await;
            });
        }
        while open.join_next().await.is_some() {}
    }
}

/// Connects and says little or nothing.
async fn say_nothing(port: u16) {
    loop {
        let mut held = Vec::new();
        for begin in [&b""[..], &HTTP2_BEGIN[..16], HTTP2_BEGIN, b"GET / HTTP/1.1\r\n"] {
            if let Ok(mut raw) = Raw::connect(port, &[b"h2"]).await {
                let _ = raw.send(begin).await;
                held.push(raw);
            }
        }
        for mut raw in held {
            raw.closed_after(b"x", Duration::from_secs(1), Duration::from_secs(5)).await;
        }
    }
}

fn flood(port: u16) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for index in 0..CONNECTIONS {
        match index % 5 {
            0 | 1 => all.spawn(repeat(port, COSTLY[index % COSTLY.len()], 8)),
            2 => all.spawn(take_nothing(port)),
            3 => all.spawn(never_end(port)),
            _ => all.spawn(say_nothing(port)),
        };
    }
    all
}

/// The times of probes, and the names that the node's lease and the objects beside it were acknowledged with.
struct Seen {
    livez: Vec<Duration>,
    lease: Vec<Duration>,
    written: Vec<String>,
    renewed: u64,
}

async fn probe(port: u16, until: Instant) -> Seen {
    let mut seen = Seen { livez: Vec::new(), lease: Vec::new(), written: Vec::new(), renewed: 0 };
    let (mut health, mut node) = (Session::new(port, NODE), Session::new(port, NODE));
    let mut admin = Session::new(port, "admin-token");
    while Instant::now() < until {
        let began = Instant::now();
        let answer = health.send("GET", "/livez", None).await.expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
        seen.livez.push(began.elapsed());
        let began = Instant::now();
        let count = seen.lease.len() as u64 + 1;
        let renewal = json!({"spec": {"leaseDurationSeconds": count}});
        let answer = node.send("PATCH", &format!("{LEASES}/node-1"), Some(&renewal)).await;
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
        seen.lease.push(began.elapsed());
        seen.renewed = count;
        let name = format!("kept-{count}");
        let object = json!({"metadata": {"name": name}});
        let answer = admin.send("POST", "/api/v1/namespaces/default/configmaps", Some(&object)).await;
        if answer.is_ok_and(|answer| answer.status == 201) {
            seen.written.push(name);
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
    seen
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort();
    let place = times.len().saturating_sub(1) * 99 / 100;
    times.get(place).copied().unwrap_or_default()
}

/// The most memory that the process has had, in megabytes.
fn memory_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

fn prepare(server: &Server) {
    let admin = server.admin();
    let check = |answer: pintle_testkit::ClientAnswer| assert!(answer.status < 300, "{}", answer.text());
    check(admin.post("/api/v1/namespaces", &json!({"metadata": {"name": "flood"}})));
    let role =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"});
    let binding = json!({"metadata": {"name": "alice"}, "roleRef": role, "subjects": [subject]});
    check(admin.post("/apis/rbac.authorization.k8s.io/v1/namespaces/flood/rolebindings", &binding));
    check(admin.post(LEASES, &json!({"metadata": {"name": "node-1"}, "spec": {"holderIdentity": "node-1"}})));
    check(
        admin.post(CONFIGMAPS, &json!({"metadata": {"name": "large"}, "data": {"a": "x\n".repeat(400_000)}})),
    );
    for index in 0..100 {
        let object = json!({"metadata": {"name": format!("f{index}")}, "data": {"a": "x".repeat(3000)}});
        check(admin.post(CONFIGMAPS, &object));
    }
}

#[test]
fn a_flood_leaves_health_kubelets_and_memory_as_they_are() {
    let mut server = Server::start();
    prepare(&server);
    let port = server.port();
    let seconds = number_from_env("PINTLE_FLOOD_SECONDS", SECONDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut seen = runtime.block_on(async {
        let attackers = flood(port);
        let seen = probe(port, Instant::now() + Duration::from_secs(seconds)).await;
        drop(attackers);
        seen
    });
    let memory = memory_mb(server.pid());
    let (livez, lease) = (p99(&mut seen.livez), p99(&mut seen.lease));
    let count = seen.lease.len();
    println!("{count} probes: 99 % of /livez in {livez:?}, of leases in {lease:?}; {memory} MB");
    assert!(livez < P99_MAX && lease < P99_MAX, "/livez {livez:?}, leases {lease:?}");
    assert!(memory < MEMORY_MB_MAX, "{memory} MB");
    server.kill();
    server.spawn();
    let admin = server.admin();
    let renewed = admin.get(&format!("{LEASES}/node-1")).json()["spec"]["leaseDurationSeconds"].as_u64();
    assert_eq!(renewed, Some(seen.renewed));
    for name in &seen.written {
        let status = admin.get(&format!("/api/v1/namespaces/default/configmaps/{name}")).status;
        assert_eq!(status, 200, "{name} is lost");
    }
}
