//! API priority and fairness of a running server: the levels of requests, their treatment without a free seat, and
//! headers and metrics.

use bytes::Bytes;
use pintle_testkit::{Client, ClientAnswer, Server, WITHIN, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const GROUP: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const DUMPS: &str = "/debug/api_priority_and_fairness";
const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A level without a seat of its own, and none to borrow.
fn level(name: &str, limit_response: &Value) -> Value {
    json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
        "metadata": {"name": name},
        "spec": {"type": "Limited", "limited": {
            "nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": limit_response,
        }},
    })
}

/// A schema of all that alice asks in the namespace `default`.
fn schema(name: &str, level: &str) -> Value {
    json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": 150, "priorityLevelConfiguration": {"name": level},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{
                "subjects": [{"kind": "User", "user": {"name": "alice"}}],
                "resourceRules": [
                    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["default"]},
                ],
            }],
        },
    })
}

/// The names of the schema and the level in an answer's headers.
fn names(admin: &Client, answer: &ClientAnswer) -> [String; 2] {
    [("flowschemas", "flowschema"), ("prioritylevelconfigurations", "prioritylevel")].map(
        |(plural, header)| {
            let uid =
                answer.header(&format!("x-kubernetes-pf-{header}-uid")).expect("every answer tells of it");
            let list = admin.get(&format!("{GROUP}/{plural}")).json();
            let items = list["items"].as_array().expect("a list").clone();
            let named = items.iter().find(|item| item["metadata"]["uid"] == uid).expect("an object");
            named["metadata"]["name"].as_str().expect("a name").to_owned()
        },
    )
}

/// A server on which alice's requests in `default` go to a level of its own.
fn with_level(limit_response: &Value) -> (Server, Client) {
    let server = Server::start();
    let admin = server.admin();
    assert_eq!(
        admin.post(&format!("{GROUP}/prioritylevelconfigurations"), &level("l", limit_response)).status,
        201
    );
    assert_eq!(admin.post(&format!("{GROUP}/flowschemas"), &schema("s", "l")).status, 201);
    let is_in_use = || admin.get(&format!("{DUMPS}/dump_priority_levels")).text().contains("\nl,");
    eventually("the level is in use", WITHIN, is_in_use);
    (server, admin)
}

#[test]
fn answers_tell_their_schema_and_level_whatever_they_are() {
    let server = Server::start();
    let (admin, alice) = (server.admin(), server.alice());
    let check = |client: &Client, path: &str, status: u16, expected: [&str; 2]| {
        let answer = client.get(path);
        assert_eq!((answer.status, names(&admin, &answer)), (status, expected.map(String::from)), "{path}");
    };
    check(&admin, "/api/v1/namespaces", 200, ["exempt", "exempt"]);
    check(&admin, &format!("{CONFIGMAPS}/none"), 404, ["exempt", "exempt"]);
    check(&admin, "/api/v1/nonsense", 404, ["exempt", "exempt"]);
    check(&alice, CONFIGMAPS, 403, ["global-default", "global-default"]);
    check(&alice, "/healthz", 200, ["probes", "exempt"]);
    let stranger = Client::new(server.port(), Some("wrong"));
    let answer = stranger.get("/api/v1/namespaces");
    assert_eq!((answer.status, answer.header("x-kubernetes-pf-flowschema-uid")), (401, None));
}

