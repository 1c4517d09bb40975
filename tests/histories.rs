//! Histories of concurrent clients, judged against a map that does one thing at a time: reads of now and writes are
//! linearizable on the embedded store, on etcd, through two servers at once, and over kills of the server.

use pintle_testkit::history::{self, Ask, HistoryOutcome, HistoryText, TimedCall};
use pintle_testkit::{ClientAnswer, Etcd, Follower, Lost, Random, Seen, Server, Session, number_from_env};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const KEYS: u64 = 4;
const CLIENTS: usize = 6;
const TOKEN: &str = "admin-token";
/// The time by which a watch may lag behind.
const LAG_MAX: Duration = Duration::from_secs(30);

/// The part that all clients share: a clock that never stands, and their calls.
#[derive(Default)]
struct Record {
    clock: AtomicU64,
    calls: Mutex<Vec<TimedCall>>,
}

impl Record {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// One of the clients, and the revisions that it has last seen.
struct Client {
    record: Arc<Record>,
    session: Session,
    random: Random,
    known: BTreeMap<u8, u64>,
}

impl Client {
    async fn run(mut self, calls: u64) {
        for _ in 0..calls {
            let begin = self.record.tick();
            let ask = self.choose(begin);
            let outcome = self.ask(&ask).await;
            let end = self.record.tick();
            // A client that comes back at once finds nobody there.
            if outcome.as_ref().is_none_or(|outcome| *outcome == HistoryOutcome::Nothing) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let Some(outcome) = outcome else { continue };
            self.learn(&ask, &outcome);
            self.record.calls.lock().expect("nobody fails with it").push(TimedCall {
                begin,
                end,
                ask,
                outcome,
            });
        }
    }

    /// No two values are the same.
    fn choose(&mut self, value: u64) -> Ask {
        let key = self.random.below(KEYS) as u8;
        let known = self.known.get(&key).copied();
        match (self.random.below(10), known) {
            (0..2, _) => Ask::Create { key, value },
            (2..5, Some(at)) => Ask::Update { key, at, value },
            (5, _) => Ask::Patch { key, value },
            (6, _) => Ask::Delete { key, at: known.filter(|at| at % 2 == 0) },
            (7, _) => Ask::List,
            _ => Ask::Get { key },
        }
    }

    /// The outcome of a call; none when no server could be reached.
    async fn ask(&mut self, ask: &Ask) -> Option<HistoryOutcome> {
        let path = |key: &u8| format!("{PATH}/k{key}");
        let object = |key: &u8, value: &u64| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("k{key}")},
                   "data": {"v": value.to_string()}})
        };
        let (method, path, body) = match ask {
            Ask::Create { key, value } => ("POST", PATH.to_string(), Some(object(key, value))),
            Ask::Update { key, at, value } => {
                let mut body = object(key, value);
                body["metadata"]["resourceVersion"] = json!(at.to_string());
                ("PUT", path(key), Some(body))
            }
            Ask::Patch { key, value } => {
                ("PATCH", path(key), Some(json!({"data": {"v": value.to_string()}})))
            }
            Ask::Delete { key, at } => {
                let at = at.map(|at| json!({"preconditions": {"resourceVersion": at.to_string()}}));
                ("DELETE", path(key), at)
            }
            Ask::Get { key } => ("GET", path(key), None),
            Ask::List => ("GET", PATH.to_string(), None),
        };
        match self.session.send(method, &path, body.as_ref()).await {
            Ok(answer) => Some(outcome(ask, &answer)),
            Err(Lost::Unanswered(_)) => Some(HistoryOutcome::Nothing),
            Err(Lost::Unsent(_)) => None,
        }
    }

    fn learn(&mut self, ask: &Ask, outcome: &HistoryOutcome) {
        match (ask, outcome) {
            (
                Ask::Create { key, .. } | Ask::Update { key, .. } | Ask::Patch { key, .. },
                HistoryOutcome::Written(at),
            )
            | (Ask::Get { key }, HistoryOutcome::Found(_, at)) => drop(self.known.insert(*key, *at)),
            (Ask::List, HistoryOutcome::Listed { items, .. }) => {
                self.known.extend(items.iter().map(|(key, (_, at))| (*key, *at)));
            }
            _ => {}
        }
    }
}

