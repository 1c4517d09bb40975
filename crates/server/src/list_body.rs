//! Bodies that are made while they are sent: a list is encoded piece by piece, as fast as its client reads.

use crate::activity::STALL_MAX;
use crate::permits::Permit;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use pintle_engine::{ListStream, PIECE_BYTES};
use pintle_object::json::Pretty;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;

/// The bytes of one answer that may be encoded and not yet sent: the send buffer of an HTTP/2 stream.
pub const SEND_BYTES: u32 = 256 << 10;
/// Upstream ends every list after this time. Here it is prolonged as pieces are taken, so that slow lines can have
/// large lists, but not without end: replaced objects stay in memory for a list that still has to send them.
const TIME_MIN: Duration = Duration::from_secs(60);
/// The rate at which a client must take the answer for each second beyond `TIME_MIN`.
const BYTES_PER_SECOND_MIN: u64 = 1 << 20;

/// An answer of many pieces.
pub struct ListBody {
    source: Arc<Mutex<Option<ListSource>>>,
    taken: Arc<AtomicU64>,
    guard: Option<AbortHandle>,
}

struct ListSource {
    /// The first piece in parts, which was made to see whether there is another.
    firsts: VecDeque<Bytes>,
    pieces: ListStream,
    pretty: Option<Pretty>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    permits: Vec<Permit>,
    tap: Option<Tap>,
}

/// Sees each piece before it is laid out and compressed, and whether it is the last.
pub type Tap = Box<dyn FnMut(&[u8], bool) + Send>;

/// The reason why an answer was cut off; clients see a broken stream.
#[derive(Debug)]
pub struct Cut(String);

impl Cut {
    pub fn new(why: &str) -> Cut {
        Cut(why.into())
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cut {}

impl fmt::Debug for ListBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListBody").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl ListBody {
    /// The rest of a list whose first piece is encoded already.
    pub fn new(firsts: Vec<Bytes>, pieces: ListStream, is_pretty: bool) -> ListBody {
        let (firsts, pretty) = (firsts.into(), is_pretty.then(Pretty::default));
        let source = ListSource { firsts, pieces, pretty, gzip: None, permits: Vec::new(), tap: None };
        ListBody { source: Arc::new(Mutex::new(Some(source))), taken: Arc::default(), guard: None }
    }

    /// The memory that the answer takes while it is sent, in bytes.
    pub fn weight(&self) -> usize {
        let held = lock(&self.source).as_ref().map_or(0, |source| source.pieces.held_bytes());
        held + SEND_BYTES as usize + 2 * PIECE_BYTES
    }

    /// Keeps permits until the answer is sent, or is cut off.
    pub fn hold(&self, permits: Vec<Permit>) {
        if let Some(source) = lock(&self.source).as_mut() {
            source.permits = permits;
        }
    }

    /// Also passes the sent bytes to another reader: the audit.
    pub fn tap(&self, tap: Tap) {
        if let Some(source) = lock(&self.source).as_mut() {
            source.tap = Some(tap);
        }
    }

    /// Compresses the answer from here on, at the cheapest level: upstream's choice.
    pub fn compress(&self) {
        if let Some(source) = lock(&self.source).as_mut() {
            source.gzip = Some(GzEncoder::new(Vec::with_capacity(PIECE_BYTES / 4), Compression::new(1)));
        }
    }

    /// The length of the whole, where it is known.
    pub fn total_bytes(&self) -> Option<usize> {
        let source = lock(&self.source);
        let source = source.as_ref()?;
        source.pieces.total_bytes().filter(|_| source.pretty.is_none() && source.gzip.is_none())
    }

    /// Starts the timeout of the client. A body is not polled while its client reads nothing, so a task has to end it.
    pub fn begin(&mut self) {
        let (source, taken) = (self.source.clone(), self.taken.clone());
        self.guard = Some(tokio::spawn(guard(source, taken, STALL_MAX)).abort_handle());
    }

    /// The next bytes to send; `None` at the end.
    pub fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let mut source = lock(&self.source);
        let Some(open) = source.as_mut() else { return Some(Err(Cut("the client was too slow".into()))) };
        let next = open.next();
        match &next {
            Some(Ok(bytes)) => drop(self.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed)),
            Some(Err(cut)) => tracing::warn!(%cut, "list response aborted"),
            None => {}
        }
        next
    }
}

impl Drop for ListBody {
    fn drop(&mut self) {
        if let Some(guard) = &self.guard {
            guard.abort();
        }
    }
}

impl ListSource {
    fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        // A compressed piece may be nothing yet.
        loop {
            let piece = match self.firsts.pop_front() {
                Some(first) => first,
                None => match self.pieces.next() {
                    Some(Ok(piece)) => piece,
                    Some(Err(status)) => return Some(Err(Cut(status.message))),
                    None => return None,
                },
            };
            if let Some(tap) = &mut self.tap {
                tap(&piece, self.pieces.is_done());
            }
            match self.encoded(piece) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Some(Ok(bytes)),
                Err(error) => return Some(Err(Cut(error.to_string()))),
            }
        }
    }

    fn encoded(&mut self, mut piece: Bytes) -> std::io::Result<Bytes> {
        if let Some(pretty) = &mut self.pretty {
            let mut out = Vec::with_capacity(piece.len() * 2);
            pretty.write(&piece, &mut out);
            piece = out.into();
        }
        let Some(gzip) = &mut self.gzip else { return Ok(piece) };
        gzip.write_all(&piece)?;
        if self.pieces.is_done() {
            gzip.try_finish()?;
        }
        Ok(std::mem::take(gzip.get_mut()).into())
    }
}

/// Ends an answer whose client stalls, or is slower than it may be.
async fn guard<T>(source: Arc<Mutex<Option<T>>>, taken: Arc<AtomicU64>, stall_max: Duration) {
    let begin = tokio::time::Instant::now();
    let mut before = 0;
    loop {
        tokio::time::sleep(stall_max).await;
        let now = taken.load(Ordering::Relaxed);
        let allowed = TIME_MIN + Duration::from_secs(now / BYTES_PER_SECOND_MIN);
        if now == before || begin.elapsed() > allowed {
            tracing::info!(sent = now, "response aborted: its client does not read it");
            lock(&source).take();
            return;
        }
        before = now;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_let_go() {
        let (source, taken) = (Arc::new(Mutex::new(Some(()))), Arc::new(AtomicU64::new(0)));
        guard(source.clone(), taken, Duration::from_millis(1)).await;
        assert!(lock(&source).is_none());
    }
}
