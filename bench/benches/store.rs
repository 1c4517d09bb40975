//! Figures of the store: starts, durable writes, recovery, memory, and the fan-out of events.
//!
//! `cargo bench --bench store -- [objects] [directory]`; by default 150,000 objects of 10 KB in the temporary
//! directory. It measures the store alone: no HTTP, TLS or encoding. Disks differ: set the directory to the one in
//! question.

use bytes::Bytes;
use pintle_object::Text;
use pintle_store::backend::sqlite::Sqlite;
use pintle_store::{
    AttrReader, Attrs, Change, CollectionId, Key, Object, Options, Precondition, Store, WatchFrom, WatchItem,
    WatchPredicate, Watcher, Write, etcd,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PREFIX: &str = "/registry/pods/";
const IN_FLIGHT: usize = 100;
const NODES: usize = 5_000;

/// Objects of the recovery, and their size.
const RECOVERED: usize = 150_000;
const RECOVERED_SIZE: usize = 10_000;
/// Tells a second process to recover a store, so that its memory is that of the recovery alone.
const RECOVER: &str = "BENCH_STORE_RECOVER";

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let objects = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(RECOVERED);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    if let Ok(path) = std::env::var(RECOVER) {
        return runtime.block_on(recover(Path::new(&path), objects));
    }
    let directory = tempfile::tempdir_in(parent).expect("the directory can be written");
    runtime.block_on(async {
        starts(&directory.path().join("starts")).await;
        writes(&directory.path().join("writes")).await;
        fan_out(&directory.path().join("fan-out")).await;
        recovery(&directory.path().join("recovery"), objects).await;
        on_etcd().await;
    });
}

async fn starts(path: &Path) {
    let cold = Instant::now();
    let store = open(path);
    report("start, no file", cold.elapsed());
    store.close().await;
    let warm = Instant::now();
    let store = open(path);
    report("start, empty file", warm.elapsed());
    store.close().await;
}

async fn writes(path: &Path) {
    let store = Arc::new(open(path));
    let mut latencies = Vec::new();
    for index in 0..500 {
        let start = Instant::now();
        create(&store, &format!("lone/{index}"), index, 1_000).await;
        latencies.push(start.elapsed());
    }
    report("one durable create of 1 KB, median", percentile(&mut latencies, 50));
    report("one durable create of 1 KB, p99", percentile(&mut latencies, 99));

    let (elapsed, mut latencies) = burst(&store, "burst", 50_000, 1_000).await;
    rate("durable creates of 1 KB, 100 in flight", 50_000, elapsed);
    report("  p50", percentile(&mut latencies, 50));
    report("  p99", percentile(&mut latencies, 99));
    let (elapsed, mut latencies) = burst(&store, "large", 10_000, 10_000).await;
    rate("durable creates of 10 KB, 100 in flight", 10_000, elapsed);
    report("  p99", percentile(&mut latencies, 99));
    let start = Instant::now();
    updates(&store, 20_000).await;
    rate("durable updates of 1 KB, 100 in flight", 20_000, start.elapsed());
    store.close().await;
}

/// Writes and a start on etcd, where there is one.
async fn on_etcd() {
    let Some(etcd) = pintle_testkit::Etcd::with_flags(&["--quota-backend-bytes=4000000000"]) else { return };
    let store = Arc::new(connect(&etcd.url()).await);
    let (elapsed, mut latencies) = burst(&store, "burst", 20_000, 1_000).await;
    rate("etcd: creates of 1 KB, 100 in flight", 20_000, elapsed);
    report("  p99", percentile(&mut latencies, 99));
    burst(&store, "large", 20_000, RECOVERED_SIZE).await;
    store.close().await;
    let (start, cpu) = (Instant::now(), cpu_time());
    let store = connect(&etcd.url()).await;
    report("etcd: start with 20,000 objects of 1 KB and of 10 KB", start.elapsed());
    report("  CPU", cpu_time().saturating_sub(cpu));
    store.close().await;
}

