//! Figures of one workload: rates, latencies, and the resources that the server's process used.

use super::client::{Ask, LoadClient};
use super::options::TargetServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The number of requests under way.
#[derive(Clone, Copy, Debug)]
pub struct LoadShape {
    pub connections: usize,
    pub streams: usize,
}

/// Measured values.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub seconds: f64,
    pub requests: u64,
    pub bytes: u64,
    /// Sorted, in microseconds.
    pub latencies: Vec<u32>,
    /// CPU seconds of the server's process, when it is known.
    pub cpu: Option<f64>,
    /// Its largest resident memory while it worked, in bytes.
    pub memory: Option<u64>,
    pub note: String,
}

impl Figures {
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds.max(1e-9)
    }

    /// The latency in milliseconds that a share of requests stayed below.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (last as f64 * share).round() as usize;
        self.latencies.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Sends what `ask` gives, by number, over and over until the time is over. Every answer must be a success.
pub async fn hammer<F>(
    target: &TargetServer,
    shape: LoadShape,
    length: Duration,
    ask: F,
) -> Result<Figures, String>
where
    F: Fn(u64) -> Ask + Send + Sync + 'static,
{
    hammer_kinds(target, shape, length, &[], move |n| (0, ask(n))).await
}

/// The same with requests of several kinds, by their places; latencies of each go into the note.
pub async fn hammer_kinds<F>(
    target: &TargetServer,
    shape: LoadShape,
    length: Duration,
    kinds: &[&str],
    ask: F,
) -> Result<Figures, String>
where
    F: Fn(u64) -> (usize, Ask) + Send + Sync + 'static,
{
    let ask = Arc::new(ask);
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for _ in 0..shape.connections {
        clients.push(LoadClient::connect(target).await?);
    }
    let spent = SpentTime::begin(target);
    let begin = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for client in clients {
        for _ in 0..shape.streams {
            workers.spawn(worker(client.clone(), ask.clone(), next.clone(), begin + length));
        }
    }
    let (mut figures, mut all) = (Figures::default(), Vec::new());
    while let Some(done) = workers.join_next().await {
        let (latencies, bytes) = done.map_err(|error| error.to_string())??;
        figures.requests += latencies.len() as u64;
        figures.bytes += bytes;
        all.extend(latencies);
    }
    figures.latencies = all.iter().map(|(_, latency)| *latency).collect();
    figures.seconds = begin.elapsed().as_secs_f64();
    figures.latencies.sort_unstable();
    spent.end(&mut figures);
    figures.note = kinds.iter().enumerate().map(|(kind, name)| of_kind(&all, kind, name)).collect();
    Ok(figures)
}

fn of_kind(all: &[(usize, u32)], kind: usize, name: &str) -> String {
    let mut latencies: Vec<u32> =
        all.iter().filter(|(of, _)| *of == kind).map(|(_, latency)| *latency).collect();
    latencies.sort_unstable();
    let figures = Figures { latencies, ..Figures::default() };
    let (half, most) = (figures.percentile(0.5), figures.percentile(0.99));
    format!("\n  {name:<12} {:>10} requests, p50 {half:.2} ms, p99 {most:.2} ms", figures.latencies.len())
}

async fn worker<F>(
    mut client: LoadClient,
    ask: Arc<F>,
    next: Arc<AtomicU64>,
    end: Instant,
) -> Result<(Vec<(usize, u32)>, u64), String>
where
    F: Fn(u64) -> (usize, Ask),
{
    let (mut latencies, mut bytes) = (Vec::new(), 0);
    while Instant::now() < end {
        let (kind, ask) = ask(next.fetch_add(1, Ordering::Relaxed));
        let begin = Instant::now();
        let (status, len) = client.drain(&ask).await?;
        if !(200..300).contains(&status) {
            return Err(format!("{} {}: status {status}", ask.method, ask.path));
        }
        latencies.push((kind, u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX)));
        bytes += len;
    }
    Ok((latencies, bytes))
}

/// CPU time of a process when the work began.
pub struct SpentTime {
    pid: Option<u32>,
    cpu: Option<f64>,
}

impl SpentTime {
    /// From here on, also the peak of memory counts anew where the system allows it.
    pub fn begin(target: &TargetServer) -> SpentTime {
        if let Some(pid) = target.pid {
            const PEAK_ANEW: &str = "5";
            let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), PEAK_ANEW);
        }
        SpentTime { pid: target.pid, cpu: target.pid.and_then(cpu_seconds) }
    }

    pub fn end(&self, figures: &mut Figures) {
        let now = self.pid.and_then(cpu_seconds);
        figures.cpu = now.zip(self.cpu).map(|(now, then)| now - then);
        figures.memory = self.pid.and_then(peak_memory);
    }
}

/// User and system time of a process, from `/proc`.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces; it ends with the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// The largest resident memory of a process so far, in bytes.
pub fn peak_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmHWM:")
}

/// The resident memory of a process, in bytes.
pub fn resident_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, what: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
