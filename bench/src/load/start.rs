//! The time from the start of a binary to its first `/readyz`, on an empty directory and on a used one.

use super::client::{Ask, LoadClient};
use super::measure::{Figures, SpentTime};
use super::options::TargetServer;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 10;
const START_MAX: Duration = Duration::from_secs(30);

/// Cold and warm starts of a binary that takes pintle's flags.
pub async fn run(binary: &Path) -> Result<Vec<(String, Figures)>, String> {
    let (mut cold, mut warm) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        once(binary, dir.path(), &mut cold).await?;
        once(binary, dir.path(), &mut warm).await?;
    }
    Ok([("cold-start", cold), ("warm-start", warm)]
        .into_iter()
        .map(|(work, mut figures)| {
            figures.latencies.sort_unstable();
            (work.to_string(), figures)
        })
        .collect())
}

async fn once(binary: &Path, dir: &Path, figures: &mut Figures) -> Result<(), String> {
    let port = pintle_testkit::free_port();
    let begin = Instant::now();
    let child = Command::new(binary)
        .arg(format!("--data-dir={}", dir.display()))
        .arg(format!("--secure-port={port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let child = Running(child);
    let target = TargetServer {
        url: format!("https://127.0.0.1:{port}"),
        pid: Some(child.0.id()),
        ..TargetServer::default()
    };
    while !is_ready(&target).await {
        if begin.elapsed() > START_MAX {
            return Err(format!("{} does not get ready", binary.display()));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    figures.latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
    figures.requests += 1;
    figures.seconds += begin.elapsed().as_secs_f64();
    SpentTime::begin(&target).end(figures);
    Ok(())
}

pub async fn is_ready(target: &TargetServer) -> bool {
    let Ok(mut client) = LoadClient::connect(target).await else { return false };
    client.fetch(&Ask::get("/readyz", "*/*")).await.is_ok()
}

/// Ended when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