async fn connect(url: &str) -> Store {
    let etcd = etcd::EtcdOptions { servers: vec![url.into()], ..etcd::EtcdOptions::default() };
    let store = Store::connect(&etcd, vec![PREFIX.into()], Arc::new(Plain), Options::default()).await;
    store.expect("etcd answers")
}

async fn burst(store: &Arc<Store>, namespace: &str, count: usize, size: usize) -> (Duration, Vec<Duration>) {
    let start = Instant::now();
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let (store, namespace) = (store.clone(), namespace.to_string());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                for index in (task..count).step_by(IN_FLIGHT) {
                    let start = Instant::now();
                    create(&store, &format!("{namespace}/{index}"), index, size).await;
                    latencies.push(start.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("the task ends"));
    }
    (start.elapsed(), latencies)
}

async fn updates(store: &Arc<Store>, count: usize) {
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for index in (task..count).step_by(IN_FLIGHT) {
                    let name = format!("burst/{index}");
                    let found =
                        store.get(CollectionId(0), &format!("{PREFIX}{name}")).expect("it was created");
                    write(&store, &name, Precondition::ModRevision(found.mod_revision), index, 1_000).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ends");
    }
}

async fn fan_out(path: &Path) {
    let store = Arc::new(open(path));
    for (watchers, events) in [(1_000, 1_000), (10_000, 200)] {
        let predicates = vec![WatchPredicate::default(); watchers];
        let (cpu, delivered) = deliveries(&store, predicates, events).await;
        per(&format!("{watchers} watchers of everything: CPU per delivery"), cpu, delivered);
    }
    for watchers in [0, NODES] {
        let of_node =
            |node: usize| WatchPredicate { field: Some((0, node_of(node))), ..WatchPredicate::default() };
        let (cpu, _) = deliveries(&store, (0..watchers).map(of_node).collect(), 4 * NODES).await;
        per(&format!("{watchers} watchers of a node each: CPU per write"), cpu, 4 * NODES);
    }
    store.close().await;
}

/// Writes, 100 at a time, while watchers follow; the CPU time of all of it, and how many events were delivered.
async fn deliveries(store: &Arc<Store>, predicates: Vec<WatchPredicate>, events: usize) -> (Duration, usize) {
    let mut followers = Vec::new();
    for predicate in predicates {
        let due = if predicate == WatchPredicate::default() { events } else { events / NODES };
        let watcher = store.watch(CollectionId(0), WatchFrom::Now, predicate).expect("now is in the window");
        followers.push(tokio::spawn(follow(watcher, due)));
    }
    let cpu = cpu_time();
    let namespace = format!("after-{}", store.revision());
    burst(store, &namespace, events, 1_000).await;
    let mut delivered = 0;
    for follower in followers {
        delivered += follower.await.expect("the follower ends");
    }
    (cpu_time() - cpu, delivered)
}

async fn follow(mut watcher: Watcher, due: usize) -> usize {
    let mut delivered = 0;
    while delivered < due {
        match watcher.next().await {
            WatchItem::Event(_) => delivered += 1,
            WatchItem::InitialEventsEnd(_) => {}
            WatchItem::Lagged | WatchItem::Closed => panic!("a watcher was lost"),
        }
    }
    delivered
}

async fn recovery(path: &Path, objects: usize) {
    let store = Arc::new(open(path));
    let (elapsed, _) = burst(&store, "recovery", objects, RECOVERED_SIZE).await;
    rate(&format!("filling {objects} objects of 10 KB"), objects, elapsed);
    let start = Instant::now();
    store.close().await;
    report("  closing", start.elapsed());
    let binary = std::env::current_exe().expect("the process knows its binary");
    let status = std::process::Command::new(binary).arg(objects.to_string()).env(RECOVER, path).status();
    assert!(status.is_ok_and(|status| status.success()), "the recovery failed");
}