fn outcome(ask: &Ask, answer: &ClientAnswer) -> HistoryOutcome {
    if answer.status >= 500 || answer.status == 429 {
        return HistoryOutcome::Nothing;
    }
    let body = answer.json();
    match (answer.status, ask, body["reason"].as_str().unwrap_or("")) {
        (200, Ask::List, _) => listed(&body),
        (200, Ask::Delete { .. }, _) => HistoryOutcome::Deleted(None),
        (200, Ask::Get { .. }, _) => {
            let (value, at) = held(&body);
            HistoryOutcome::Found(value, at)
        }
        (200 | 201, ..) => HistoryOutcome::Written(held(&body).1),
        (404, _, "NotFound") => HistoryOutcome::Missing,
        (409, _, "AlreadyExists") => HistoryOutcome::Exists,
        (409, _, "Conflict") => HistoryOutcome::Stale,
        _ => panic!("{ask:?}: {} {body}", answer.status),
    }
}

fn number(text: &Value) -> u64 {
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{text} is no number"))
}

/// Value and revision.
fn held(object: &Value) -> (u64, u64) {
    (number(&object["data"]["v"]), number(&object["metadata"]["resourceVersion"]))
}

fn key_of(object: &Value) -> Option<u8> {
    object["metadata"]["name"].as_str()?.strip_prefix('k')?.parse().ok()
}

fn listed(body: &Value) -> HistoryOutcome {
    let items = body["items"].as_array().expect("a list").iter();
    let items = items.filter_map(|item| Some((key_of(item)?, held(item)))).collect();
    HistoryOutcome::Listed { revision: number(&body["metadata"]["resourceVersion"]), items }
}

/// Lets clients loose on the servers while `disturb` runs, and judges the outcomes of their calls.
async fn judge(ports: &[u16], seed: u64, disturb: impl Future<Output = ()>) {
    let calls = number_from_env("PINTLE_HISTORY_CALLS", 60);
    let record = Arc::new(Record::default());
    let start = Session::new(ports[0], TOKEN).send("GET", PATH, None).await.expect("an answer").json();
    let revision = number(&start["metadata"]["resourceVersion"]);
    let watches: Vec<_> = ports.iter().map(|port| Follower::start(*port, TOKEN, PATH, revision)).collect();
    let mut clients = tokio::task::JoinSet::new();
    for place in 0..CLIENTS {
        let session = Session::new(ports[place % ports.len()], TOKEN);
        let random = Random::new(seed * 100 + place as u64);
        let client = Client { record: record.clone(), session, random, known: BTreeMap::new() };
        clients.spawn(client.run(calls));
    }
    disturb.await;
    while let Some(done) = clients.join_next().await {
        done.expect("a client ends");
    }
    let mut calls = std::mem::take(&mut *record.calls.lock().expect("nobody fails with it"));
    let mut last = Session::new(ports[0], TOKEN);
    let begin = record.tick();
    let outcome = listed(&last.send("GET", PATH, None).await.expect("an answer").json());
    calls.push(TimedCall { begin, end: record.tick(), ask: Ask::List, outcome });
    let marker = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MARKER}});
    let marked = last.send("POST", PATH, Some(&marker)).await.expect("an answer");
    assert_eq!(marked.status, 201, "{marked:?}");
    for watch in watches {
        let seen = watch.until(LAG_MAX, |seen| seen.iter().any(is_marker)).await;
        let shown = shown(&seen);
        check_events(&shown, &calls);
        let mut decided = calls.clone();
        history::decide(&mut decided, &shown);
        if let Err(why) = history::check(&decided) {
            panic!("seed {seed}: {why}");
        }
    }
    clear(ports[0]).await;
}

/// Written when all else is done: a watch that shows it has shown everything before.
const MARKER: &str = "marker";

fn is_marker(event: &Seen) -> bool {
    event.object["metadata"]["name"] == MARKER
}

/// The writes that events show; no value is shown twice.
fn shown(seen: &[Seen]) -> HistoryText {
    let mut shown = HistoryText::default();
    for event in seen {
        let Some(key) = key_of(&event.object) else { continue };
        if event.kind == "DELETED" {
            *shown.deleted.entry(key).or_default() += 1;
            continue;
        }
        let (value, at) = held(&event.object);
        assert_eq!(at, event.revision);
        assert_eq!(shown.written.insert(value, at), None, "the value {value} was shown twice");
    }
    shown
}

