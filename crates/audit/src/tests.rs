//! Whole backends: modes, truncation, batches, webhooks that hang, requests whose client goes away.

use crate::batch::Batching;
use crate::*;
use bytes::Bytes;
use pintle_object::audit::{AuditContext, Latency};
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{RequestInfo, Value, Verb, json};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, verbs: [none]}, \
                      {level: Metadata, verbs: [metadata]}, {level: RequestResponse}]\n";
const PATIENCE: Duration = Duration::from_secs(10);

struct Place {
    dir: tempfile::TempDir,
    counters: Arc<Counters>,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("policy.yaml"), POLICY).unwrap();
        Place { dir, counters: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, mode: Mode) -> LogSettings {
        LogSettings { path: self.path("audit.log").to_str().unwrap().into(), mode, ..LogSettings::default() }
    }

    /// Settings of a webhook at a port of this host.
    fn webhook(&self, port: u16, mode: Mode) -> WebhookSettings {
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{port}/audit\"}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c}}}}]\ncurrent-context: x\n"
        );
        let config_file = self.path("webhook.yaml");
        std::fs::write(&config_file, kubeconfig).unwrap();
        let initial_backoff = Duration::from_millis(1);
        WebhookSettings { config_file: Some(config_file), initial_backoff, mode, max_event_bytes: None }
    }

    fn start(&self, log: LogSettings, webhook: WebhookSettings) -> Arc<Backend> {
        let options = AuditOptions { policy_file: Some(self.path("policy.yaml")), log, webhook };
        Backend::start(&options, &self.counters).unwrap().expect("something is recorded")
    }

    fn lines(&self) -> Vec<Value> {
        read(&self.path("audit.log"))
    }
}

fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| json::parse(line.as_bytes()).unwrap()).collect()
}

fn record(backend: &Arc<Backend>, verb: &str, is_long_running: bool) -> Option<Record> {
    begin(backend, verb, is_long_running, &Arc::default())
}

fn begin(
    backend: &Arc<Backend>,
    verb: &str,
    is_long_running: bool,
    context: &Arc<AuditContext>,
) -> Option<Record> {
    let user = User { name: "alice".into(), ..User::default() };
    let info = RequestInfo {
        verb: Verb::named(verb),
        is_resource: true,
        resource: "pods".into(),
        ..RequestInfo::default()
    };
    let info = Arc::new(info);
    let fields = RequestFields::of(&info, record::now());
    let request = RequestFields { user: Some(&user), is_long_running, ..fields };
    Record::begin(backend, &request, context)
}

fn batch(max_size: usize, max_wait: Duration) -> Mode {
    Mode::Batch(Batching { buffer_size: 100, max_size, max_wait, throttle: None, is_concurrent: false })
}

fn stages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line.str_at(&["stage"])).collect()
}

pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_request_is_recorded_at_its_stages_before_it_goes_on() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    assert!(record(&backend, "none", false).is_none());
    let context = Arc::default();
    let request = begin(&backend, "create", true, &context).unwrap();
    assert!(request.received().await);
    assert_eq!(stages(&place.lines()), ["RequestReceived"]);
    context.annotate("authorization.k8s.io/decision", "allow");
    request.impersonated(Arc::new(User { name: "carol".into(), ..User::default() }), "");
    let object = r#"{"metadata":{"name":"p","namespace":"ns","uid":"u","resourceVersion":"7"}}"#;
    context.set_request(&json::parse(object.as_bytes()).unwrap(), || b"{\"a\":1}".to_vec());
    request.response_object(None, Some(Bytes::from_static(b"{\"b\":2}")));
    request.started(201).await;
    request.started(201).await;
    request.complete().await;
    drop(request);
    let lines = place.lines();
    assert_eq!(stages(&lines), ["RequestReceived", "ResponseStarted", "ResponseComplete"]);
    let last = lines.last().unwrap();
    assert_eq!(
        json::to_string(last.get("objectRef").unwrap()),
        "{\"name\":\"p\",\"namespace\":\"ns\",\"resource\":\"pods\",\"resourceVersion\":\"7\",\"uid\":\"u\"}"
    );
    assert_eq!(last.str_at(&["impersonatedUser", "username"]), "carol");
    assert_eq!(last.int_at(&["responseStatus", "code"]), Some(201));
    assert_eq!(last.int_at(&["requestObject", "a"]), Some(1));
    assert_eq!(last.int_at(&["responseObject", "b"]), Some(2));
    assert_eq!(last.str_at(&["annotations", "authorization.k8s.io/decision"]), "allow");
    let first = lines.first().unwrap();
    assert_eq!(first.get("stageTimestamp"), first.get("requestReceivedTimestamp"));
    assert_eq!((place.counters.events(), place.counters.levels(Level::None)), (3, 1));
    assert_eq!(place.counters.levels(Level::RequestResponse), 1);
}

