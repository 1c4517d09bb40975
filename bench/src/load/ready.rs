//! The time and the cost of starting a server on a large store.

use super::measure::{Figures, cpu_seconds, peak_memory, resident_memory};
use super::options::{LoadOptions, TargetServer};
use super::start::{Running, is_ready};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const READY_MAX: Duration = Duration::from_secs(600);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Starts each binary once.
pub async fn run(options: &LoadOptions) -> Result<Vec<Figures>, String> {
    if options.binaries.is_empty() || (options.data_dir.is_none() && options.etcd.is_none()) {
        return Err("ready needs --binary, and --data-dir or --etcd".into());
    }
    let mut figures = Vec::new();
    for binary in &options.binaries {
        eprintln!("start of {}", binary.display());
        figures.push(once(options, binary).await?);
    }
    Ok(figures)
}

async fn once(options: &LoadOptions, binary: &Path) -> Result<Figures, String> {
    let port = pintle_testkit::free_port();
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let data_dir = options.data_dir.as_deref().unwrap_or(scratch.path());
    let mut command = Command::new(binary);
    command.arg(format!("--data-dir={}", data_dir.display())).arg(format!("--secure-port={port}"));
    command.args(options.etcd.iter().map(|url| format!("--etcd-servers={url}")));
    let begin = Instant::now();
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let mut child = Running(child);
    let pid = child.0.id();
    let target =
        TargetServer { url: format!("https://127.0.0.1:{port}"), pid: Some(pid), ..TargetServer::default() };
    while !is_ready(&target).await {
        if let Ok(Some(status)) = child.0.try_wait() {
            return Err(format!("{} ended: {status}", binary.display()));
        }
        if begin.elapsed() > READY_MAX {
            return Err(format!("{} does not get ready", binary.display()));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let resident = resident_memory(pid).unwrap_or(0);
    let stored = options.objects * options.bytes;
    Ok(Figures {
        seconds: begin.elapsed().as_secs_f64(),
        requests: options.objects,
        bytes: stored,
        latencies: vec![u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX)],
        cpu: cpu_seconds(pid),
        memory: peak_memory(pid),
        note: format!(
            "({:.0} MB resident, {:.0} bytes per object, {:.3} of what is stored)",
            resident as f64 / 1e6,
            resident as f64 / options.objects as f64,
            resident as f64 / stored.max(1) as f64
        ),
    })
}
