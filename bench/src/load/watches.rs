//! Watches under updates: every watcher must see every update, in order.

use super::client::{Ask, Client};
use super::measure::{Figures, Spent};
use super::options::{Options, Target};
use super::work::{JSON, config_map, fill, name};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Watches that share a connection.
const PER_CONNECTION: usize = 50;
const OBJECTS: u64 = 100;
/// How long deliveries may lag behind the last update.
const LAG_MAX: Duration = Duration::from_secs(30);

pub async fn run(options: &Options, target: &Target, all: &str) -> Result<Figures, String> {
    fill(target, all, OBJECTS).await?;
    let expected = options.updates * options.length.as_secs();
    let delivered = Arc::new(AtomicU64::new(0));
    let bytes = Arc::new(AtomicU64::new(0));
    let mut watchers = tokio::task::JoinSet::new();
    let path = format!("{all}?watch=true&resourceVersion={}", version(target, all).await?);
    let mut client = Client::connect(target).await?;
    for n in 0..options.watchers {
        if n % PER_CONNECTION == 0 {
            client = Client::connect(target).await?;
        }
        let body = client.open(&Ask::get(path.as_str(), JSON)).await?.into_body();
        watchers.spawn(follow(body, expected, delivered.clone(), bytes.clone()));
    }
    let spent = Spent::begin(target);
    let begin = Instant::now();
    update(options, target, all, expected).await?;
    let mut latencies = Vec::new();
    let all_seen = async {
        while let Some(done) = watchers.join_next().await {
            done.map_err(|error| error.to_string())??;
            latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        Ok::<_, String>(())
    };
    tokio::time::timeout(LAG_MAX, all_seen).await.map_err(|_| "watches lag behind or lost events")??;
    let mut figures = Figures {
        seconds: begin.elapsed().as_secs_f64(),
        requests: delivered.load(Ordering::Relaxed),
        bytes: bytes.load(Ordering::Relaxed),
        note: format!("(deliveries of {expected} updates to {} watchers)", options.watchers),
        ..Figures::default()
    };
    spent.end(&mut figures);
    Ok(figures)
}

async fn version(target: &Target, all: &str) -> Result<String, String> {
    let body = Client::connect(target).await?.fetch(&Ask::get(format!("{all}?limit=1"), JSON)).await?;
    let list = pintle_object::json::parse(&body).map_err(|error| error.message.to_string())?;
    Ok(list.str_at(&["metadata", "resourceVersion"]).to_string())
}

/// Updates at the wanted rate, as evenly as the server lets us.
async fn update(options: &Options, target: &Target, all: &str, count: u64) -> Result<(), String> {
    let begin = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    let shared = Arc::new(AtomicU64::new(0));
    for _ in 0..20 {
        let (all, next, rate) = (all.to_string(), shared.clone(), options.updates as f64);
        let mut client = Client::connect(target).await?;
        workers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return Ok::<_, String>(());
                }
                tokio::time::sleep_until((begin + Duration::from_secs_f64(n as f64 / rate)).into()).await;
                let path = format!("{all}/{}", name(n % OBJECTS));
                let body = config_map(n % OBJECTS, &n.to_string()).into();
                client
                    .fetch(&Ask { method: "PUT", path, content_type: JSON, body, ..Ask::default() })
                    .await?;
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// Reads a watch until it has told of all updates; their versions must rise.
async fn follow(
    mut body: Incoming,
    expected: u64,
    delivered: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
) -> Result<(), String> {
    let (mut seen, mut last) = (0, 0);
    let mut rest: Vec<u8> = Vec::new();
    while seen < expected {
        let frame = body.frame().await.ok_or("a watch ended early")?.map_err(|error| error.to_string())?;
        let Some(data) = frame.data_ref() else { continue };
        bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        rest.extend_from_slice(data);
        let mut begin = 0;
        while let Some(len) = rest.iter().skip(begin).position(|byte| *byte == b'\n') {
            let version = event_version(rest.get(begin..begin + len).unwrap_or_default())?;
            if version <= last {
                return Err(format!("a watch told of version {version} after {last}"));
            }
            last = version;
            seen += 1;
            delivered.fetch_add(1, Ordering::Relaxed);
            begin += len + 1;
        }
        rest.drain(..begin);
    }
    Ok(())
}

/// The version in a line, found without reading the whole object.
fn event_version(line: &[u8]) -> Result<u64, String> {
    const KEY: &[u8] = b"\"resourceVersion\":\"";
    let place = line.windows(KEY.len()).position(|window| window == KEY).map(|place| place + KEY.len());
    let digits = place.and_then(|place| line.get(place..)).unwrap_or_default();
    let digits: String =
        digits.iter().take_while(|byte| byte.is_ascii_digit()).map(|b| char::from(*b)).collect();
    digits.parse().map_err(|_| format!("an event without a version: {}", String::from_utf8_lossy(line)))
}