#[tokio::test]
async fn metadata_holds_no_bodies() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    let context = Arc::default();
    let request = begin(&backend, "metadata", false, &context).unwrap();
    assert!(!request.wants_response());
    context.set_request(&Value::Null, || panic!("no body is made"));
    context.set_request_patch(b"no json");
    request.response_object(None, Some(Bytes::from_static(b"{}")));
    request.complete().await;
    let lines = place.lines();
    let line = lines.first().unwrap();
    assert!(line.get("requestObject").is_none() && line.get("responseObject").is_none());
}

#[tokio::test]
async fn a_request_whose_client_goes_away_is_completed() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    drop(record(&backend, "watch", true).unwrap());
    eventually("both stages", || place.lines().len() == 2).await;
    let lines = place.lines();
    assert_eq!(stages(&lines), ["ResponseStarted", "ResponseComplete"]);
    let status = lines.last().unwrap().get("responseStatus").unwrap();
    assert_eq!(
        json::to_string(status),
        "{\"code\":200,\"message\":\"Connection closed early\",\"metadata\":{},\"status\":\"Success\"}"
    );
    let request = record(&backend, "get", false).unwrap();
    request.response_code(404);
    drop(request);
    eventually("its code", || place.lines().len() == 3).await;
    assert_eq!(place.lines().last().unwrap().int_at(&["responseStatus", "code"]), Some(404));
}

#[tokio::test]
async fn slow_requests_tell_their_latencies_and_watches_do_not() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    for (verb, is_told) in [("get", true), ("watch", false)] {
        let context: Arc<AuditContext> = Arc::default();
        let info = RequestInfo { verb: Verb::named(verb), is_resource: true, ..RequestInfo::default() };
        let long_ago = Time { seconds: record::now().seconds - 2, nanos: 0 };
        let info = Arc::new(info);
        let fields = RequestFields::of(&info, long_ago);
        let request = Record::begin(&backend, &fields, &context).unwrap();
        context.add_latency(Latency::Etcd, Duration::from_millis(3));
        request.complete().await;
        let lines = place.lines();
        let annotations = lines.last().and_then(|line| line.get("annotations")).cloned().unwrap_or_default();
        let told = annotations.get("apiserver.latency.k8s.io/etcd").and_then(Value::as_str);
        assert_eq!(told, is_told.then_some("3ms"), "{verb}");
        assert_eq!(annotations.get("apiserver.latency.k8s.io/total").is_some(), is_told, "{verb}");
    }
}

#[tokio::test]
async fn panics_have_a_stage_of_their_own() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    let request = record(&backend, "get", false).unwrap();
    request.panicked("it is there").await;
    drop(request);
    let lines = place.lines();
    assert_eq!(stages(&lines), ["Panic"]);
    let status = lines.first().unwrap().get("responseStatus").unwrap();
    assert_eq!(
        json::to_string(status),
        "{\"code\":500,\"message\":\"APIServer panic'd: it is there\",\"metadata\":{},\"reason\":\"InternalError\",\
         \"status\":\"Failure\"}"
    );
}

#[tokio::test]
async fn a_patch_that_is_no_json_costs_the_event() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    for (patch, count) in [(b"{\"a\": 1}".as_slice(), 1), (b"a: b", 1)] {
        let context = Arc::default();
        let request = begin(&backend, "patch", false, &context).unwrap();
        context.set_request_patch(patch);
        request.complete().await;
        assert_eq!(place.lines().len(), count);
    }
    assert_eq!((place.lines().len(), place.counters.errors(BackendName::Log)), (1, 1));
}

#[tokio::test]
async fn a_full_disk_fails_requests_of_the_strict_mode_only() {
    let place = Place::new();
    let full = |mode: Mode| LogSettings { path: "/dev/full".into(), ..place.log(mode) };
    let backend = place.start(full(Mode::Blocking), WebhookSettings::default());
    let request = record(&backend, "get", false).unwrap();
    assert!(request.received().await);
    request.complete().await;
    assert_eq!((place.counters.errors(BackendName::Log), place.counters.rejected()), (2, 0));
    let backend = place.start(full(Mode::BlockingStrict), WebhookSettings::default());
    let request = record(&backend, "get", false).unwrap();
    assert!(!request.received().await);
    drop(request);
    assert_eq!((place.counters.errors(BackendName::Log), place.counters.rejected()), (3, 1));
    let backend = place.start(full(batch(1, Duration::ZERO)), WebhookSettings::default());
    let request = record(&backend, "get", false).unwrap();
    assert!(request.received().await);
    request.complete().await;
    backend.shut_down().await;
    assert_eq!((place.counters.errors(BackendName::Log), place.counters.rejected()), (5, 1));
}

