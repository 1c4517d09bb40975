//! The real kubectl through to a kubelet: logs, processes, copies and ports, over WebSocket and SPDY.

use pintle_testkit::{FOLLOWED_LINES, Kubelet, Server};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// kubectl against one server and its node; `None` when the machine has no kubectl.
struct Kubectl<'a> {
    binary: PathBuf,
    server: &'a Server,
    /// Whether streams go over WebSocket, as by default since 1.31, or over SPDY.
    is_websocket: bool,
}

/// A server with one node and a Pod on it.
fn cluster(kubelet: &Kubelet) -> Server {
    let server = Server::start();
    let admin = server.admin();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port()}}}});
    assert_eq!(admin.post("/api/v1/nodes", &node).status, 201);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                     "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i", "stdin": true}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/pods", &pod).status, 201);
    let ready = json!({"state": {"running": {}}, "name": "c", "ready": true, "restartCount": 0, "image": "i", "imageID": "i"});
    let status = json!({"status": {"phase": "Running", "containerStatuses": [ready]}});
    assert_eq!(admin.patch("merge", "/api/v1/namespaces/default/pods/p/status", &status).status, 200);
    server
}

impl<'a> Kubectl<'a> {
    /// Over WebSocket, and over SPDY.
    fn both(server: &'a Server) -> Vec<Kubectl<'a>> {
        let Some(binary) = pintle_testkit::kubectl() else {
            eprintln!("no kubectl on this machine: nothing tested");
            return Vec::new();
        };
        [true, false].map(|is_websocket| Kubectl { binary: binary.clone(), server, is_websocket }).into()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        let wanted = self.is_websocket.to_string();
        command
            .arg(format!("--kubeconfig={}", self.server.kubeconfig().display()))
            .args(arguments)
            .env("HOME", self.server.data_dir())
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", &wanted)
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", &wanted);
        command
    }

    fn output(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl starts");
        let mut to = child.stdin.take().expect("the input is a pipe");
        let stdin = stdin.to_vec();
        let feeding = std::thread::spawn(move || {
            let _ = to.write_all(&stdin);
        });
        let output = child.wait_with_output().expect("kubectl ends");
        feeding.join().expect("the input does not panic");
        output
    }

    /// Its output; fails the test when it fails.
    fn run(&self, arguments: &[&str], stdin: &[u8]) -> Vec<u8> {
        let output = self.output(arguments, stdin);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}, WebSocket {}: {said}", self.is_websocket);
        output.stdout
    }
}

/// Bytes that repeat only after long.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}

#[test]
fn logs_are_read_and_followed() {
    let kubelet = Kubelet::start();
    let server = cluster(&kubelet);
    let Some(kubectl) = Kubectl::both(&server).into_iter().next() else { return };
    assert_eq!(kubectl.run(&["logs", "p"], b""), b"one\ntwo\n");
    let followed = String::from_utf8(kubectl.run(&["logs", "-f", "p", "--tail=3"], b"")).unwrap();
    assert_eq!(followed.lines().count(), FOLLOWED_LINES);
    assert!(kubelet.asked().contains(&"GET /containerLogs/default/p/c?follow=true&tailLines=3".into()));
}

#[test]
fn processes_are_run_and_fed() {
    let kubelet = Kubelet::start();
    let server = cluster(&kubelet);
    for kubectl in Kubectl::both(&server) {
        assert_eq!(kubectl.run(&["exec", "p", "--", "echo", "a b", "&c"], b""), b"a b &c\n");
        let all = noise(3 << 20);
        assert!(kubectl.run(&["exec", "-i", "p", "--", "cat"], &all) == all, "{}", kubectl.is_websocket);
        let failed = kubectl.output(&["exec", "p", "--", "sh", "-c", "echo why >&2; exit 3"], b"");
        assert_eq!(failed.status.code(), Some(3), "{failed:?}");
        assert!(String::from_utf8_lossy(&failed.stderr).starts_with("why\n"), "{failed:?}");
        let attached = kubectl.run(&["attach", "-i", "p", "-q"], b"told\n");
        assert_eq!(String::from_utf8_lossy(&attached), "attached\ntold\n");
    }
    let version = |path: &str| kubelet.asked().iter().filter(|asked| asked.contains(path)).count();
    assert_eq!((version("POST /exec/"), version("POST /attach/")), (6, 2));
    // Those over WebSocket were translated; a process that fails is none that could not be.
    let counts = server.admin().get("/metrics").text();
    let has = |line: &str| assert!(counts.lines().any(|one| one == line), "{line}");
    has("apiserver_stream_translator_requests_total{code=\"200\"} 4");
    let routed = "apiserver_websocket_streaming_requests_total{proxy_type=\"translated_at_apiserver\"";
    has(&format!("{routed},subresource=\"exec\"}} 6"));
    has(&format!("{routed},subresource=\"attach\"}} 2"));
}

#[test]
fn files_are_copied_both_ways() {
    let kubelet = Kubelet::start();
    let server = cluster(&kubelet);
    let dir = server.data_dir();
    std::fs::write(dir.join("here"), noise(1 << 20)).unwrap();
    for kubectl in Kubectl::both(&server) {
        let there = dir.join(format!("there-{}", kubectl.is_websocket));
        let back = dir.join(format!("back-{}", kubectl.is_websocket));
        let (here, there, back) =
            (dir.join("here").display().to_string(), there.display().to_string(), back.display().to_string());
        kubectl.run(&["cp", &here, &format!("p:{there}")], b"");
        assert!(std::fs::read(&there).unwrap() == noise(1 << 20));
        kubectl.run(&["cp", &format!("p:{there}"), &back], b"");
        assert!(std::fs::read(&back).unwrap() == noise(1 << 20));
    }
}

/// A server that says everything back.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the test's own");
    let port = listener.local_addr().expect("the test's own").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut from, mut to) = (stream.try_clone().expect("the test's own"), stream);
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    port
}

#[test]
fn ports_are_forwarded_byte_by_byte() {
    let kubelet = Kubelet::start();
    let server = cluster(&kubelet);
    let there = echo();
    let both = Kubectl::both(&server);
    if both.is_empty() {
        return;
    }
    for kubectl in both {
        let here = pintle_testkit::free_port();
        let mut command = kubectl.command(&["port-forward", "p", &format!("{here}:{there}")]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("kubectl starts");
        let mut said = [0; 16];
        child.stdout.as_mut().expect("the output is a pipe").read_exact(&mut said).unwrap();
        for _ in 0..2 {
            let all = noise(4 << 20);
            let stream = TcpStream::connect(("127.0.0.1", here)).unwrap();
            let mut to = stream.try_clone().unwrap();
            let sent = all.clone();
            let sending = std::thread::spawn(move || {
                to.write_all(&sent).unwrap();
                to.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut back = Vec::new();
            (&stream).read_to_end(&mut back).unwrap();
            sending.join().unwrap();
            assert!(back == all, "WebSocket {}: {} bytes", kubectl.is_websocket, back.len());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let counts = server.admin().get("/metrics").text();
    let tunnelled = "apiserver_stream_tunnel_requests_total{code=\"101\"} 1";
    assert!(counts.lines().any(|line| line == tunnelled), "{counts}");
}