async fn recover(path: &Path, objects: usize) {
    let (start, [user, system], memory) = (Instant::now(), cpu_times(), resident_bytes());
    let store = open(path);
    report(&format!("recovery of {objects} objects of 10 KB"), start.elapsed());
    let [user_end, system_end] = cpu_times();
    report("  CPU", user_end - user);
    report("  CPU of the system: reading, giving memory", system_end - system);
    let taken = resident_bytes().saturating_sub(memory);
    let times = taken as f64 / (objects * RECOVERED_SIZE) as f64;
    println!("{:<58} {times:>12.3}", "  memory per byte of the objects");
    past(&store).await;
    store.close().await;
}

/// The cost of the first page from a past snapshot, and of the next.
async fn past(store: &Store) {
    let at = store.revision();
    for index in 0..2_000 {
        create(store, &format!("past/{index}"), index, 100).await;
    }
    for page in ["first", "next"] {
        let start = Instant::now();
        let _ = store.snapshot_at(CollectionId(0), at);
        report(&format!("snapshot of 2,000 writes ago, {page} page"), start.elapsed());
    }
}

async fn create(store: &Store, name: &str, index: usize, size: usize) -> Arc<Object> {
    write(store, name, Precondition::NotExists, index, size).await
}

async fn write(
    store: &Store,
    name: &str,
    precondition: Precondition,
    index: usize,
    size: usize,
) -> Arc<Object> {
    let key = Key::new(&format!("{PREFIX}{name}"));
    let mut value = vec![b'x'; size];
    value.splice(..0, format!("{index} ").into_bytes());
    let change = Change::Put { attrs: attrs(key.as_str(), &value), value: Bytes::from(value) };
    let write = Write { collection: CollectionId(0), key, precondition, change, ttl_seconds: None };
    store.commit(write).await.expect("the write is accepted")
}

fn open(path: &Path) -> Store {
    std::fs::create_dir_all(path).expect("the directory can be made");
    let backend = Sqlite::open(&path.join("store.db")).expect("the file opens");
    let prefixes = vec![String::from(PREFIX)];
    Store::open(Box::new(backend), prefixes, &Plain, Options::default()).expect("the store opens")
}

struct Plain;

impl AttrReader for Plain {
    fn attrs(&self, key: &str, value: &[u8]) -> Option<Attrs> {
        Some(attrs(key, value))
    }
}

/// Values begin with the number of their object, which tells its node.
fn attrs(key: &str, value: &[u8]) -> Attrs {
    let (namespace, name) = key.trim_start_matches(PREFIX).split_once('/').unwrap_or_default();
    let index = value.iter().take_while(|byte| byte.is_ascii_digit());
    let index = index.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    Attrs {
        namespace: Text::from(namespace),
        name: Text::from(name),
        uid: Text::from("6bdd7a5c-2fd6-4f4c-9c3e-6f2f5d1f3a0b"),
        labels: Box::new([(Text::from("app.kubernetes.io/name"), Text::from("web"))]),
        fields: Box::new([node_of(index)]),
    }
}

fn node_of(index: usize) -> Text {
    Text::from(format!("node-{}", index % NODES))
}

fn percentile(latencies: &mut [Duration], percent: usize) -> Duration {
    latencies.sort_unstable();
    latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default()
}

fn report(what: &str, took: Duration) {
    println!("{what:<58} {:>12.3} ms", took.as_secs_f64() * 1e3);
}

fn rate(what: &str, count: usize, took: Duration) {
    println!("{what:<58} {:>12.0} /s", count as f64 / took.as_secs_f64());
}

fn per(what: &str, took: Duration, count: usize) {
    println!("{what:<58} {:>12.3} us", took.as_secs_f64() * 1e6 / count as f64);
}

/// User and system time of this process, in the kernel's hundredths of a second.
fn cpu_time() -> Duration {
    let [user, system] = cpu_times();
    user + system
}

/// CPU time of the process itself, and of the system for it.
fn cpu_times() -> [Duration; 2] {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells a process of itself");
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in parentheses");
    let mut ticks = fields.split_whitespace().skip(11).map(|ticks| ticks.parse::<u64>().unwrap_or(0));
    [(); 2].map(|()| Duration::from_millis(ticks.next().unwrap_or(0) * 10))
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells a process of itself");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
