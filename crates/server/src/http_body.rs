//! The body of an answer for hyper: in parts that are small compared with the buffers of clients and sockets.

use crate::activity::InFlight;
use crate::guard::Guard;
use crate::list_body::{Cut, ListBody};
use crate::panics;
use crate::permits::Permit;
use crate::response::{Body, Carried, Parts, Response};
use crate::seat::Seat;
use crate::top::{Meter, Work};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};
use hyper::ext::ReasonPhrase;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode, Version, http};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// The most that is handed over at once: that much is kept for a client that takes none of it.
const PART_BYTES: usize = 64 << 10;

/// The longest body that gets a `Content-Length`, as Go's servers buffer it until their handler is done. Longer ones
/// come in chunks over HTTP/1.1.
pub const TOLD_BYTES_MAX: usize = 2 << 10;
const TOLD_BYTES_MAX_HTTP2: usize = 4 << 10;

/// An answer as hyper takes it, its headers sorted as Go's servers send them.
/// The request is under way until it is sent or dropped.
pub fn to_http(
    mut response: Response,
    version: Version,
    in_flight: Option<InFlight>,
) -> hyper::Response<HttpBody> {
    let (status, headers) = match head(&mut response) {
        Ok(head) => head,
        Err(error) => {
            tracing::error!(%error, "an answer had a header that HTTP does not allow");
            let mut http = hyper::Response::new(HttpBody::default());
            *http.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return http;
        }
    };
    let told_bytes_max = if version == Version::HTTP_2 { TOLD_BYTES_MAX_HTTP2 } else { TOLD_BYTES_MAX };
    let is_whole = response.is_whole();
    let Carried { reason, permits, seat, meter, held, .. } = *response.carried;
    let seat = seat.filter(|_| !is_whole);
    let body =
        HttpBody { told_bytes_max, permits, seat, held, meter, ..HttpBody::new(response.body, in_flight) };
    let mut http = hyper::Response::new(body);
    (*http.status_mut(), *http.headers_mut()) = (status, headers);
    if let Some(reason) = reason {
        http.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
    }
    http
}

/// The status and the headers of an answer, in the order of their names.
fn head(response: &mut Response) -> Result<(StatusCode, HeaderMap), http::Error> {
    response.headers.sort_by_key(|(name, _)| *name);
    let mut headers = HeaderMap::with_capacity(response.headers.len() + response.carried.passed.len());
    for (name, value) in response.headers.drain(..) {
        let value = match value {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        headers.append(HeaderName::from_static(name), HeaderValue::from_maybe_shared(value)?);
    }
    // Beside those of the same name.
    headers.extend(response.carried.passed.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok((StatusCode::from_u16(response.status)?, headers))
}

#[derive(Default)]
pub struct HttpBody {
    chunks: VecDeque<Bytes>,
    stream: Option<Box<dyn Parts>>,
    list: Option<ListBody>,
    passed: Option<UnsyncBoxBody<Bytes, Cut>>,
    in_flight: Option<InFlight>,
    /// The size beyond which no `Content-Length` is sent.
    told_bytes_max: usize,
    #[expect(dead_code, reason = "held until the answer is sent")]
    permits: Vec<Permit>,
    /// Of a stream until it first rests.
    seat: Option<Seat>,
    #[expect(dead_code, reason = "dropped when the answer has ended")]
    held: Vec<Guard>,
    meter: Option<Meter>,
}

impl HttpBody {
    fn new(body: Body, in_flight: Option<InFlight>) -> HttpBody {
        let mut http = HttpBody { in_flight, ..HttpBody::default() };
        match body {
            Body::Bytes(bytes) if bytes.is_empty() => {}
            Body::Bytes(bytes) => http.chunks.push_back(bytes),
            Body::Chunks(chunks) => http.chunks = chunks.into(),
            Body::Stream(stream) => http.stream = Some(stream),
            Body::List(mut list) => {
                list.begin();
                http.list = Some(list);
            }
            Body::Passed(body) => http.passed = Some(body),
            // The stream that the connection becomes is served apart.
            Body::Upgrade(_) => {}
        }
        http
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if let Some(first) = self.chunks.front_mut() {
            if first.len() > PART_BYTES {
                return Poll::Ready(Some(Ok(first.split_to(PART_BYTES))));
            }
            return Poll::Ready(self.chunks.pop_front().map(Ok));
        }
        if let Some(list) = &mut self.list {
            return Poll::Ready(list.next());
        }
        match &mut self.stream {
            Some(stream) => stream.poll_part(context).map(|part| part.map(Ok)),
            None => Poll::Ready(None),
        }
    }
}

impl hyper::body::Body for HttpBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(passed) = &mut self.passed {
            return Pin::new(passed).poll_frame(context);
        }
        // Bytes that are there are only handed over.
        let began = (self.stream.is_some() || self.list.is_some()).then(Instant::now);
        let next = catch_unwind(AssertUnwindSafe(|| self.next(context))).unwrap_or_else(|payload| {
            let why = panics::words(payload.as_ref());
            tracing::error!(why, "a request panicked while its answer was sent");
            // The rest of the answer cannot be sent.
            (self.stream, self.list) = (None, None);
            self.chunks.clear();
            Poll::Ready(Some(Err(Cut::new("a panic"))))
        });
        if next.is_pending() {
            self.seat = None;
        }
        if let Some(meter) = &mut self.meter {
            let bytes = if let Poll::Ready(Some(Ok(part))) = &next { part.len() } else { 0 };
            match began {
                Some(began) => meter.add(Work::since(began), bytes),
                None => meter.add_bytes(bytes),
            }
        }
        if let Some(in_flight) = &self.in_flight {
            in_flight.hand(next.is_ready());
        }
        next.map(|part| part.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        let is_made = self.chunks.is_empty() && self.stream.is_none() && self.list.is_none();
        is_made && self.passed.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(passed) = &self.passed {
            return passed.size_hint();
        }
        match (&self.stream, &self.list) {
            (Some(stream), _) => {
                stream.total_bytes().map_or_else(SizeHint::default, |len| SizeHint::with_exact(len as u64))
            }
            (None, Some(_)) => SizeHint::default(),
            (None, None) => {
                let len: usize = self.chunks.iter().map(Bytes::len).sum();
                let is_told = len <= self.told_bytes_max;
                if is_told { SizeHint::with_exact(len as u64) } else { SizeHint::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_another_server_stand_beside_our_own() {
        let passed = [("audit-id", "its own"), ("x-more", "1"), ("x-more", "2")];
        let passed =
            passed.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        headers.extend(passed);
        let response = Response::json(201, "{}").with("audit-id", String::from("ours")).passing(headers);
        let http = to_http(response, Version::HTTP_2, None);
        let values = |name: &str| {
            http.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(http.status(), 201);
        assert_eq!(values("audit-id"), ["ours", "its own"]);
        assert_eq!(values("x-more"), ["1", "2"]);
        assert_eq!(values("content-type"), ["application/json"]);
    }

    #[test]
    fn a_header_that_http_does_not_allow_is_an_error_of_ours() {
        let response = Response::json(200, "{}").with("warning", String::from("two\nlines"));
        assert_eq!(to_http(response, Version::HTTP_11, None).status(), 500);
    }
}