#[tokio::test]
async fn large_events_lose_their_bodies_and_then_themselves() {
    let place = Place::new();
    let log = LogSettings { max_event_bytes: Some(1000), ..place.log(Mode::BlockingStrict) };
    let backend = place.start(log, WebhookSettings::default());
    let large = Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(1000)));
    let context = Arc::default();
    let request = begin(&backend, "create", false, &context).unwrap();
    context.set_request_object(|| large.to_vec());
    request.complete().await;
    let line = place.lines().pop().unwrap();
    assert!(line.get("requestObject").is_none());
    assert_eq!(line.str_at(&["annotations", "audit.k8s.io/truncated"]), "true");
    let context = Arc::default();
    let request = begin(&backend, "create", false, &context).unwrap();
    context.annotate("k", "x".repeat(1000));
    context.set_request_object(|| large.to_vec());
    assert!(request.received().await, "no request fails for it");
    assert_eq!((place.lines().len(), place.counters.errors(BackendName::Truncate)), (1, 1));
}

#[tokio::test]
async fn the_legacy_format_is_a_line_of_text() {
    let place = Place::new();
    let log = LogSettings { format: Format::Legacy, ..place.log(Mode::Blocking) };
    let backend = place.start(log, WebhookSettings::default());
    record(&backend, "get", false).unwrap().complete().await;
    let text = std::fs::read_to_string(place.path("audit.log")).unwrap();
    assert!(
        text.contains(" AUDIT: id=\"id\" stage=\"ResponseComplete\" ip=\"127.0.0.1\" method=\"get\""),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

/// A server that keeps the bodies it gets, and answers those of them that it answers with a code.
struct Fake {
    port: u16,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Fake {
    async fn start(answer: impl Fn(usize) -> Option<u16> + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Fake { port: listener.local_addr().unwrap().port(), bodies: Arc::default() };
        let (bodies, answer) = (fake.bodies.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let (bodies, answer) = (bodies.clone(), answer.clone());
                tokio::spawn(async move {
                    while let Some(body) = request(&mut tcp).await {
                        let count = {
                            let mut bodies = bodies.lock().unwrap();
                            bodies.push(body);
                            bodies.len()
                        };
                        let Some(code) = answer(count) else { std::future::pending().await };
                        let head = format!("HTTP/1.1 {code} X\r\ncontent-length: 2\r\n\r\n{{}}");
                        tcp.write_all(head.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        fake
    }

    fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }

    /// The numbers of events in the lists that came.
    fn sizes(&self) -> Vec<usize> {
        self.bodies().iter().map(|body| body.list_at(&["items"]).len()).collect()
    }
}

/// The body of the next request of a connection.
async fn request(tcp: &mut tokio::net::TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= len.parse().unwrap() {
                assert!(head.starts_with("post /audit?timeout=30s "), "{head}");
                return json::parse(body.as_bytes()).ok();
            }
        }
        if tcp.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

#[tokio::test]
async fn webhooks_get_lists_of_events() {
    let place = Place::new();
    let fake = Fake::start(|_| Some(200)).await;
    let backend =
        place.start(place.log(Mode::Blocking), place.webhook(fake.port, batch(3, Duration::from_secs(60))));
    for _ in 0..7 {
        record(&backend, "get", false).unwrap().complete().await;
    }
    eventually("two full batches", || fake.bodies().len() == 2).await;
    backend.shut_down().await;
    let mut sizes = fake.sizes();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 3, 3]);
    assert_eq!(place.lines().len(), 7);
    record(&backend, "get", false).unwrap().complete().await;
    assert_eq!(place.counters.errors(BackendName::Buffered), 1, "nothing is taken after the end");
}

#[tokio::test]
async fn batches_go_when_their_time_has_come() {
    let place = Place::new();
    let fake = Fake::start(|_| Some(200)).await;
    let mode = batch(400, Duration::from_millis(50));
    let backend = place.start(LogSettings::default(), place.webhook(fake.port, mode));
    record(&backend, "get", false).unwrap().complete().await;
    eventually("a batch of one", || fake.sizes() == [1]).await;
}

#[tokio::test]
async fn every_failure_of_a_webhook_is_tried_again() {
    let place = Place::new();
    let fake = Fake::start(|count| Some(if count < 3 { 403 } else { 200 })).await;
    let backend = place.start(LogSettings::default(), place.webhook(fake.port, Mode::BlockingStrict));
    assert!(record(&backend, "get", false).unwrap().received().await);
    eventually("the third", || fake.bodies().len() >= 3).await;
    assert_eq!(place.counters.errors(BackendName::Webhook), 0);
    let fake = Fake::start(|_| Some(404)).await;
    let backend = place.start(LogSettings::default(), place.webhook(fake.port, Mode::BlockingStrict));
    assert!(!record(&backend, "get", false).unwrap().received().await);
    assert_eq!(fake.bodies().len(), 5);
    assert_eq!((place.counters.errors(BackendName::Webhook), place.counters.rejected()), (1, 1));
}

#[tokio::test]
async fn a_webhook_that_hangs_costs_events_and_no_request() {
    // More than may be on their way.
    const REQUESTS: usize = 3000;
    let place = Place::new();
    let fake = Fake::start(|_| None).await;
    let batching = Batching {
        buffer_size: 2,
        max_size: 1,
        max_wait: Duration::ZERO,
        throttle: None,
        is_concurrent: true,
    };
    let backend = place.start(place.log(Mode::Blocking), place.webhook(fake.port, Mode::Batch(batching)));
    let all = async {
        for _ in 0..REQUESTS {
            assert!(record(&backend, "get", false).unwrap().received().await);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("requests go on");
    let lost = place.counters.errors(BackendName::Buffered);
    let events = 2 * REQUESTS as u64;
    assert!((1..events).contains(&lost), "{lost} of {events} were lost: what is on its way is bounded");
    let received = |line: &&Value| line.str_at(&["stage"]) == "RequestReceived";
    assert_eq!(place.lines().iter().filter(received).count(), REQUESTS);
}

#[tokio::test]
async fn nothing_is_opened_without_a_policy_or_a_place() {
    let place = Place::new();
    let start =
        |options: AuditOptions| Backend::start(&options, &place.counters).map(|backend| backend.is_some());
    assert_eq!(start(AuditOptions::default()), Ok(false));
    let policy_file = Some(place.path("policy.yaml"));
    assert_eq!(
        start(AuditOptions { policy_file: policy_file.clone(), ..AuditOptions::default() }),
        Ok(false)
    );
    assert_eq!(start(AuditOptions { log: place.log(Mode::Blocking), ..AuditOptions::default() }), Ok(false));
    assert!(place.path("audit.log").exists(), "as upstream, the file is made all the same");
    let missing = AuditOptions { policy_file: Some("/nowhere".into()), ..AuditOptions::default() };
    let why = start(missing).unwrap_err();
    assert!(why.starts_with("loading audit policy file: failed to read file path \"/nowhere\": "), "{why}");
    let webhook = WebhookSettings { config_file: Some("/nowhere".into()), ..WebhookSettings::default() };
    let why = start(AuditOptions { policy_file, webhook, ..AuditOptions::default() }).unwrap_err();
    assert!(why.starts_with("initializing audit webhook: /nowhere: "), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_line_of_a_read_may_come_with_its_last_and_that_of_a_write_may_not() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    let write = record(&backend, "create", false).unwrap();
    assert!(write.received().await);
    assert_eq!(stages(&place.lines()), ["RequestReceived"]);
    write.complete().await;
    assert!(!record(&backend, "update", false).unwrap().leave_received(), "before anything is changed");
    eventually("one whose client went away", || place.lines().len() == 3).await;
    let read = record(&backend, "get", false).unwrap();
    assert!(read.leave_received() && read.leave_complete());
    assert_eq!(place.lines().len(), 3);
    poll_fn(|context| backend.poll_stored(read.left(), context)).await;
    let both = ["RequestReceived", "ResponseComplete"];
    assert_eq!(stages(&place.lines()), [&both[..], &both[1..], &both[..]].concat());
    drop(read);
    let waiting = record(&backend, "list", false).unwrap();
    assert!(waiting.leave_received());
    backend.flush();
    assert_eq!(place.lines().len(), 6, "the first line of one that waits");
    drop(waiting);
    eventually("the end of one whose client went away", || place.lines().len() == 7).await;
    let watch = record(&backend, "watch", true).unwrap();
    assert!(watch.received().await && watch.leave_started(200) && watch.leave_complete());
    backend.flush();
    let of_watch = ["RequestReceived", "ResponseStarted", "ResponseComplete"];
    assert_eq!(stages(&place.lines())[7..], of_watch);
    assert_eq!(place.counters.events(), 10);
    let strict = place.start(place.log(Mode::BlockingStrict), WebhookSettings::default());
    let read = record(&strict, "get", false).unwrap();
    assert!(!read.leave_received() && read.received().await);
    assert_eq!(place.lines().last().unwrap().str_at(&["stage"]), "RequestReceived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_is_stored_at_the_end_of_the_server() {
    let place = Place::new();
    let backend = place.start(place.log(Mode::Blocking), WebhookSettings::default());
    assert!(record(&backend, "get", false).unwrap().received().await);
    eventually("the file is open", || place.lines().len() == 2).await;
    assert!(record(&backend, "get", false).unwrap().leave_complete());
    backend.shut_down().await;
    assert_eq!(place.lines().len(), 3);
}
