//! An answer, before it becomes HTTP.

use crate::guard::Guard;
use crate::list_body::{Cut, ListBody};
use crate::permits::Permit;
use crate::seat::Seat;
use crate::top::Meter;
use crate::upgrade::Upgrade;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::HeaderMap;
use std::borrow::Cow;
use std::fmt;
use std::task::{Context, Poll};

/// Names and values of headers.
pub type Headers = Vec<(&'static str, Cow<'static, str>)>;

/// The room for headers that most answers need.
const HEADERS_USUAL: usize = 8;

/// Status, headers and body of an answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Headers,
    pub body: Body,
    /// Whether the client is anonymous.
    pub is_to_nobody: bool,
    /// Apart, so that answers are moved at little cost.
    pub carried: Box<Carried>,
}

/// The parts of an answer that most of its way does not look at.
#[derive(Debug, Default)]
pub struct Carried {
    /// Headers of another server's answer that is passed on, as they came.
    pub passed: HeaderMap,
    /// The number of events of the audit that are to be stored before anything of it is sent; 0 for none.
    pub left: u64,
    /// The reason in the status line of HTTP/1.1, where it is not the usual one.
    pub reason: Option<&'static str>,
    /// Its permits of the memory that all answers share.
    pub permits: Vec<Permit>,
    /// The request's seat: released when the answer is made, of a list when it is sent, of a stream when it first
    /// rests.
    pub seat: Option<Seat>,
    /// Measures the rest of the request: making and sending the answer.
    pub meter: Option<Meter>,
    /// Dropped when the answer is sent to its end, or its client is gone.
    pub held: Vec<Guard>,
}

pub enum Body {
    Bytes(Bytes),
    /// Parts that are sent one after the other without being joined.
    Chunks(Vec<Bytes>),
    /// A list of many pieces, each made when it is sent.
    List(ListBody),
    /// A watch, or a document that is decompressed on the way: parts as they come.
    Stream(Box<dyn Parts>),
    /// The body of another server, passed on as it comes, trailers included.
    Passed(UnsyncBoxBody<Bytes, Cut>),
    /// No answer: the connection becomes a stream of its own.
    Upgrade(Upgrade),
}

/// Parts of a body that are made as the client takes them.
pub trait Parts: Send {
    /// The next part; none at the end.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// The memory of the remaining parts, without bytes that are shared, in bytes.
    fn held_bytes(&self) -> usize {
        0
    }

    /// The length of all parts together, where it is known.
    fn total_bytes(&self) -> Option<usize> {
        None
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Bytes(bytes) => bytes.fmt(f),
            Body::Chunks(chunks) => chunks.fmt(f),
            Body::List(flow) => flow.fmt(f),
            Body::Stream(_) => f.write_str("a stream"),
            Body::Passed(_) => f.write_str("what another server sends"),
            Body::Upgrade(_) => f.write_str("an upgraded connection"),
        }
    }
}

impl Response {
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, body: impl Into<Bytes>) -> Response {
        Response { body: Body::Bytes(body.into()), ..Response::empty(status) }
            .with("content-type", content_type)
    }

    /// An answer without body and content type.
    pub fn empty(status: u16) -> Response {
        Response {
            status,
            headers: Headers::with_capacity(HEADERS_USUAL),
            body: Body::Bytes(Bytes::new()),
            is_to_nobody: false,
            carried: Box::default(),
        }
    }

    /// A connection that becomes a stream of its own. The headers `Connection` and `Upgrade` are the caller's.
    pub fn upgraded(upgrade: Upgrade) -> Response {
        Response { body: Body::Upgrade(upgrade), ..Response::empty(101) }
    }

    pub fn json(status: u16, body: impl Into<Bytes>) -> Response {
        Response::new(status, "application/json", body)
    }

    pub fn text(status: u16, body: &'static str) -> Response {
        Response::new(status, "text/plain; charset=utf-8", body)
    }

    /// The 404 of Go's ServeMux, for a path that nothing serves.
    pub fn not_found_page() -> Response {
        Response::text(404, "404 page not found\n").with("x-content-type-options", "nosniff")
    }

    /// The 400 of Go's HTTP server, for a request that cannot be parsed; the connection ends.
    pub fn malformed(reason: Option<&'static str>) -> Response {
        let words = format!("400 {}", reason.unwrap_or("Bad Request"));
        let mut response = Response::new(400, "text/plain; charset=utf-8", words).with("connection", "close");
        response.carried.reason = reason;
        response
    }

    /// The 500 of a request that panicked.
    pub fn panicked() -> Response {
        Response::text(500, "This request caused apiserver to panic. Look in the logs for details.\n")
            .with("x-content-type-options", "nosniff")
    }

    /// The 503 for an aggregated server that cannot be reached.
    pub fn unavailable() -> Response {
        Response::text(503, "service unavailable\n").with("x-content-type-options", "nosniff")
    }

    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// With headers of another server's answer, as they came.
    pub fn passing(mut self, headers: HeaderMap) -> Response {
        self.carried.passed = headers;
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_ref())
    }

    /// The body's length, when it is known before it is sent.
    pub fn len(&self) -> Option<usize> {
        match &self.body {
            Body::Bytes(bytes) => Some(bytes.len()),
            Body::Chunks(chunks) => Some(chunks.iter().map(Bytes::len).sum()),
            Body::List(flow) => flow.total_bytes(),
            Body::Stream(stream) => stream.total_bytes(),
            Body::Passed(_) | Body::Upgrade(_) => None,
        }
    }

    /// Whether it is complete, so that nothing has to be made while it is sent.
    pub fn is_whole(&self) -> bool {
        matches!(self.body, Body::Bytes(_) | Body::Chunks(_))
    }

    /// The memory that the answer takes until it is sent, in bytes.
    pub fn weight(&self) -> usize {
        match &self.body {
            Body::Bytes(bytes) => bytes.len(),
            Body::Chunks(chunks) => chunks.iter().map(Bytes::len).sum(),
            Body::List(flow) => flow.weight(),
            Body::Stream(stream) => stream.held_bytes(),
            Body::Passed(_) | Body::Upgrade(_) => 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}
