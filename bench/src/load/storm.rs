//! A storm of lists: many clients that all want everything at once, some of which read slowly.

use super::client::{Ask, LoadClient};
use super::measure::{Figures, SpentTime, resident_memory};
use super::options::{LoadOptions, TargetServer};
use super::progress::Progress;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that a slow client reads in a second, and that may be under way to it.
const SLOW_BYTES: f64 = 1e6;
const SLOW_WINDOW: u32 = 64 << 10;
const WINDOW: u32 = 4 << 20;
/// After this the slow ones are left to themselves: they would take very long.
const SLOW_MAX: Duration = Duration::from_secs(20);

pub async fn run(
    options: &LoadOptions,
    target: &TargetServer,
    accept: &'static str,
    encoding: &'static str,
) -> Result<Figures, String> {
    let before = target.pid.and_then(resident_memory);
    let ask = Ask { encoding, ..Ask::get(options.path.as_str(), accept) };
    let (spent, begin) = (SpentTime::begin(target), Instant::now());
    let progress = Arc::new(Progress::new("storm, bytes", u64::MAX));
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..options.clients {
        let (target, ask, progress) = (target.clone(), ask.clone(), progress.clone());
        let is_slow = n < options.slow;
        clients.spawn(async move { (is_slow, one(&target, &ask, is_slow, &progress).await) });
    }
    let mut figures = Figures::default();
    let (mut refused, mut cut) = (0, 0);
    while let Some(done) = clients.join_next().await {
        let (is_slow, result) = done.map_err(|error| error.to_string())?;
        match result {
            Ok((429, _)) => refused += 1,
            Ok((200, bytes)) => {
                figures.bytes += bytes;
                figures.requests += 1;
                figures.latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok((status, _)) => return Err(format!("{}: status {status}", options.path)),
            // A server may end an answer that is not taken.
            Err(_) if is_slow => cut += 1,
            Err(error) => return Err(error),
        }
    }
    figures.seconds = begin.elapsed().as_secs_f64();
    figures.latencies.sort_unstable();
    spent.end(&mut figures);
    let grown = figures.memory.zip(before).map(|(peak, before)| peak.saturating_sub(before) as f64 / 1e6);
    let grown = grown.map_or_else(String::new, |grown| format!("; memory grew by {grown:.0} MB"));
    figures.note = format!("({} lists, {refused} refused, {cut} ended early{grown})", figures.requests);
    Ok(figures)
}

async fn one(
    target: &TargetServer,
    ask: &Ask,
    is_slow: bool,
    progress: &Progress,
) -> Result<(u16, u64), String> {
    let mut client = LoadClient::connect_with(target, if is_slow { SLOW_WINDOW } else { WINDOW }).await?;
    let begin = Instant::now();
    let response = client.open(ask).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let len = frame.data_ref().map_or(0, Bytes::len) as u64;
        bytes += len;
        progress.add(len);
        if is_slow {
            let due = Duration::from_secs_f64(bytes as f64 / SLOW_BYTES);
            tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
            if begin.elapsed() > SLOW_MAX {
                break;
            }
        }
    }
    Ok((status, bytes))
}
