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
    /// Begins with the request's head, and the work until its answer: a watch counts from here on.
    pub fn new(top: Arc<Top>, kind: RequestKind, is_watch: bool, work: Work) -> Meter {
        let untold = Figures { requests: 1.0, cpu_seconds: work.time.as_secs_f64(), ..Figures::default() };
        if is_watch {
            top.add(&kind, &Figures::default(), 1);
        }
        Meter { top, kind, untold, told_at: work.until, is_watch }
    }

    pub fn failed(&mut self) {
        self.untold.errors += 1.0;
    }

    /// Adds bytes sent that were there already.
    pub fn add_bytes(&mut self, bytes: usize) {
        #[expect(clippy::cast_precision_loss, reason = "an answer is smaller than 2^53 bytes")]
        let bytes = bytes as f64;
        self.untold.bytes += bytes;
    }

    /// Adds work, and the bytes sent for it.
    pub fn add(&mut self, work: Work, bytes: usize) {
        self.untold.cpu_seconds += work.time.as_secs_f64();
        self.add_bytes(bytes);
        if work.until.saturating_duration_since(self.told_at) >= TELL_INTERVAL {
            self.told_at = work.until;
            self.top.add(&self.kind, &std::mem::take(&mut self.untold), 0);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.top.add(&self.kind, &self.untold, -i64::from(self.is_watch));
    }
}

/// Time that a thread worked, and its end.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub time: Duration,
    pub until: Instant,
}

impl Work {
    /// The work from an instant on until now.
    pub fn since(began: Instant) -> Work {
        let until = Instant::now();
        Work { time: until.saturating_duration_since(began), until }
    }
}

/// The result of a future, and the work on it.
pub async fn metered<T>(mut future: Pin<&mut impl Future<Output = T>>) -> (T, Work) {
    let mut before = Duration::ZERO;
    std::future::poll_fn(|context| {
        let began = Instant::now();
        let polled = future.as_mut().poll(context);
        let Work { time, until } = Work::since(began);
        before += time;
        polled.map(|result| (result, Work { time: before, until }))
    })
    .await
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
        assert!(worked.time < Duration::from_millis(40), "{worked:?}");
    }

    #[test]
    fn a_watch_counts_until_it_ends() {
        let top = Arc::new(Top::default());
        let open = || {
            top.shards()
                .flat_map(|shard| shard.users.iter().map(|(_, one)| one.watches).collect::<Vec<_>>())
                .sum::<u64>()
        };
        let work = Work { time: Duration::from_millis(3), until: Instant::now() };
        let mut meter = Meter::new(top.clone(), kind(), true, work);
        meter.add(work, 1000);
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
