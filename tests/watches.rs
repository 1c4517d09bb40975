//! Watches: ordered, gap-free, resumable.

use pintle_testkit::Server;
use serde_json::{Value, json};
use std::time::Duration;

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Long enough for events that are there already, or come at once.
const SHORT: Duration = Duration::from_millis(700);

fn object(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn lines(events: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or("");
        format!("{} {name}", event["type"].as_str().unwrap_or("?"))
    };
    events.iter().map(line).collect()
}

#[test]
fn a_watch_goes_on_from_a_revision() {
    let server = Server::start();
    let admin = server.admin();
    let first = admin.post(CONFIGMAPS, &object("a")).json();
    admin.post(CONFIGMAPS, &object("b"));
    admin.patch("merge", &format!("{CONFIGMAPS}/a"), &json!({"data": {"k": "v"}}));
    admin.delete(&format!("{CONFIGMAPS}/b"));
    let revision = first["metadata"]["resourceVersion"].as_str().expect("a revision");
    let path = format!("{CONFIGMAPS}?watch=true&resourceVersion={revision}");
    let events = admin.watch_for(&path, SHORT);
    assert_eq!(lines(&events), ["ADDED b", "MODIFIED a", "DELETED b"]);
    let revisions: Vec<u64> = events
        .iter()
        .map(|event| {
            event["object"]["metadata"]["resourceVersion"].as_str().unwrap_or("0").parse().unwrap_or(0)
        })
        .collect();
    assert!(revisions.windows(2).all(|pair| pair[0] < pair[1]), "{revisions:?}");
}

#[test]
fn a_selector_turns_changes_into_comings_and_goings() {
    let server = Server::start();
    let admin = server.admin();
    let first = admin.post(CONFIGMAPS, &object("start")).json();
    admin.post(CONFIGMAPS, &object("a"));
    for label in ["x", "y"] {
        admin.patch("merge", &format!("{CONFIGMAPS}/a"), &json!({"metadata": {"labels": {"l": label}}}));
    }
    let revision = first["metadata"]["resourceVersion"].as_str().expect("a revision");
    let path = format!("{CONFIGMAPS}?watch=1&labelSelector=l%3Dx&resourceVersion={revision}");
    assert_eq!(lines(&admin.watch_for(&path, SHORT)), ["ADDED a", "DELETED a"]);
}

#[test]
fn initial_events_end_with_a_bookmark() {
    let server = Server::start();
    let admin = server.admin();
    admin.post(CONFIGMAPS, &object("a"));
    let path = format!(
        "{CONFIGMAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    );
    let events = admin.watch_for(&path, SHORT);
    assert_eq!(lines(&events), ["ADDED a", "BOOKMARK "]);
    assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[test]
fn a_watch_goes_on_after_a_restart() {
    let mut server = Server::start();
    let first = server.admin().post(CONFIGMAPS, &object("a")).json();
    server.admin().post(CONFIGMAPS, &object("b"));
    assert!(server.stop(), "{}", server.log());
    server.spawn();
    let revision = first["metadata"]["resourceVersion"].as_str().expect("a revision");
    let path = format!("{CONFIGMAPS}?watch=1&resourceVersion={revision}");
    assert_eq!(lines(&server.admin().watch_for(&path, SHORT)), ["ADDED b"]);
}

#[test]
fn a_watch_ends_after_its_time() {
    let server = Server::start();
    let path = format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1");
    let begin = std::time::Instant::now();
    server.admin().watch_for(&path, Duration::from_secs(20));
    assert!(begin.elapsed() < Duration::from_secs(15));
}