#[test]
fn who_finds_no_seat_waits_a_part_of_its_time_and_is_told_when_to_come_back() {
    let queues = json!({"type": "Queue", "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": 1}});
    let (server, admin) = with_level(&queues);
    let alice = server.alice();
    let began = Instant::now();
    let answer = alice.get(&format!("{CONFIGMAPS}?timeout=2s"));
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!((answer.status, answer.text()), (429, "Too many requests, please try again later.\n".into()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(names(&admin, &answer), ["s", "l"].map(String::from));
    // Others are not concerned, and alice elsewhere is not.
    assert_eq!(server.admin().get(CONFIGMAPS).status, 200);
    assert_eq!(alice.get("/api/v1/namespaces/other/configmaps").status, 403);

    let waiting = std::thread::spawn({
        let client = server.alice();
        move || client.get(&format!("{CONFIGMAPS}?timeout=20s")).status
    });
    let rows = || {
        let text = admin.get(&format!("{DUMPS}/dump_requests?includeRequestDetails=1")).text();
        let rows = text.lines().filter(|line| line.starts_with("l,"));
        rows.map(|row| row.split(',').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    eventually("the request waits", WITHIN, || !rows().is_empty());
    let rows = rows();
    let row: Vec<&str> = rows[0].iter().map(String::as_str).collect();
    assert_eq!(row[..5], ["l", "s", "0", "0", ""]);
    assert_eq!(row[9], "0001-01-01T00:00:00Z");
    assert_eq!(row[10..], ["alice", "list", CONFIGMAPS, "default", "", "v1", "configmaps", ""]);
    // Its queue is full, though a level without seats has no use for one.
    let answer = alice.get(CONFIGMAPS);
    assert_eq!(answer.status, 429);

    // A new seat is given to the waiting request.
    let mut grown = level("l", &queues);
    grown["spec"]["limited"]["nominalConcurrencyShares"] = 10.into();
    let path = format!("{GROUP}/prioritylevelconfigurations/l");
    grown["metadata"]["resourceVersion"] = admin.get(&path).json()["metadata"]["resourceVersion"].clone();
    assert_eq!(admin.put(&path, &grown).status, 200);
    assert_eq!(waiting.join().expect("the request ends"), 403);
    let metrics = admin.get("/metrics").text();
    for line in [
        r#"apiserver_flowcontrol_rejected_requests_total{flow_schema="s",priority_level="l",reason="time-out"} 1"#,
        r#"apiserver_flowcontrol_rejected_requests_total{flow_schema="s",priority_level="l",reason="queue-full"} 1"#,
        r#"apiserver_flowcontrol_dispatched_requests_total{flow_schema="s",priority_level="l"} 1"#,
        r#"apiserver_flowcontrol_current_executing_seats{flow_schema="s",priority_level="l"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn what_is_mandatory_is_there_without_its_objects() {
    let server = Server::start();
    let admin = server.admin();
    for name in ["exempt", "catch-all"] {
        admin.delete(&format!("{GROUP}/flowschemas/{name}"));
        admin.delete(&format!("{GROUP}/prioritylevelconfigurations/{name}"));
    }
    let answer = admin.get(CONFIGMAPS);
    assert_eq!(answer.status, 200);
    let levels = admin.get(&format!("{DUMPS}/dump_priority_levels")).text();
    assert!(levels.contains("\nexempt,") && levels.contains("\ncatch-all,"), "{levels}");
}

#[test]
fn a_write_whose_body_comes_late_is_dispatched_once() {
    let (server, admin) = with_level(&json!({"type": "Reject"}));
    let alice = server.alice();
    // A level without seats takes one request at a time all the same.
    let body =
        Bytes::from(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).to_string());
    assert_eq!(alice.send("POST", CONFIGMAPS, &[("content-type", "application/json")], body).status, 403);
    let levels = admin.get(&format!("{DUMPS}/dump_priority_levels")).text();
    let row = levels.lines().find(|line| line.starts_with("l,")).expect("the level's row");
    let cells: Vec<&str> = row.split(',').map(str::trim).collect();
    assert_eq!(cells, ["l", "0", "true", "false", "0", "0", "1", "0", "0", "0"]);
}

#[test]
fn without_fairness_reads_and_writes_are_limited_apart() {
    let server = Server::with_flags(&["--enable-priority-and-fairness=false"]);
    let admin = server.admin();
    let answer = admin.get(CONFIGMAPS);
    assert_eq!((answer.status, answer.header("x-kubernetes-pf-flowschema-uid")), (200, None));
    assert_eq!(admin.get(&format!("{DUMPS}/dump_priority_levels")).status, 404);
    assert!(!admin.get("/metrics").text().contains("apiserver_flowcontrol_"));
}

#[test]
fn dumps_are_for_those_who_may_read_them() {
    let server = Server::start();
    let (admin, alice) = (server.admin(), server.alice());
    for dump in ["dump_priority_levels", "dump_queues", "dump_requests"] {
        let path = format!("{DUMPS}/{dump}");
        assert_eq!(alice.get(&path).status, 403);
        let answer = admin.get(&path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
        assert!(answer.text().starts_with("PriorityLevelName, "), "{}", answer.text());
    }
    assert_eq!(admin.get(&format!("{DUMPS}/")).status, 404);
    assert_eq!(admin.get(&format!("{DUMPS}/dump_else")).status, 404);
}
