//! Graceful shutdown: late requests are sent elsewhere (upstream's `filters/with_retry_after.go`), and watches end one
//! after the other (its `filters/watch_termination.go`), so that not all clients come back at once.

use crate::response::Response;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Paths that are answered to the end.
const ANSWERED: [&str; 4] = ["/readyz", "/livez", "/healthz", "/metrics"];
/// The prefix of API servers' user agents, whose requests to each other and themselves are still answered.
const API_SERVERS: &str = "kube-apiserver/";
const RETRY_AFTER_SECONDS: &str = "5";
/// The time between two checks whether anything is still under way.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The stage of a shutdown, and the requests still under way.
#[derive(Debug, Default)]
pub struct Leaving {
    turns_away: AtomicBool,
    /// The time over which the ends of watches are spread, in nanoseconds; zero while they may go on.
    watches_end_nanos: AtomicU64,
    requests: AtomicUsize,
    watches: AtomicUsize,
}

/// A request that is under way.
#[derive(Debug)]
pub struct UnderWay(Arc<Leaving>);

/// A watch that is open.
#[derive(Debug)]
pub struct OpenWatch(Arc<Leaving>);

impl Leaving {
    /// From here on requests that come are sent elsewhere.
    pub fn turn_away(&self) {
        self.turns_away.store(true, Ordering::Relaxed);
    }

    /// The answer to a request that comes too late.
    pub fn refusal(&self, path: &str, user_agent: &str) -> Option<Response> {
        let is_late = self.turns_away.load(Ordering::Relaxed)
            && !user_agent.starts_with(API_SERVERS)
            && !ANSWERED.iter().any(|prefix| path.starts_with(prefix));
        is_late.then(|| {
            Response::text(429, "The apiserver is shutting down, please try again later.\n")
                .with("x-content-type-options", "nosniff")
                .with("connection", "close")
                .with("retry-after", RETRY_AFTER_SECONDS)
        })
    }

    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    pub fn begin_watch(self: &Arc<Self>) -> OpenWatch {
        self.watches.fetch_add(1, Ordering::Relaxed);
        OpenWatch(self.clone())
    }

    /// Waits for requests that are under way, but not for ever.
    pub async fn drained(&self, within: Duration) {
        wait(within, || self.requests.load(Ordering::Relaxed) == 0).await;
    }

    /// Spreads the ends of watches over a time. A watch reads its end when it is woken.
    pub fn end_watches(&self, within: Duration) {
        let nanos = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.watches_end_nanos.store(nanos, Ordering::Release);
    }

    /// Waits until the last watch has ended, but not for ever.
    pub async fn watches_ended(&self, within: Duration) {
        wait(within, || self.watches.load(Ordering::Relaxed) == 0).await;
    }
}

impl OpenWatch {
    /// In which time this watch has to end, once the server leaves.
    pub fn ends_within(&self) -> Option<Duration> {
        let nanos = self.0.watches_end_nanos.load(Ordering::Acquire);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.watches.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn wait(within: Duration, is_over: impl Fn() -> bool) {
    let end = Instant::now() + within;
    while !is_over() && Instant::now() < end {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_late_is_sent_elsewhere() {
        let leaving = Leaving::default();
        let check = |path: &str, agent: &str, expected: bool| {
            assert_eq!(leaving.refusal(path, agent).is_some(), expected, "{path} {agent}");
        };
        check("/api/v1/pods", "kubectl/v1", false);
        leaving.turn_away();
        check("/api/v1/pods", "kubectl/v1", true);
        check("/api/v1/pods", "kube-apiserver/v1.36.2", false);
        check("/readyz/ping", "kubectl/v1", false);
        check("/metrics", "", false);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_waited_for() {
        let leaving = Arc::new(Leaving::default());
        let began = Instant::now();
        let (request, watch) = (leaving.begin(), leaving.begin_watch());
        assert_eq!(watch.ends_within(), None);
        leaving.drained(Duration::from_secs(3)).await;
        assert!(began.elapsed() >= Duration::from_secs(3));
        drop(request);
        leaving.end_watches(Duration::from_secs(7));
        assert_eq!(watch.ends_within(), Some(Duration::from_secs(7)));
        drop(watch);
        leaving.drained(Duration::from_secs(3600)).await;
        leaving.watches_ended(Duration::from_secs(3600)).await;
    }
}
