//! `SpanSink`: where spans go when they end, and wait to be sent. Bounded.

use crate::library::Library;
use crate::wire;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// The limit of OpenTelemetry's SDKs.
pub(crate) const QUEUE_SPANS_MAX: usize = 2048;

/// A span that has ended.
#[derive(Debug)]
pub(crate) struct EndedSpan {
    pub library: Library,
    pub span: wire::Span,
}

/// The queue of ended spans. Never waits: spans that find no place are counted and lost.
#[derive(Clone, Debug)]
pub(crate) struct SpanSink {
    queue: mpsc::Sender<EndedSpan>,
    pub lost: Lost,
}

/// The number of spans that found no place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost(Arc<AtomicU64>);

impl Lost {
    /// The number since the last call.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl SpanSink {
    pub fn new() -> (SpanSink, mpsc::Receiver<EndedSpan>) {
        let (queue, ended) = mpsc::channel(QUEUE_SPANS_MAX);
        (SpanSink { queue, lost: Lost::default() }, ended)
    }

    pub fn end(&self, library: Library, span: wire::Span) {
        if self.queue.try_send(EndedSpan { library, span }).is_err() {
            self.lost.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
