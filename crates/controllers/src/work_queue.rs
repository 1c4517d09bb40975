//! Metrics of a loop's work, as those of upstream's work queues.
//! (`k8s.io/component-base/metrics/prometheus/workqueue`.)

use pintle_metrics::{Counter, Gauge, Histogram, Registry};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// The measures of one loop.
pub struct WorkQueue {
    adds: Counter,
    retries: Counter,
    depth: Gauge,
    waits: Histogram,
    work: Histogram,
    /// Since when the loop is at what it does now.
    busy_since: Arc<Mutex<Option<Instant>>>,
}

impl WorkQueue {
    pub fn new(registry: &Registry, name: &'static str) -> WorkQueue {
        let busy_since: Arc<Mutex<Option<Instant>>> = Arc::default();
        let unfinished = registry.gauges("workqueue_unfinished_work_seconds").with(&[name]);
        let longest = registry.gauges("workqueue_longest_running_processor_seconds").with(&[name]);
        let busy = busy_since.clone();
        registry.on_scrape(move || {
            let since = *busy.lock().unwrap_or_else(PoisonError::into_inner);
            let seconds = since.map_or(0.0, |since| since.elapsed().as_secs_f64());
            // One loop does one thing at a time.
            unfinished.set(seconds);
            longest.set(seconds);
        });
        WorkQueue {
            adds: registry.counters("workqueue_adds_total").with(&[name]),
            retries: registry.counters("workqueue_retries_total").with(&[name]),
            depth: registry.gauges("workqueue_depth").with(&[name]),
            waits: registry.histograms("workqueue_queue_duration_seconds").with(&[name]),
            work: registry.histograms("workqueue_work_duration_seconds").with(&[name]),
            busy_since,
        }
    }

    /// Does one thing that was due since a time, and measures it.
    pub async fn measure<T>(&self, due: Instant, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        self.adds.inc();
        self.waits.observe(began.duration_since(due).as_secs_f64());
        *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        let result = work.await;
        *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.work.observe(began.elapsed().as_secs_f64());
        result
    }

    /// Something failed and waits to be done again, with others that do.
    pub fn note_retry(&self) {
        self.retries.inc();
    }

    /// Sets the number of waiting items.
    pub fn set_depth(&self, count: usize) {
        self.depth.set(count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn work_is_measured_while_it_is_done_and_after() {
        let registry = Registry::default();
        let queue = WorkQueue::new(&registry, "loop");
        let value = |text: &str, name: &str| {
            let line = format!("{name}{{name=\"loop\"}} ");
            text.lines().find_map(|one| one.strip_prefix(&line)).map(String::from)
        };
        let seen = queue
            .measure(Instant::now(), async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                registry.text()
            })
            .await;
        assert_eq!(value(&seen, "workqueue_unfinished_work_seconds").as_deref(), Some("3"));
        queue.note_retry();
        queue.set_depth(2);
        let after = registry.text();
        for (name, expected) in [
            ("workqueue_unfinished_work_seconds", "0"),
            ("workqueue_adds_total", "1"),
            ("workqueue_retries_total", "1"),
            ("workqueue_depth", "2"),
            ("workqueue_work_duration_seconds_sum", "3"),
        ] {
            assert_eq!(value(&after, name).as_deref(), Some(expected), "{name}");
        }
    }
}
