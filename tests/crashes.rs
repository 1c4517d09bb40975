//! The server is killed under load, again and again: acknowledged writes are there, of the others all or nothing, and a
//! watch over all restarts shows every write once, in order.
//!
//! `PINTLE_CRASH_CYCLES` and `PINTLE_CRASH_SEED` choose how often, and when.

use pintle_testkit::{Etcd, Follower, Random, Seen, Server, Session, number_from_env};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const TOKEN: &str = "admin-token";
const KEYS: usize = 16;
const LAG_MAX: Duration = Duration::from_secs(60);

/// The value of a key after its n-th write: every fifth deletes it.
fn state_after(number: u64) -> Option<u64> {
    (number % 5 != 4).then_some(number)
}

/// One key, its writer, and the acknowledged revisions of its writes.
struct Key {
    name: String,
    session: Session,
    /// The number of the next write.
    next: u64,
    /// By number; a deletion's answer has no revision.
    acknowledged: BTreeMap<u64, Option<u64>>,
}

impl Key {
    fn new(port: u16, place: usize) -> Key {
        let session = Session::new(port, TOKEN);
        Key { name: format!("k{place}"), session, next: 0, acknowledged: BTreeMap::new() }
    }

    fn path(&self) -> String {
        format!("{PATH}/{}", self.name)
    }

    /// Writes until the server is gone.
    async fn write(mut self) -> Key {
        while let Some(revision) = self.write_next().await {
            self.acknowledged.insert(self.next, revision);
            self.next += 1;
        }
        self
    }

    async fn write_next(&mut self) -> Option<Option<u64>> {
        let (number, path) = (self.next, self.path());
        // Some values are of many pages.
        let padding = "x".repeat(if number.is_multiple_of(7) { 20_000 } else { 20 });
        let data = json!({"n": number.to_string(), "padding": padding, "end": number.to_string()});
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.name}, "data": data,
        });
        let (method, path, body) = match number % 5 {
            0 => ("POST", PATH.into(), Some(object)),
            4 => ("DELETE", path, None),
            1 => ("PATCH", path, Some(json!({ "data": data }))),
            _ => ("PUT", path, Some(object)),
        };
        let answer = self.session.send(method, &path, body.as_ref()).await.ok()?;
        assert!(answer.status < 300, "{method} {path} number {number}: {}", answer.text());
        Some(answer.json()["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()))
    }

    /// After a restart: the key is as its last acknowledged write left it, or as the one after that would.
    fn check(&mut self, found: &BTreeMap<String, Value>) {
        let found = found.get(&self.name).map(number_of);
        let before = self.next.checked_sub(1).and_then(state_after);
        if found == before {
            return;
        }
        assert_eq!(
            found,
            state_after(self.next),
            "{}: write {} is lost, or a later one",
            self.name,
            self.next
        );
        self.next += 1;
    }
}

/// The number of the write that an object is of; it must be whole.
fn number_of(object: &Value) -> u64 {
    let data = &object["data"];
    assert_eq!(data["n"], data["end"], "half a write");
    let number: u64 = data["n"].as_str().and_then(|text| text.parse().ok()).expect("a number");
    let padding = if number.is_multiple_of(7) { 20_000 } else { 20 };
    assert_eq!(data["padding"].as_str().map(str::len), Some(padding), "half a write");
    number
}

async fn objects(port: u16) -> (u64, BTreeMap<String, Value>) {
    let list = Session::new(port, TOKEN).send("GET", PATH, None).await.expect("an answer").json();
    let revision = list["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
    let items = list["items"].as_array().expect("a list").iter();
    let items =
        items.map(|item| (item["metadata"]["name"].as_str().expect("a name").to_string(), item.clone()));
    (revision.expect("a revision"), items.collect())
}

/// Every write of every key once, in order, at the revision that was acknowledged.
fn check_events(seen: &[Seen], keys: &[Key]) {
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for event in seen {
        let name = event.object["metadata"]["name"].as_str().expect("a name");
        let Some(key) = keys.iter().find(|key| key.name == name) else { continue };
        let number = next.entry(key.name.as_str()).or_default();
        match state_after(*number) {
            None => assert_eq!(event.kind, "DELETED", "{name} {number}"),
            Some(expected) => assert_eq!(number_of(&event.object), expected, "{name}"),
        }
        if let Some(Some(revision)) = key.acknowledged.get(number) {
            assert_eq!(*revision, event.revision, "{name} {number}");
        }
        *number += 1;
    }
    for key in keys {
        assert_eq!(next.get(key.name.as_str()).copied().unwrap_or(0), key.next, "{}", key.name);
    }
}

/// Kills the server while it starts, at times; it is nothing worse than later.
fn restart(server: &mut Server, random: &mut Random) {
    if random.below(4) == 0 {
        server.launch();
        std::thread::sleep(Duration::from_millis(random.below(60)));
        server.kill();
    }
    server.spawn();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_load_loses_nothing_acknowledged() {
    kill(&mut Server::with_flags(&["--etcd-servers="]), number_from_env("PINTLE_CRASH_CYCLES", 12)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_etcd_that_is_killed_under_load_loses_nothing_acknowledged() {
    let Some(etcd) = Etcd::start() else { return };
    let flag = format!("--etcd-servers={}", etcd.url());
    kill(&mut Server::with_flags(&[&flag]), number_from_env("PINTLE_CRASH_CYCLES", 12)).await;
}

async fn kill(server: &mut Server, cycles: u64) {
    let mut random = Random::from_env("PINTLE_CRASH_SEED", 42);
    let port = server.port();
    let mut keys: Vec<Key> = (0..KEYS).map(|place| Key::new(port, place)).collect();
    let (revision, _) = objects(port).await;
    let watch = Follower::start(port, TOKEN, PATH, revision);
    let (begin, mut last) = (Instant::now(), 0);
    for cycle in 0..cycles {
        let writers: Vec<_> = keys.drain(..).map(|key| tokio::spawn(key.write())).collect();
        tokio::time::sleep(Duration::from_millis(5 + random.below(250))).await;
        server.kill();
        for writer in writers {
            keys.push(writer.await.expect("a writer ends"));
        }
        tokio::task::block_in_place(|| restart(server, &mut random));
        let (revision, found) = objects(port).await;
        assert!(revision >= last, "revisions went back from {last} to {revision}");
        keys.iter_mut().for_each(|key| key.check(&found));
        last = revision;
        if cycle % 25 == 24 {
            eprintln!("{} of {cycles} kills", cycle + 1);
        }
    }
    let acknowledged: usize = keys.iter().map(|key| key.acknowledged.len()).sum();
    let written: u64 = keys.iter().map(|key| key.next).sum();
    let seen = watch.until(LAG_MAX, |seen| seen.len() as u64 >= written).await;
    check_events(&seen, &keys);
    assert!(acknowledged as u64 > cycles, "only {acknowledged} writes were acknowledged");
    eprintln!(
        "{cycles} kills in {:?}: {acknowledged} acknowledged writes and {} others were found, nothing was lost; the \
         watch told of {} events once each",
        begin.elapsed(),
        written - acknowledged as u64,
        seen.len(),
    );
}
