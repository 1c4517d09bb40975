//! On etcd: the same answers, with several servers on one etcd.

use pintle_testkit::{Etcd, Server};
use serde_json::json;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn on(etcd: &Etcd) -> Server {
    Server::with_flags(&[&format!("--etcd-servers={}", etcd.url())])
}

#[test]
fn two_servers_on_one_etcd_see_each_others_writes_at_once() {
    let Some(etcd) = Etcd::start() else { return };
    let (one, other) = (on(&etcd), on(&etcd));
    let (one, other) = (one.admin(), other.admin());
    let path = "/api/v1/namespaces/default/configmaps";
    for round in 0..10 {
        let name = format!("c{round}");
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        assert_eq!(one.post(path, &body).status, 201);
        let found = other.get(&format!("{path}/{name}"));
        assert_eq!(found.status, 200, "{found:?}");
        let mut next = found.json();
        next["data"] = json!({"round": round.to_string()});
        assert_eq!(one.put(&format!("{path}/{name}"), &next).status, 200);
        // The version that the other has read is no longer the latest.
        let late = other.put(&format!("{path}/{name}"), &next);
        assert_eq!(late.status, 409, "{late:?}");
        assert_eq!(other.delete(&format!("{path}/{name}")).status, 200);
        assert_eq!(one.get(&format!("{path}/{name}")).status, 404);
    }
}

#[test]
fn a_namespace_of_one_server_is_known_to_the_other_at_once() {
    let Some(etcd) = Etcd::start() else { return };
    let (one, other) = (on(&etcd), on(&etcd));
    let (one, other) = (one.admin(), other.admin());
    for round in 0..10 {
        let name = format!("n{round}");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        assert_eq!(one.post("/api/v1/namespaces", &namespace).status, 201);
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        let made = other.post(&format!("/api/v1/namespaces/{name}/configmaps"), &body);
        assert_eq!(made.status, 201, "{made:?}");
    }
}

/// Writes an authority, and certificates that it signed for a server and a client.
fn certificates(dir: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let (authority_key, mut authority) = (rcgen::KeyPair::generate()?, rcgen::CertificateParams::default());
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(dir.join("ca.crt"), authority.self_signed(&authority_key)?.pem())?;
    let issuer = rcgen::Issuer::new(authority, authority_key);
    for name in ["server", "client"] {
        let key = rcgen::KeyPair::generate()?;
        let certificate =
            rcgen::CertificateParams::new(vec!["127.0.0.1".into()])?.signed_by(&key, &issuer)?;
        std::fs::write(dir.join(format!("{name}.crt")), certificate.pem())?;
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
    }
    Ok(())
}

#[test]
fn etcd_is_spoken_to_with_certificates() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path()).unwrap();
    let flag = |name: &str, file: &str| format!("--{name}={}", dir.path().join(file).display());
    let its_flags = [
        flag("cert-file", "server.crt"),
        flag("key-file", "server.key"),
        flag("trusted-ca-file", "ca.crt"),
        String::from("--client-cert-auth"),
    ];
    let Some(etcd) = Etcd::with_tls(&its_flags.each_ref().map(String::as_str)) else { return };
    let our_flags = [
        format!("--etcd-servers={}", etcd.url()),
        flag("etcd-cafile", "ca.crt"),
        flag("etcd-certfile", "client.crt"),
        flag("etcd-keyfile", "client.key"),
    ];
    let server = Server::with_flags(&our_flags.each_ref().map(String::as_str));
    assert_eq!(server.admin().get("/api/v1/namespaces/default").status, 200);
}

#[test]
fn everything_is_there_for_the_next_server() {
    let Some(etcd) = Etcd::start() else { return };
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}});
    let first = on(&etcd);
    let made = first.admin().post("/api/v1/namespaces", &body);
    assert_eq!(made.status, 201);
    drop(first);
    let found = on(&etcd).admin().get("/api/v1/namespaces/kept");
    assert_eq!(found.json(), made.json());
}

