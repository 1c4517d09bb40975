//! Audit: the recorded events, also under kill -9, on full disks and with webhooks that hang.

use bytes::Bytes;
use pintle_testkit::{Client, Server};
use serde_json::{Value, json};
use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PATIENCE: Duration = Duration::from_secs(20);
const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: [\"system:apiserver\"]}
- {level: None, nonResourceURLs: [\"/readyz*\", \"/livez*\"]}
- {level: Metadata, resources: [{group: \"\", resources: [secrets]}]}
- {level: Metadata, nonResourceURLs: [\"*\"]}
- {level: RequestResponse, omitManagedFields: true, resources: [{group: \"\", resources: [configmaps], resourceNames: [bare]}]}
- {level: RequestResponse}
";

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("the test's own"));
        std::fs::write(place.path("policy.yaml"), POLICY).expect("the test's own");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn flags(&self, more: &[&str]) -> Vec<String> {
        let mut flags = vec![
            format!("--audit-policy-file={}", self.path("policy.yaml").display()),
            format!("--audit-log-path={}", self.path("audit.log").display()),
            "--authorization-mode=RBAC".to_string(),
        ];
        flags.extend(more.iter().map(ToString::to_string));
        flags
    }

    fn start(&self, more: &[&str]) -> Server {
        let flags = self.flags(more);
        Server::with_flags(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("audit.log")).expect("the test's own");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The events whose address holds a text, as soon as there are so many.
    fn events(&self, about: &str, count: usize) -> Vec<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut lines = self.lines();
            lines.retain(|line| line["requestURI"].as_str().expect("the test's own").contains(about));
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < end, "{} of {count} events about {about}", lines.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn event(&self, about: &str) -> Value {
        self.events(about, 1).remove(0)
    }
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

#[test]
fn requests_are_recorded_with_their_objects() {
    let place = Place::new();
    let server = place.start(&[]);
    let admin = server.admin();
    assert_eq!(admin.post(&format!("{MAPS}?q=create"), &map("a")).status, 201);
    let event = place.event("q=create");
    assert_eq!(event["stage"], "ResponseComplete");
    assert_eq!(
        event["user"],
        json!({"username": "admin", "uid": "u-admin", "groups": ["system:masters", "system:authenticated"]})
    );
    assert_eq!(
        event["objectRef"],
        json!({"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"})
    );
    assert_eq!(event["responseStatus"], json!({"metadata": {}, "code": 201}));
    assert_eq!(
        event["requestObject"],
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}})
    );
    assert!(event["responseObject"]["metadata"]["managedFields"].is_array());
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "allow");
    assert_eq!(event["sourceIPs"], json!(["127.0.0.1"]));

    assert_eq!(admin.get(&format!("{MAPS}?limit=1&q=list")).status, 200);
    assert_eq!(place.event("q=list")["responseObject"]["items"].as_array().unwrap().len(), 1);
    let protobuf = [("accept", "application/vnd.kubernetes.protobuf")];
    assert_eq!(admin.send("GET", &format!("{MAPS}/a?q=proto"), &protobuf, Bytes::new()).status, 200);
    assert_eq!(place.event("q=proto")["responseObject"]["data"], json!({"k": "v"}));

    let patch = json!({"data": {"k": "w"}});
    assert_eq!(admin.patch("merge", &format!("{MAPS}/a?q=patch"), &patch).status, 200);
    assert_eq!(place.event("q=patch")["requestObject"], patch);
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0});
    let body = Bytes::from(options.to_string());
    let headers = [("content-type", "application/json")];
    assert_eq!(admin.send("DELETE", &format!("{MAPS}/a?q=delete"), &headers, body).status, 200);
    let event = place.event("q=delete");
    assert_eq!(event["requestObject"]["apiVersion"], "meta.k8s.io/__internal");
    assert_eq!(event["responseStatus"]["status"], "Success");

    assert_eq!(admin.post(&format!("{MAPS}?q=bare"), &map("bare")).status, 201);
    assert_eq!(admin.get(&format!("{MAPS}/bare?q=bare-get")).status, 200);
    let bare = place.event("q=bare-get");
    assert!(bare["responseObject"]["data"].is_object());
    assert!(bare["responseObject"]["metadata"].get("managedFields").is_none());

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"hidden": "word"}});
    assert_eq!(admin.post("/api/v1/namespaces/default/secrets?q=secret", &secret).status, 201);
    let event = place.event("q=secret");
    assert_eq!((&event["level"], &event["objectRef"]["name"]), (&json!("Metadata"), &json!("s")));
    assert!(!event.to_string().contains("hidden"));
}

#[test]
fn refusals_watches_and_whom_a_request_acts_as_are_recorded() {
    let place = Place::new();
    let server = place.start(&[]);
    let admin = server.admin();
    let headers = [("impersonate-user", "carol"), ("x-forwarded-for", "1.2.3.4")];
    assert_eq!(admin.send("GET", &format!("{MAPS}?q=carol"), &headers, Bytes::new()).status, 403);
    let event = place.event("q=carol");
    assert_eq!(event["user"]["username"], "admin");
    assert_eq!(event["impersonatedUser"]["username"], "carol");
    assert_eq!(event["sourceIPs"], json!(["1.2.3.4", "127.0.0.1"]));
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "forbid");
    assert_eq!(event["responseStatus"]["reason"], "Forbidden");
    assert_eq!(event["responseObject"]["code"], 403);

    let stranger = Client::new(server.port(), Some("no-token"));
    assert_eq!(stranger.get(&format!("{MAPS}?q=stranger")).status, 401);
    let event = place.event("q=stranger");
    assert_eq!((&event["stage"], &event["user"]), (&json!("ResponseStarted"), &json!({})));
    assert_eq!(event["responseStatus"]["reason"], "Unauthorized");

    assert_eq!(admin.get("/api/v1/pods?timeout=soon&q=soon").status, 400);
    assert_eq!(place.event("q=soon")["stage"], "ResponseStarted");

    admin.watch_for(&format!("{MAPS}?watch=1&timeoutSeconds=1&q=watch"), Duration::from_secs(5));
    let events = place.events("q=watch", 2);
    let stages: Vec<&str> = events.iter().map(|event| event["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["ResponseStarted", "ResponseComplete"]);

    assert_eq!(admin.get("/version?q=version").status, 200);
    let event = place.event("q=version");
    assert_eq!(event["responseStatus"], json!({"metadata": {}, "code": 200}));
    assert!(event.get("objectRef").is_none() && event.get("responseObject").is_none());

    assert_eq!(admin.get("/api/v1/namespaces/default/endpoints?q=old").status, 200);
    assert_eq!(place.event("q=old")["annotations"]["k8s.io/deprecated"], "true");

    let page = admin.get("/metrics").text();
    assert!(page.contains("apiserver_audit_level_total{level=\"RequestResponse\"}"), "levels are counted");
    assert!(page.contains("\napiserver_audit_requests_rejected_total 0\n"));
}

/// Every answered request is in the log, whole, when the process is killed a moment later.
#[test]
fn what_was_answered_before_a_kill_is_in_the_log() {
    let place = Place::new();
    let mut server = place.start(&[]);
    let (port, answered) = (server.port(), Arc::new(Mutex::new(Vec::new())));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let answered = answered.clone();
            std::thread::spawn(move || {
                let admin = Client::new(port, Some("admin-token"));
                for n in 0..10_000 {
                    let id = format!("{client}-{n}");
                    let Some(answer) = admin.try_get(&format!("{MAPS}?mark={id}.")) else { return };
                    if answer.status == 200 {
                        answered.lock().unwrap().push(id);
                    }
                }
            })
        })
        .collect();
    let start = Instant::now();
    while answered.lock().unwrap().len() < 100 {
        assert!(start.elapsed() < PATIENCE, "answers come");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.kill();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let text = std::fs::read_to_string(place.path("audit.log")).unwrap();
    let (whole, rest) = text.rsplit_once('\n').unwrap();
    for line in whole.lines() {
        serde_json::from_str::<Value>(line).expect("every line with an end is whole");
    }
    for id in answered.lock().unwrap().iter() {
        assert!(whole.contains(&format!("mark={id}.\"")), "{id} was answered and is not in the log");
    }
    // Another process goes on behind what the first one left.
    server.spawn();
    assert_eq!(server.admin().get(&format!("{MAPS}?q=again")).status, 200);
    let text = std::fs::read_to_string(place.path("audit.log")).unwrap();
    let torn = usize::from(!rest.is_empty());
    let broken = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
    assert!(broken <= torn, "{broken} lines are no JSON");
}

#[test]
fn a_full_disk_fails_requests_only_where_the_mode_says_so() {
    let place = Place::new();
    let policy = POLICY.replace("omitStages: [RequestReceived]\n", "");
    std::fs::write(place.path("policy.yaml"), policy).unwrap();
    for (mode, status) in [("blocking", 200), ("batch", 200), ("blocking-strict", 500)] {
        let flag = format!("--audit-log-mode={mode}");
        let server = place.start(&["--audit-log-path=/dev/full", "--audit-log-maxsize=0", &flag]);
        let answer = server.admin().get(MAPS);
        assert_eq!(answer.status, status, "{mode}");
        if status == 500 {
            assert!(answer.text().ends_with(": failed to store audit event\n"), "{}", answer.text());
        }
        let log = || server.log();
        let end = Instant::now() + PATIENCE;
        while !log()
            .contains("Error in audit plugin 'log' affecting 1 audit events: write /dev/full: No space left")
        {
            assert!(Instant::now() < end, "{mode} says nothing: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        let anybody = Client::new(server.port(), Some("admin-token"));
        let page = anybody.get("/metrics").text();
        if status == 200 {
            assert!(page.contains("apiserver_audit_error_total{plugin=\"log\"}"), "{mode}: {page}");
        }
    }
}

#[test]
fn a_webhook_that_hangs_costs_no_request() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = heard.clone();
    std::thread::spawn(move || {
        // Every call is accepted, and never answered.
        let mut open = Vec::new();
        while let Ok((mut tcp, _)) = listener.accept() {
            let mut bytes = [0; 1024];
            counted.fetch_add(tcp.read(&mut bytes).unwrap_or(0), Ordering::Relaxed);
            open.push(tcp);
        }
    });
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c}}}}]\ncurrent-context: x\n"
    );
    std::fs::write(place.path("webhook.yaml"), kubeconfig).unwrap();
    let webhook = format!("--audit-webhook-config-file={}", place.path("webhook.yaml").display());
    let bounds = [
        "--audit-webhook-batch-max-size=1",
        "--audit-webhook-batch-buffer-size=10",
        "--audit-webhook-batch-throttle-enable=false",
    ];
    let mut server = place.start(&[&webhook, bounds[0], bounds[1], bounds[2]]);
    let admin = server.admin();
    for _ in 0..100 {
        assert_eq!(admin.get(MAPS).status, 200);
    }
    assert!(heard.load(Ordering::Relaxed) > 0, "the webhook was called");
    server.kill();
}

