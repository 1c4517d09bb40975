//! Measures the cost of a request: the time that threads work on it, and the bytes of its answer.

use super::sketch::Figures;
use super::{RequestKind, Top};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time between two reports of a long answer's figures.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// A request under way. Its cost is reported from time to time and when it is dropped.
#[derive(Debug)]
pub struct Meter {
    top: Arc<Top>,
    kind: RequestKind,
    untold: Figures,
    told_at: Instant,
    is_watch: bool,
}

impl Meter {
    /// Begins with the request's head: a watch counts from here on.
    pub fn new(top: Arc<Top>, kind: RequestKind, is_watch: bool) -> Meter {
        let untold = Figures { requests: 1.0, ..Figures::default() };
        if is_watch {
            top.add(&kind, &Figures::default(), 1);
        }
        Meter { top, kind, untold, told_at: Instant::now(), is_watch }
    }

    pub fn failed(&mut self) {
        self.untold.errors += 1.0;
    }

    /// Adds time worked and bytes sent.
    pub fn add(&mut self, worked: Duration, bytes: usize) {
        self.untold.cpu_seconds += worked.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an answer is smaller than 2^53 bytes")]
        let bytes = bytes as f64;
        self.untold.bytes += bytes;
        if self.told_at.elapsed() >= TELL_INTERVAL {
            self.told_at = Instant::now();
            self.top.add(&self.kind, &std::mem::take(&mut self.untold), 0);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.top.add(&self.kind, &self.untold, -i64::from(self.is_watch));
    }
}

/// The result of a future, and the time that was worked on it.
pub async fn metered<T>(mut future: Pin<&mut impl Future<Output = T>>) -> (T, Duration) {
    let mut worked = Duration::ZERO;
    let result = std::future::poll_fn(|context| {
        let began = Instant::now();
        let polled = future.as_mut().poll(context);
        worked += began.elapsed();
        polled
    })
    .await;
    (result, worked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    fn kind() -> RequestKind {
        let text = |text: &str| text.into();
        RequestKind {
            user: text("alice"),
            agent: text("a"),
            verb: text("watch"),
            group: text(""),
            resource: text("pods"),
        }
    }

    #[tokio::test]
    async fn waiting_is_not_working() {
        let ((), worked) = metered(pin!(tokio::time::sleep(Duration::from_millis(50)))).await;
        assert!(worked < Duration::from_millis(40), "{worked:?}");
    }

    #[test]
    fn a_watch_counts_until_it_ends() {
        let top = Arc::new(Top::default());
        let open = || {
            top.shards()
                .flat_map(|shard| shard.users.iter().map(|(_, one)| one.watches).collect::<Vec<_>>())
                .sum::<u64>()
        };
        let mut meter = Meter::new(top.clone(), kind(), true);
        meter.add(Duration::from_millis(3), 1000);
        assert_eq!(open(), 1);
        drop(meter);
        assert_eq!(open(), 0);
        let bytes: f64 = top
            .shards()
            .flat_map(|shard| {
                shard.kinds.iter().map(|(_, one)| one.totals(top.now()).bytes).collect::<Vec<_>>()
            })
            .sum();
        assert!(bytes > 990.0, "{bytes}");
    }
}
