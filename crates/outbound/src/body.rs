//! Bodies of requests and answers, whole or streamed.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The part of a compressed body that is unpacked at once: it becomes a thousandfold of that at most.
pub(crate) const UNPACK_BYTES: usize = 512;

/// The body of a request.
pub struct RequestBody(BodyKind);

enum BodyKind {
    Bytes(Full<Bytes>),
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl RequestBody {
    pub fn empty() -> RequestBody {
        RequestBody::bytes(Bytes::new())
    }

    pub fn bytes(bytes: Bytes) -> RequestBody {
        RequestBody(BodyKind::Bytes(Full::new(bytes)))
    }

    /// A body that is sent as it comes.
    pub fn stream<B>(body: B) -> RequestBody
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        RequestBody(BodyKind::Stream(body.map_err(Into::into).boxed_unsync()))
    }

    /// The same body again, where it is whole.
    pub(crate) fn again(&self) -> Option<RequestBody> {
        match &self.0 {
            BodyKind::Bytes(bytes) => Some(RequestBody(BodyKind::Bytes(bytes.clone()))),
            BodyKind::Stream(_) => None,
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            BodyKind::Bytes(bytes) => Pin::new(bytes).poll_frame(cx).map_err(|never| match never {}),
            BodyKind::Stream(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyKind::Bytes(bytes) => bytes.is_end_stream(),
            BodyKind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyKind::Bytes(bytes) => bytes.size_hint(),
            BodyKind::Stream(stream) => stream.size_hint(),
        }
    }
}
