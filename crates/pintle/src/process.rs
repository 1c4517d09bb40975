//! Metrics of the process as in Prometheus' collector: time, memory, files, and network bytes, from `/proc`. Values
//! that cannot be read there are not served. (`prometheus/client_golang`, process collector.)

use pintle_metrics::Registry;
use std::fs::{read_dir, read_to_string};

/// The kernel's clock ticks per second in `/proc`: the same for all programs on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const STARTED: &str = "process_start_time_seconds";

/// Fields of `/proc/self/stat`, counted after the name of the program.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// Gauges, and counters.
const GAUGES: [&str; 5] = [
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_virtual_memory_max_bytes",
    "process_max_fds",
    "process_open_fds",
];
const TOTALS: [&str; 3] = [
    "process_cpu_seconds_total",
    "process_network_receive_bytes_total",
    "process_network_transmit_bytes_total",
];

/// Serves the metrics of the process on `/metrics`, and its start time also on `/metrics/slis`.
pub fn show(registry: &Registry, indicators: &Registry) {
    if let Some(started) = started() {
        registry.gauge(STARTED).set(started);
        indicators.gauge(STARTED).set(started);
    }
    let gauges = GAUGES.map(|name| registry.gauges(name));
    let totals = TOTALS.map(|name| registry.totals(name));
    registry.on_scrape(move || {
        let values = taken().into_iter().chain(spent());
        for (series, value) in gauges.iter().chain(&totals).zip(values) {
            value.into_iter().for_each(|value| series.with(&[]).set(value));
        }
    });
}

/// The values of the gauges.
fn taken() -> [Option<f64>; GAUGES.len()] {
    let stat = stat();
    let field = |index: usize| number(stat.get(index)?);
    let page_bytes = rustix::param::page_size() as f64;
    let limits = read_to_string("/proc/self/limits").unwrap_or_default();
    // The directory that is read is open, too.
    let open = read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64);
    [
        field(VIRTUAL_BYTES),
        field(RESIDENT_PAGES).map(|pages| pages * page_bytes),
        limit(&limits, "Max address space"),
        limit(&limits, "Max open files"),
        open,
    ]
}

/// The values of the totals.
fn spent() -> [Option<f64>; TOTALS.len()] {
    let stat = stat();
    let field = |index: usize| number(stat.get(index)?);
    let ticks = || Some(field(USER_TICKS)? + field(SYSTEM_TICKS)?);
    let counts = read_to_string("/proc/self/net/netstat").unwrap_or_default();
    [
        ticks().map(|ticks| ticks / TICKS_PER_SECOND),
        network(&counts, "InOctets"),
        network(&counts, "OutOctets"),
    ]
}

/// The start of the process, in seconds since 1970.
fn started() -> Option<f64> {
    let ticks = number(stat().get(START_TICKS)?)?;
    let system = read_to_string("/proc/stat").ok()?;
    let booted = system.lines().find_map(|line| number(line.strip_prefix("btime ")?))?;
    Some(booted + ticks / TICKS_PER_SECOND)
}

/// The fields of the process after its name, which may have spaces and brackets of its own.
fn stat() -> Vec<String> {
    let text = read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = text.rsplit_once(')').unwrap_or_default();
    fields.split_whitespace().map(String::from).collect()
}

/// A limit that the process has now; without one, the largest number that could be.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX as f64),
        limit => number(limit),
    }
}

/// A number of the kernel's `IpExt`, which has a line of names and one of numbers.
fn network(counts: &str, name: &str) -> Option<f64> {
    let mut lines = counts.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let place = lines.next()?.split(' ').position(|known| known == name)?;
    number(lines.next()?.split(' ').nth(place)?)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_takes_is_read() {
        let registry = Registry::default();
        let indicators = registry.indicators();
        show(&registry, &indicators);
        let text = registry.text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(number).unwrap_or_else(|| panic!("no {name}: {text}"))
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_virtual_memory_max_bytes") >= value("process_virtual_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") <= value("process_max_fds"));
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value(STARTED) > 1.5e9);
        assert!(indicators.text().contains(&format!("\n{STARTED} ")));
    }

    #[test]
    fn limits_and_counts_are_found_by_name() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files   1024   4096   files\n\
                      Max address space   unlimited   unlimited   bytes\n";
        assert_eq!(limit(limits, "Max open files"), Some(1024.0));
        assert_eq!(limit(limits, "Max address space"), Some(u64::MAX as f64));
        assert_eq!(limit(limits, "Max nothing"), None);
        let counts = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InOctets OutOctets\nIpExt: 30 40\n";
        assert_eq!(network(counts, "OutOctets"), Some(40.0));
        assert_eq!(network(counts, "A"), None);
    }
}