#[test]
fn health_tells_of_an_etcd_that_is_gone() {
    let Some(mut etcd) = Etcd::start() else { return };
    let server = on(&etcd);
    let client = server.admin();
    assert_eq!(client.get("/healthz").status, 200);
    etcd.kill();
    for (path, expected) in
        [("/healthz", 500), ("/readyz", 500), ("/livez/etcd", 500), ("/livez?exclude=etcd", 200)]
    {
        let answer = client.get(path);
        assert_eq!(answer.status, expected, "{path}: {answer:?}");
    }
    // Reads that any state will do for are answered all the same; those of now and writes are not.
    let path = "/api/v1/namespaces";
    assert_eq!(client.get(&format!("{path}?resourceVersion=0")).status, 200);
    assert_eq!(client.get(path).status, 503);
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lost"}});
    assert_eq!(client.post(path, &body).status, 503);
    etcd.spawn();
    assert_eq!(client.post(path, &body).status, 201);
    assert_eq!(client.get("/readyz").status, 200);
}

#[test]
fn events_end_after_their_time_here_and_there() {
    let etcd = Etcd::start();
    let mut servers = vec![Server::with_flags(&["--event-ttl=1s"])];
    if let Some(etcd) = &etcd {
        let flag = format!("--etcd-servers={}", etcd.url());
        servers.push(Server::with_flags(&["--event-ttl=1s", &flag]));
    }
    let path = "/api/v1/namespaces/default/events";
    let body = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
    });
    for server in &servers {
        let made = server.admin().post(path, &body);
        assert_eq!(made.status, 201, "{made:?}");
    }
    for server in servers {
        // A lease of etcd's lives a few seconds at least.
        let is_gone = (0..150).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            server.admin().get(&format!("{path}/e")).status == 404
        });
        assert!(is_gone);
    }
}

/// Several threads on both servers make Services at once: no address and no port is given away twice.
#[test]
fn two_servers_on_one_etcd_never_hand_out_the_same() {
    let Some(etcd) = Etcd::start() else { return };
    // So few that the two must meet: 13 addresses are left beside the one of the Service kubernetes.
    let flags = [
        format!("--etcd-servers={}", etcd.url()),
        String::from("--service-cluster-ip-range=10.0.0.0/28"),
        String::from("--service-node-port-range=30000-30011"),
    ];
    let flags = flags.each_ref().map(String::as_str);
    let servers = [Server::with_flags(&flags), Server::with_flags(&flags)];
    let path = "/api/v1/namespaces/default/services";
    let body = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
               "spec": {"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}}})
    };
    let made = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (server, made) = (&servers[thread % 2], &made);
            scope.spawn(move || {
                let client = server.admin();
                for index in 0..4 {
                    let answer = client.post(path, &body(&format!("s-{thread}-{index}")));
                    match answer.status {
                        201 => made.lock().unwrap().push(answer.json()),
                        // All are taken.
                        500 => assert!(answer.text().contains("range is full"), "{answer:?}"),
                        _ => panic!("{answer:?}"),
                    }
                }
            });
        }
    });
    let made = made.into_inner().unwrap();
    let distinct = |field: fn(&serde_json::Value) -> &serde_json::Value| {
        made.iter().map(|service| field(service).to_string()).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(made.len(), 12, "there are 12 ports");
    assert_eq!(distinct(|service| &service["spec"]["clusterIP"]), 12);
    assert_eq!(distinct(|service| &service["spec"]["ports"][0]["nodePort"]), 12);

    // Addresses that one server frees can be allocated by the other; those in use are refused by both.
    let (one, other) = (servers[0].admin(), servers[1].admin());
    let (ip, port) = (&made[3]["spec"]["clusterIP"], &made[3]["spec"]["ports"][0]["nodePort"]);
    let mut wanted = body("wanted");
    wanted["spec"]["clusterIP"] = ip.clone();
    wanted["spec"]["ports"][0]["nodePort"] = port.clone();
    for client in [&one, &other] {
        let refused = client.post(path, &wanted);
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("provided IP is already allocated"), "{refused:?}");
    }
    let name = made[3]["metadata"]["name"].as_str().unwrap();
    assert_eq!(one.delete(&format!("{path}/{name}")).status, 200);
    let taken = other.post(path, &wanted);
    assert_eq!(taken.status, 201, "{taken:?}");
    let records = one.get("/apis/networking.k8s.io/v1/ipaddresses").json();
    assert_eq!(records["items"].as_array().map(Vec::len), Some(13));
}