#[test]
fn policies_and_flags_that_do_not_fit_stop_the_start() {
    let place = Place::new();
    let mut server = Server::start();
    assert!(server.stop());
    let mut check = |policy: &str, more: &[&str], why: &str| {
        std::fs::write(place.path("policy.yaml"), policy).unwrap();
        let flags = place.flags(more);
        server.set_flags(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        server.launch();
        assert_eq!(server.ended_within(PATIENCE), Some(1), "{why}: {}", server.log());
        assert!(server.log().contains(why), "{why}: {}", server.log());
    };
    let from = format!(": from file {}", place.path("policy.yaml").display());
    check(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\n",
        &[],
        &format!("loading audit policy file: loaded illegal policy with 0 rules{from}"),
    );
    check(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]\n",
        &[],
        "loading audit policy file: rules[0].level: Unsupported value: \"All\": supported values: \"None\", \"Metadata\", \
         \"Request\", \"RequestResponse\"",
    );
    let strange = format!("--audit-webhook-config-file={}", place.path("none").display());
    check(POLICY, &[&strange], "initializing audit webhook: ");
    check(POLICY, &["--audit-log-path=/proc/no/audit.log"], "ensureLogFile: ");
    check(
        POLICY,
        &["--audit-log-mode=often"],
        "invalid audit log mode often, allowed modes are \"batch,blocking,blocking-strict\"",
    );
}