/// Checks that a watch shows every write once, at its revision; unanswered writes may be missing.
fn check_events(shown: &HistoryText, calls: &[TimedCall]) {
    let mut written = shown.written.clone();
    for call in calls {
        let (Ask::Create { value, .. } | Ask::Update { value, .. } | Ask::Patch { value, .. }) = call.ask
        else {
            continue;
        };
        match (&call.outcome, written.remove(&value)) {
            (HistoryOutcome::Written(at), Some(shown)) => assert_eq!(*at, shown, "{call:?}"),
            (HistoryOutcome::Nothing, _)
            | (HistoryOutcome::Exists | HistoryOutcome::Missing | HistoryOutcome::Stale, None) => {}
            (_, found) => panic!("{call:?} against the event {found:?}"),
        }
    }
    assert!(written.is_empty(), "nobody wrote {written:?}");
    let mut deleted: BTreeMap<u8, usize> = BTreeMap::new();
    for call in calls {
        if let (Ask::Delete { key, .. }, HistoryOutcome::Deleted(_)) = (&call.ask, &call.outcome) {
            *deleted.entry(*key).or_default() += 1;
        }
    }
    for (key, count) in deleted {
        let shown = shown.deleted.get(&key).copied().unwrap_or(0);
        assert!(shown >= count, "{shown} deletions of k{key} were shown of {count}");
    }
}

async fn clear(port: u16) {
    let answer = Session::new(port, TOKEN).send("DELETE", PATH, None).await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Rounds with seeds of their own.
fn rounds() -> std::ops::Range<u64> {
    let seed = number_from_env("PINTLE_HISTORY_SEED", 1);
    seed..seed + number_from_env("PINTLE_HISTORY_ROUNDS", 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_is_linearizable() {
    let server = Server::start();
    for seed in rounds() {
        judge(&[server.port()], seed, async {}).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_etcd_is_linearizable() {
    let Some(etcd) = Etcd::start() else { return };
    let server = Server::with_flags(&[&format!("--etcd-servers={}", etcd.url())]);
    for seed in rounds() {
        judge(&[server.port()], seed, async {}).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_etcd_are_linearizable() {
    let Some(etcd) = Etcd::start() else { return };
    let flag = format!("--etcd-servers={}", etcd.url());
    let (one, other) = (Server::with_flags(&[&flag]), Server::with_flags(&[&flag]));
    for seed in rounds() {
        judge(&[one.port(), other.port()], seed, async {}).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_leave_the_embedded_store_linearizable() {
    let mut server = Server::start();
    for seed in rounds() {
        let mut random = Random::new(seed);
        let port = server.port();
        let kills = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(50 + random.below(200))).await;
                tokio::task::block_in_place(|| {
                    server.kill();
                    server.spawn();
                });
            }
        };
        judge(&[port], seed, kills).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_etcd_leave_its_servers_linearizable() {
    let Some(mut etcd) = Etcd::start() else { return };
    let flag = format!("--etcd-servers={}", etcd.url());
    let (one, other) = (Server::with_flags(&[&flag]), Server::with_flags(&[&flag]));
    for seed in rounds() {
        let mut random = Random::new(seed);
        let kills = async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_millis(50 + random.below(200))).await;
                tokio::task::block_in_place(|| {
                    etcd.kill();
                    etcd.spawn();
                });
            }
        };
        judge(&[one.port(), other.port()], seed, kills).await;
    }
}

/// Each server prefers another member; members are killed one at a time, so that the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_members_leave_the_servers_of_a_cluster_linearizable() {
    let Some(mut members) = Etcd::cluster(3) else { return };
    let mut urls: Vec<String> = members.iter().map(Etcd::url).collect();
    let mut server = || {
        urls.rotate_left(1);
        Server::with_flags(&[&format!("--etcd-servers={}", urls.join(","))])
    };
    let (one, other) = (server(), server());
    for seed in rounds() {
        let mut random = Random::new(seed);
        let kills = async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_millis(50 + random.below(200))).await;
                let member = &mut members[random.below(3) as usize];
                member.kill();
                tokio::time::sleep(Duration::from_millis(random.below(500))).await;
                tokio::task::block_in_place(|| member.spawn());
            }
        };
        judge(&[one.port(), other.port()], seed, kills).await;
    }
}