/// The way to an etcd, which can be closed and opened.
struct Gate {
    port: u16,
    etcd: u16,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    fn new(etcd: &Etcd) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let etcd = etcd.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let gate = Gate { port, etcd, is_open: Arc::new(AtomicBool::new(true)) };
        let (is_open, etcd) = (gate.is_open.clone(), gate.etcd);
        std::thread::spawn(move || {
            for ours in listener.incoming().flatten().filter(|_| is_open.load(Ordering::SeqCst)) {
                let Ok(theirs) = TcpStream::connect(("127.0.0.1", etcd)) else { continue };
                for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
                    let pair = (from.try_clone(), to.try_clone());
                    let is_open = is_open.clone();
                    std::thread::spawn(move || pass(pair.0, pair.1, &is_open));
                }
            }
        });
        gate
    }
}

/// Carries bytes until one side ends, or the gate is closed.
fn pass(from: io::Result<TcpStream>, to: io::Result<TcpStream>, is_open: &AtomicBool) {
    let (Ok(mut from), Ok(mut to)) = (from, to) else { return };
    let _ = from.set_read_timeout(Some(Duration::from_millis(20)));
    let mut buffer = [0; 16 << 10];
    while is_open.load(Ordering::SeqCst) {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) if to.write_all(&buffer[..len]).is_err() => break,
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                break;
            }
            _ => {}
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Events that etcd has compacted are lost: a watch ends with 410, as upstream's, and a new list shows the current
/// state.
#[test]
fn a_watch_that_missed_what_was_compacted_is_gone() {
    let Some(etcd) = Etcd::start() else { return };
    let gate = Gate::new(&etcd);
    let cut_off = Server::with_flags(&[
        &format!("--etcd-servers=http://127.0.0.1:{}", gate.port),
        "--etcd-compaction-interval=0",
    ]);
    let flag = format!("--etcd-servers={}", etcd.url());
    let compacting = Server::with_flags(&[&flag, "--etcd-compaction-interval=300ms"]);
    let (client, other) = (cut_off.admin(), compacting.admin());
    let path = "/api/v1/namespaces/default/configmaps";
    let body = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let first = client.post(path, &body("first")).json();
    let from = first["metadata"]["resourceVersion"].as_str().unwrap();
    let watched = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let client = cut_off.admin();
            client.watch_for(&format!("{path}?watch=1&resourceVersion={from}"), Duration::from_secs(20))
        });
        // Writes go on while the first server is cut off, until etcd has compacted them.
        std::thread::sleep(Duration::from_millis(200));
        gate.is_open.store(false, Ordering::SeqCst);
        for round in 0..12 {
            assert_eq!(other.post(path, &body(&format!("missed-{round}"))).status, 201);
            std::thread::sleep(Duration::from_millis(100));
        }
        gate.is_open.store(true, Ordering::SeqCst);
        watch.join().unwrap()
    });
    let last = watched.last().expect("an event");
    assert_eq!((&last["type"], &last["object"]["code"]), (&json!("ERROR"), &json!(410)), "{last}");
    assert_eq!(last["object"]["reason"], "Expired", "{last}");
    let list = client.get(path).json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(13));
    // From the old version nothing can be followed, from the new one everything.
    let old = client.watch_for(&format!("{path}?watch=1&resourceVersion={from}"), Duration::from_millis(500));
    assert_eq!(old.last().map(|event| &event["object"]["code"]), Some(&json!(410)), "{old:?}");
    let from = list["metadata"]["resourceVersion"].as_str().unwrap();
    assert_eq!(other.post(path, &body("next")).status, 201);
    let new = client.watch_for(&format!("{path}?watch=1&resourceVersion={from}"), Duration::from_millis(500));
    assert_eq!(
        new.first().map(|event| &event["object"]["metadata"]["name"]),
        Some(&json!("next")),
        "{new:?}"
    );
}

