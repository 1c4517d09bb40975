//! Writes of a connection are held until it has nothing more to write at the moment, and then go out together.
//!
//! HTTP/2 flushes after every frame of data. With hundreds of watches on a connection each event would be a TLS record
//! and a system call of its own; so a flush is only noted while the connection is worked on, and done when it rests.

use crate::answer_gate::AnswerGate;
use crate::as_go;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes that are held back; more is written at once. Four TLS records.
const HELD_MAX: usize = 64 << 10;
/// Bytes are copied, by us and by TLS, in pieces: many processors copy large misaligned ones with an instruction that
/// takes several times as long.
const PIECE: usize = 4 << 10;
/// The initial capacity, which most answers fit into.
const HELD_MIN: usize = 4 << 10;

/// A stream and its unwritten output. Clones are the same.
pub struct Coalesced<S>(Arc<Mutex<CoalescerState<S>>>);

struct CoalescerState<S> {
    stream: S,
    gate: AnswerGate,
    bytes: Vec<u8>,
    /// The number of bytes of `bytes` that are written.
    written: usize,
    /// While a connection is worked on, flushes wait.
    is_driven: bool,
    needs_flush: bool,
    has_yielded: bool,
}

impl<S> Clone for Coalesced<S> {
    fn clone(&self) -> Coalesced<S> {
        Coalesced(self.0.clone())
    }
}

impl<S> Coalesced<S> {
    /// Holds what goes to a stream, as far as a gate is not open.
    pub fn new(stream: S, gate: AnswerGate) -> Coalesced<S> {
        let (bytes, written) = (Vec::new(), 0);
        let (is_driven, needs_flush, has_yielded) = (false, false, false);
        let state = CoalescerState { stream, gate, bytes, written, is_driven, needs_flush, has_yielded };
        Coalesced(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, CoalescerState<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Coalesced<S> {
    /// Polls the connection that uses the stream, and writes its output whenever it is pending.
    pub fn poll_driven<F: Future + ?Sized>(
        &self,
        context: &mut Context<'_>,
        connection: Pin<&mut F>,
    ) -> Poll<F::Output> {
        self.state().is_driven = true;
        let result = connection.poll(context);
        let mut state = self.state();
        state.is_driven = false;
        if !state.needs_flush {
            return result;
        }
        state.has_yielded = result.is_pending() && !state.has_yielded;
        if state.has_yielded {
            // Others that are ready to run may have more for the same connection.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // An error shows again with the next write of the connection, and a task that waits for room is woken.
        let _ = state.poll_flush_all(context);
        result
    }
}

impl<S: AsyncWrite + Unpin> CoalescerState<S> {
    /// Whether `len` more bytes can be held. Makes room if they cannot.
    fn poll_room(&mut self, context: &mut Context<'_>, len: usize) -> Poll<io::Result<bool>> {
        if self.bytes.len() + len > HELD_MAX {
            ready!(self.poll_write_held(context))?;
        }
        if len > HELD_MAX {
            return Poll::Ready(Ok(false));
        }
        if self.bytes.capacity() < self.bytes.len() + len {
            let wanted = if self.bytes.is_empty() && len <= HELD_MIN { HELD_MIN } else { HELD_MAX };
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.needs_flush = true;
        Poll::Ready(Ok(true))
    }

    fn poll_write_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gate.poll_open(context));
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            let mut pieces = [IoSlice::new(&[]); HELD_MAX / PIECE];
            pieces.iter_mut().zip(rest.chunks(PIECE)).for_each(|(slice, piece)| *slice = IoSlice::new(piece));
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, &pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.bytes.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_flush_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_held(context))?;
        // A connection at rest holds no memory.
        self.bytes = Vec::new();
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.needs_flush = false;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Coalesced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.state().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let len = slices.iter().map(|slice| slice.len()).sum();
        let is_held = ready!(state.poll_room(context, len))?;
        state.gate.close();
        if !is_held {
            ready!(state.gate.poll_open(context));
            return Pin::new(&mut state.stream).poll_write_vectored(context, slices);
        }
        if let Some(refusal) = slices.first().and_then(|first| as_go::refusal(first)) {
            state.bytes.extend_from_slice(refusal.as_bytes());
            return Poll::Ready(Ok(len));
        }
        for (place, slice) in slices.iter().enumerate() {
            match as_go::chunk_size(slices, place) {
                Some(size) => state.bytes.extend_from_slice(&size),
                None => slice.chunks(PIECE).for_each(|piece| state.bytes.extend_from_slice(piece)),
            }
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.is_driven {
            state.needs_flush = true;
            return Poll::Ready(Ok(()));
        }
        state.poll_flush_all(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        ready!(state.poll_flush_all(context))?;
        Pin::new(&mut state.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_a_connection_writes_goes_out_when_it_rests() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let held = Coalesced::new(near, AnswerGate::default());
        let mut own = held.clone();
        let mut connection = std::pin::pin!(async move {
            for _ in 0..3 {
                own.write_all(b"frame").await.unwrap();
                own.flush().await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let mut heard = vec![0; 15];
        tokio::select! {
            () = std::future::poll_fn(|context| held.poll_driven(context, connection.as_mut())) => {
                panic!("it never ends")
            }
            result = far.read_exact(&mut heard) => assert_eq!(result.unwrap(), 15),
        }
        assert_eq!(heard, b"frameframeframe");
        assert_eq!(held.state().bytes.capacity(), 0);
    }

    #[tokio::test]
    async fn what_a_slow_reader_leaves_is_bounded() {
        let (near, mut far) = tokio::io::duplex(1000);
        let held = Coalesced::new(near, AnswerGate::default());
        let mut own = held.clone();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let mut connection = std::pin::pin!(async move {
            for chunk in sent.chunks(7_000) {
                own.write_all(chunk).await.unwrap();
                own.flush().await.unwrap();
            }
            own.write_all(&[7; HELD_MAX + 1]).await.unwrap();
            own.shutdown().await.unwrap();
        });
        let mut heard = Vec::new();
        let read = async {
            let mut part = vec![0; 3_000];
            loop {
                assert!(held.state().bytes.capacity() <= HELD_MAX);
                match far.read(&mut part).await.unwrap() {
                    0 => return,
                    len => heard.extend_from_slice(&part[..len]),
                }
            }
        };
        let drive = std::future::poll_fn(|context| held.poll_driven(context, connection.as_mut()));
        tokio::join!(drive, read);
        assert_eq!(heard.len(), expected.len() + HELD_MAX + 1);
        assert!(heard.starts_with(&expected));
    }
}
