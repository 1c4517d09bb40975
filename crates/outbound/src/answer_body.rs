//! Bodies of answers: unpacked where they are compressed.

use crate::body::{BoxError, UNPACK_BYTES};
use crate::pool::Lease;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use pintle_traces::Span;
use std::collections::VecDeque;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of an answer. Its connection serves the next request once it has been read to its end, and is closed when
/// it is dropped before.
pub struct AnswerBody {
    incoming: Incoming,
    lease: Option<Lease>,
    unpacking: Option<Unpacking>,
    /// Ends with the answer.
    span: Span,
}

impl AnswerBody {
    pub(crate) fn new(incoming: Incoming, lease: Lease, is_packed: bool) -> AnswerBody {
        let unpacking = is_packed.then(Unpacking::default);
        let mut body = AnswerBody { incoming, lease: Some(lease), unpacking, span: Span::default() };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Has a span end when it has been read to its end, or is dropped.
    pub(crate) fn within(self, span: Span) -> AnswerBody {
        AnswerBody { span: if self.lease.is_some() { span } else { Span::default() }, ..self }
    }

    fn finish(&mut self) {
        self.span = Span::default();
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match polled {
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                let text =
                    if error.is_incomplete_message() { "unexpected EOF".into() } else { error.to_string() };
                Poll::Ready(Some(Err(text.into())))
            }
            polled => polled.map_err(Into::into),
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            if let Some(unpacking) = &mut this.unpacking
                && let Some(unpacked) = unpacking.next()
            {
                return Poll::Ready(Some(unpacked.map(Frame::data)));
            }
            let frame = match this.poll_incoming(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other,
            };
            match (&mut this.unpacking, frame.into_data()) {
                (Some(unpacking), Ok(packed)) => unpacking.packed.push_back(packed),
                (None, Ok(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                (_, Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
            && self.unpacking.as_ref().is_none_or(|unpacking| unpacking.packed.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        if self.unpacking.is_some() { SizeHint::default() } else { self.incoming.size_hint() }
    }
}

/// A body that the other side packed because the client allowed it.
pub(crate) struct Unpacking {
    decoder: MultiGzDecoder<Vec<u8>>,
    packed: VecDeque<Bytes>,
}

impl Default for Unpacking {
    fn default() -> Unpacking {
        Unpacking { decoder: MultiGzDecoder::new(Vec::new()), packed: VecDeque::new() }
    }
}

impl Unpacking {
    /// The next unpacked bytes that need no more packed ones.
    fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        while let Some(mut packed) = self.packed.pop_front() {
            let now = packed.split_to(packed.len().min(UNPACK_BYTES));
            if !packed.is_empty() {
                self.packed.push_front(packed);
            }
            let done = self.decoder.write_all(&now).and_then(|()| self.decoder.flush());
            if let Err(error) = done {
                self.packed.clear();
                return Some(Err(format!("gzip: invalid header or data: {error}").into()));
            }
            let unpacked = std::mem::take(self.decoder.get_mut());
            if !unpacked.is_empty() {
                return Some(Ok(unpacked.into()));
            }
        }
        None
    }
}