#[test]
fn a_full_etcd_is_told_of_in_its_own_words_and_its_size_is_shown() {
    let Some(etcd) = Etcd::with_flags(&["--quota-backend-bytes=2500000"]) else { return };
    let flag = format!("--etcd-servers={}", etcd.url());
    let server = Server::with_flags(&[&flag, "--etcd-db-metric-poll-interval=100ms"]);
    let client = server.admin();
    let path = "/api/v1/namespaces/default/configmaps";
    let refused = (0..200).map(|index| {
        let data = json!({"k": "x".repeat(100_000)});
        let name = format!("c{index}");
        client.post(
            path,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}),
        )
    });
    let refused = refused.into_iter().find(|answer| answer.status != 201).expect("etcd is full at last");
    assert_eq!(refused.status, 500);
    assert_eq!(refused.json()["message"], "etcdserver: mvcc: database space exceeded");
    // Existing objects can be read, and the server is as well as upstream's would be.
    assert_eq!(client.get(&format!("{path}/c0")).status, 200);
    assert_eq!(client.get("/readyz").status, 200);
    let metrics = client.get("/metrics").text();
    let line = metrics.lines().find(|line| line.starts_with("apiserver_storage_size_bytes{")).unwrap();
    let (labels, bytes) = line.split_once(' ').unwrap();
    assert_eq!(labels, r#"apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}"#);
    assert!(bytes.parse::<f64>().is_ok_and(|bytes| bytes > 100_000.0), "{line}");
}

/// A value that cannot be read, as clients see it.
#[test]
fn a_value_that_cannot_be_read_is_told_of() {
    let Some(etcd) = Etcd::start() else { return };
    let server = on(&etcd);
    let admin = server.admin();
    let path = "/api/v1/namespaces/default/configmaps";
    let body = json!({"metadata": {"name": "good"}});
    assert_eq!(admin.post(path, &body).status, 201);
    let key = "/registry/configmaps/default/bad";
    for (value, words) in [
        ("k8s:enc:aescbc:v1:key1:abc", "identity transformer tried to read encrypted data"),
        (
            "{\"kind\":\"NoSuch\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"bad\"}}",
            "no kind \"NoSuch\" is registered",
        ),
        ("garbage", "illegal base64 data at input byte 4"),
        ("{bad", "couldn't get version/kind; json parse error: invalid character 'b'"),
    ] {
        etcd.put(key, value);
        wait_until(|| admin.get(&format!("{path}/bad")).status == 500);
        let deadline = Duration::from_secs(5);
        for query in ["", "?limit=1", "?labelSelector=a%3Db", "?fieldSelector=metadata.name%3Dbad"] {
            let answer = admin.get(&format!("{path}{query}"));
            assert_eq!(answer.status, 500, "{value} {query}: {}", answer.text());
            assert!(
                answer.json()["message"].as_str().is_some_and(|message| message.contains(words)),
                "{value}"
            );
        }
        assert_eq!(admin.get(&format!("{path}?resourceVersion=0")).status, 429, "{value}");
        assert_eq!(admin.get(&format!("{path}?watch=1")).status, 429, "{value}");
        assert_eq!(admin.get(&format!("{path}/good")).status, 200);
        assert_eq!(admin.delete(&format!("{path}/bad")).status, 500);
        assert_eq!(admin.post(path, &json!({"metadata": {"name": "bad"}})).status, 409);
        assert_eq!(admin.get("/readyz").status, 500);
        assert_eq!(admin.get("/livez").status, 200);
        assert!(server.log().contains(key), "{value}");
        etcd.remove(key);
        wait_until(|| admin.get(path).status == 200);
        assert_eq!(admin.get("/readyz").status, 200);
        assert!(!admin.watch_until(path, 1, deadline).is_empty());
    }
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to be so");
        std::thread::sleep(Duration::from_millis(50));
    }
}
