//! The log: klog's lines in text and JSON, at the verbosity of now, and without secrets at any.

use bytes::Bytes;
use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// Whether a line has klog's head: `I1129 23:48:43.878033   10458 conn.rs:47] "..."`.
fn is_klogs(line: &str) -> bool {
    let Some((head, said)) = line.split_once("] ") else { return false };
    let parts: Vec<&str> = head.split_whitespace().collect();
    let [day, time, process, place] = parts.as_slice() else { return false };
    let is_day = day.len() == 5 && day.starts_with(['I', 'W', 'E']);
    let is_place = place.split_once(".rs:").is_some_and(|(_, line)| line.parse::<u32>().is_ok());
    is_day && time.len() == 15 && process.parse::<u32>().is_ok() && is_place && said.starts_with('"')
}

#[test]
fn a_request_leaves_a_line_from_verbosity_3_on_which_may_change() {
    let server = Server::start();
    let admin = server.admin();
    let lines = |path: &str| {
        let of_request = |line: &&str| line.contains("\"HTTP\"") && line.contains(path);
        server.log().lines().filter(of_request).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(admin.get("/api/v1/namespaces/before").status, 404);
    let put =
        |body: &'static str| admin.send("PUT", "/debug/flags/v", &[], Bytes::from_static(body.as_bytes()));
    let answer = put("3");
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "successfully set klog.logging.verbosity to 3")
    );
    assert_eq!(put("x").status, 400);
    assert_eq!(admin.get("/debug/flags/v").status, 406);
    assert_eq!(server.alice().get("/debug/flags/v").status, 403);
    assert_eq!(admin.get("/api/v1/namespaces/after").status, 404);
    assert_eq!(put("0").status, 200);
    assert_eq!(admin.get("/api/v1/namespaces/later").status, 404);
    assert!(lines("before").is_empty() && lines("later").is_empty());
    let after = lines("after");
    let [line] = after.as_slice() else { panic!("{after:?}") };
    assert!(is_klogs(line), "{line}");
    for part in ["verb=\"GET\"", "URI=\"/api/v1/namespaces/after\"", "latency=\"", "audit-ID=\"", "resp=404"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn lines_are_json_when_asked_for() {
    let mut server = Server::with_flags(&["--logging-format=json", "-v=3"]);
    assert_eq!(server.admin().get("/api/v1/namespaces/default").status, 200);
    assert!(server.stop());
    let log = server.log();
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect(line)).collect();
    let request = lines.iter().find(|line| line["URI"] == "/api/v1/namespaces/default").expect("a line");
    assert_eq!((&request["msg"], &request["v"], &request["resp"]), (&json!("HTTP"), &json!(3), &json!(200)));
    assert!(request["ts"].is_f64() && request["caller"].is_string(), "{request}");
}

#[test]
fn no_verbosity_tells_secrets() {
    let mut server = Server::with_flags(&["-v=10"]);
    let admin = server.admin();
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"password": "hunter2-of-nobody"}});
    assert_eq!(admin.post(SECRETS, &secret).status, 201);
    assert_eq!(admin.get(&format!("{SECRETS}/s")).status, 200);
    let patch = json!({"stringData": {"password": "hunter3-of-nobody"}});
    assert_eq!(admin.patch("merge", &format!("{SECRETS}/s"), &patch).status, 200);
    let account = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let token = admin.post(account, &json!({"spec": {}})).json()["status"]["token"].clone();
    let token = token.as_str().expect("a token").to_string();
    assert_eq!(Client::new(server.port(), Some(&token)).get("/api").status, 200);
    assert_eq!(Client::new(server.port(), Some("wrong-token-of-somebody")).get("/api").status, 401);
    assert!(server.stop());
    let log = server.log();
    assert!(log.contains("\"HTTP\""), "{log}");
    let encoded = ["aHVudGVyMi1vZi1ub2JvZHk", "aHVudGVyMy1vZi1ub2JvZHk"];
    let plain = ["hunter2-of-nobody", "hunter3-of-nobody", "admin-token", "wrong-token-of-somebody", &token];
    for secret in encoded.into_iter().chain(plain) {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn what_runs_and_with_which_flags_is_told_to_those_who_may_ask() {
    let server = Server::with_flags(&["-v=1"]);
    let admin = server.admin();
    assert!(admin.get("/statusz").text().starts_with("\napiserver statusz\nWarning: "));
    let accept = "application/json;v=v1beta1;g=config.k8s.io;as=Flagz";
    let flags = admin.send("GET", "/flagz", &[("accept", accept)], Bytes::new());
    assert_eq!((flags.status, &flags.json()["flags"]["v"]), (200, &json!("1")));
    assert_eq!(admin.send("GET", "/statusz", &[("accept", "application/json")], Bytes::new()).status, 406);
    let old = "application/yaml;v=v1alpha1;g=config.k8s.io;as=Statusz";
    let status = admin.send("GET", "/statusz", &[("accept", old)], Bytes::new());
    assert!(status.header("warning").is_some_and(|warning| warning.contains("deprecated")));
    assert_eq!(server.alice().get("/flagz").status, 403);
    let without = Server::with_flags(&["--feature-gates=ComponentFlagz=false", "--profiling=false"]);
    let statuses = ["/flagz", "/statusz", "/debug/flags/v"].map(|path| without.admin().get(path).status);
    assert_eq!(statuses, [404, 200, 404]);
}
