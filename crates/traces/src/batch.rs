//! Batches of ended spans for the collector. The queue is bounded: spans beyond it are dropped, counted and logged.

use crate::export::Exporter;
use crate::queue::{EndedSpan, Lost};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The limits of OpenTelemetry's SDKs.
const BATCH_SPANS_MAX: usize = 512;
const BATCH_WAIT: Duration = Duration::from_secs(5);

/// The time for the last batches when the server ends.
pub(crate) const FLUSH_MAX: Duration = Duration::from_secs(5);
/// The time between two log lines about lost spans.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// ExportLog when everything that had ended has been sent.
pub(crate) type Flush = oneshot::Sender<()>;

/// Sends ended spans, until there can be no more.
pub(crate) async fn run(
    exporter: Exporter,
    lost: Lost,
    mut ended: mpsc::Receiver<EndedSpan>,
    mut flushes: mpsc::Receiver<Flush>,
) {
    let mut told = ExportLog::default();
    loop {
        let (batch, next) = fill(&mut ended, &mut flushes).await;
        match next {
            Next::Send => told.result(exporter.export(batch).await),
            Next::Flush(flush) => {
                flush_all(&exporter, batch, &mut ended).await;
                let _ = flush.send(());
            }
            Next::End => return,
        }
        told.losses(&lost);
    }
}

enum Next {
    Send,
    Flush(Flush),
    End,
}

/// Waits for a batch: until it is full, or some time after its first span, or a flush.
async fn fill(
    ended: &mut mpsc::Receiver<EndedSpan>,
    flushes: &mut mpsc::Receiver<Flush>,
) -> (Vec<EndedSpan>, Next) {
    let mut batch = Vec::new();
    let mut deadline = None;
    while batch.len() < BATCH_SPANS_MAX {
        let left = BATCH_SPANS_MAX - batch.len();
        let late = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            count = ended.recv_many(&mut batch, left) => match count {
                0 => return (batch, Next::End),
                _ => { deadline.get_or_insert_with(|| Instant::now() + BATCH_WAIT); }
            },
            Some(flush) = flushes.recv() => return (batch, Next::Flush(flush)),
            () = late => break,
        }
    }
    (batch, Next::Send)
}

/// Sends the spans that have ended so far, in one try each.
async fn flush_all(exporter: &Exporter, mut batch: Vec<EndedSpan>, ended: &mut mpsc::Receiver<EndedSpan>) {
    let send = async {
        loop {
            while batch.len() < BATCH_SPANS_MAX
                && let Ok(span) = ended.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            if let Err(why) = exporter.export_once(std::mem::take(&mut batch)).await {
                tracing::warn!(why, "cannot export the last traces");
                return;
            }
        }
    };
    if tokio::time::timeout(FLUSH_MAX, send).await.is_err() {
        tracing::warn!("exporting the last traces timed out");
    }
}

/// The state of exports as it was logged last.
#[derive(Default)]
struct ExportLog {
    is_failing: bool,
    losses_at: Option<Instant>,
}

impl ExportLog {
    /// Logs the first of several failures, and the success after them.
    fn result(&mut self, result: Result<(), String>) {
        let was_failing = std::mem::replace(&mut self.is_failing, result.is_err());
        match result {
            Err(why) if !was_failing => tracing::warn!(why, "cannot export traces"),
            Ok(()) if was_failing => tracing::info!("traces are exported again"),
            _ => {}
        }
    }

    fn losses(&mut self, lost: &Lost) {
        if self.losses_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            let count = lost.take();
            if count > 0 {
                self.losses_at = Some(Instant::now());
                tracing::warn!(count, "spans were dropped: the collector is too slow");
            }
        }
    }
}
