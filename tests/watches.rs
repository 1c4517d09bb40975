//! Watches: ordered, gap-free, resumable.

use pintle_testkit::Server;
use serde_json::{Value, json};
use std::time::Duration;

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Long enough for events that are there already, or come at once.
const SHORT: Duration = Duration::from_millis(700);
/// The time for watches that end by themselves.
const LONG: Duration = Duration::from_secs(60);

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

/// Watchers of different selectors, several of each, while objects come, change and go.
#[test]
fn watchers_of_all_sorts_hear_their_share_in_order() {
    let server = Server::start();
    let admin = server.admin();
    let first = admin.post(CONFIGMAPS, &object("start")).json();
    let revision = first["metadata"]["resourceVersion"].as_str().expect("a revision");
    let of_default = "metadata.namespace%3Ddefault";
    let sorts = [
        (format!("{CONFIGMAPS}?"), vec!["a", "b"]),
        (format!("/api/v1/configmaps?fieldSelector={of_default}&"), vec!["a", "b"]),
        (format!("/api/v1/configmaps?labelSelector=of%3Da&fieldSelector={of_default}&"), vec!["a"]),
        (format!("{CONFIGMAPS}?fieldSelector=metadata.name%3Db&"), vec!["b"]),
        (format!("{CONFIGMAPS}?fieldSelector=metadata.name!%3Db&"), vec!["a"]),
    ];
    let changes = 40;
    std::thread::scope(|scope| {
        let mut watches = Vec::new();
        for (path, names) in sorts.iter().flat_map(|sort| [sort, sort, sort]) {
            let path = format!("{path}watch=1&timeoutSeconds=4&resourceVersion={revision}");
            let client = server.admin();
            watches.push((names, scope.spawn(move || client.watch_for(&path, LONG))));
        }
        for name in ["a", "b"] {
            let labels = json!({"of": name});
            admin.post(CONFIGMAPS, &json!({"metadata": {"name": name, "labels": labels}}));
        }
        for n in 0..changes {
            for name in ["a", "b"] {
                let body = json!({"data": {"n": n.to_string()}});
                admin.patch("merge", &format!("{CONFIGMAPS}/{name}"), &body);
            }
        }
        ["a", "b"].iter().for_each(|name| drop(admin.delete(&format!("{CONFIGMAPS}/{name}"))));
        for (names, watch) in watches {
            let heard = lines(&watch.join().expect("a watch that ended"));
            let of_each =
                |kind: &str| names.iter().map(move |name| format!("{kind} {name}")).collect::<Vec<_>>();
            let mut expected = of_each("ADDED");
            (0..changes).for_each(|_| expected.extend(of_each("MODIFIED")));
            expected.extend(of_each("DELETED"));
            assert_eq!(heard, expected);
        }
    });
}

#[test]
fn tables_and_objects_are_told_apart_on_one_resource() {
    let server = Server::start();
    let admin = server.admin();
    let first = admin.post(CONFIGMAPS, &object("start")).json();
    let revision = first["metadata"]["resourceVersion"].as_str().expect("a revision");
    let path = format!("{CONFIGMAPS}?watch=1&resourceVersion={revision}");
    admin.post(CONFIGMAPS, &object("a"));
    let kinds = |accept: &'static str| {
        let events = admin.watch_as(&path, accept, SHORT);
        events
            .iter()
            .map(|event| event["object"]["kind"].as_str().unwrap_or("?").to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("application/json"), ["ConfigMap"]);
    assert_eq!(kinds("application/json;as=Table;v=v1;g=meta.k8s.io"), ["Table"]);
    assert_eq!(
        kinds("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"),
        ["PartialObjectMetadata"]
    );
}

#[test]
fn who_does_not_read_is_told_to_begin_anew_and_misses_nothing_before() {
    /// Together more than the window of events and all buffers on the way hold.
    const UPDATES: usize = 60;
    let server = Server::start();
    let admin = server.admin();
    let first = admin.post(CONFIGMAPS, &object("large")).json();
    let revision = first["metadata"]["resourceVersion"].as_str().expect("a revision");
    let path = format!("{CONFIGMAPS}?watch=1&resourceVersion={revision}");
    let others = server.admin();
    let (sender, receiver) = std::sync::mpsc::channel();
    let update = || {
        let quick = server.admin();
        let path = path.clone();
        let watch = std::thread::spawn(move || quick.watch_until(&path, UPDATES, LONG));
        for n in 0..UPDATES {
            let body = json!({"data": {"n": n.to_string(), "padding": "x".repeat(900_000)}});
            others.patch("merge", &format!("{CONFIGMAPS}/large"), &body);
        }
        sender.send(watch.join().expect("a watch that ended")).expect("somebody listens");
    };
    let mut late = admin.watch_late(&path, &[], usize::MAX, LONG, update);
    let quick = receiver.recv().expect("what the other heard");
    let numbers = |events: &[Value]| -> Vec<usize> {
        let number = |event: &Value| event["object"]["data"]["n"].as_str().and_then(|n| n.parse().ok());
        events.iter().filter_map(number).collect()
    };
    assert_eq!(numbers(&quick), (0..UPDATES).collect::<Vec<_>>());
    let end = late.pop().expect("an event");
    assert_eq!((end["type"].as_str(), end["object"]["code"].as_i64()), (Some("ERROR"), Some(410)));
    assert_eq!(end["object"]["reason"], "Expired");
    assert_eq!(numbers(&late), (0..late.len()).collect::<Vec<_>>());
    assert!(late.len() < UPDATES);
}
