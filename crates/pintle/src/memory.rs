//! The memory budget of the process, and the measurement of its memory.

use pintle_object::quantity::Quantity;
use pintle_server::app::App;
use pintle_server::memory::heavy;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The part of a control group's limit that is the default budget, in percent: the kernel's memory for the process
/// counts against the limit too.
const LIMIT_PERCENT: u64 = 90;
/// Limits from here on count as no limit.
const UNLIMITED_BYTES: u64 = 1 << 60;
/// The time between two measurements.
const INTERVAL: Duration = Duration::from_millis(100);

/// The budget that the command line gives in bytes, `0` for none; without a word, that of the control group.
pub fn budget(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(limit().map_or(0, |limit| limit / 100 * LIMIT_PERCENT));
    }
    let invalid = || format!("--memory-budget: {text:?} is not a number of bytes, such as 512Mi or 2G");
    let bytes = Quantity::parse(text).map_err(|_| invalid())?.value();
    u64::try_from(bytes).map_err(|_| invalid())
}

/// Reports the memory in use and the heavy users to the server, for as long as it is polled.
pub async fn follow(app: Arc<App>) {
    if !app.memory.has_budget() {
        return;
    }
    loop {
        match resident_bytes() {
            Ok(used) => app.memory.observe(used, heavy(&app.top.costs())),
            Err(error) => {
                tracing::warn!("the memory budget is off, since the used memory cannot be read: {error}");
                return;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Bytes of the process that are in memory.
fn resident_bytes() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes =
        line.and_then(|line| line.trim().split(' ').next()).and_then(|number| number.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| "no VmRSS in /proc/self/status".into())
}

/// The least limit of the control groups that the process is in.
fn limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    files(&groups).iter().filter_map(|file| limit_in(&std::fs::read_to_string(file).ok()?)).min()
}

/// The files that hold the limits of some control groups and those above them, of both versions.
fn files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let relative = Path::new(path.trim_start_matches('/'));
        files.extend(relative.ancestors().map(|group| Path::new(root).join(group).join(name)));
    }
    files
}

fn limit_in(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_amounts() {
        assert_eq!(budget("512Mi"), Ok(512 << 20));
        assert_eq!(budget("0"), Ok(0));
        for text in ["-1", "much"] {
            assert!(budget(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_looked_for_in_all_groups_above() {
        let found = files("0::/kubepods/pod1\n");
        let expected = ["kubepods/pod1/", "kubepods/", ""]
            .map(|group| PathBuf::from(format!("/sys/fs/cgroup/{group}memory.max")));
        assert_eq!(found, expected);
        let found = files("9:cpu:/a\n4:memory:/b\n");
        assert_eq!(found.first(), Some(&PathBuf::from("/sys/fs/cgroup/memory/b/memory.limit_in_bytes")));
        assert_eq!(
            (limit_in("max\n"), limit_in("1048576\n"), limit_in("9223372036854771712\n")),
            (None, Some(1 << 20), None)
        );
        assert!(resident_bytes().is_ok_and(|bytes| bytes > 1 << 20));
    }
}
