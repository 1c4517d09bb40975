//! Connections of HTTP/2 that behave badly: bodies that never end, answers that are not taken.

use crate::tls;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A body that may stop in the middle.
pub struct FramePart {
    bytes: Option<Bytes>,
    ends: bool,
}

impl Body for FramePart {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.ends => Poll::Ready(None),
            // It is never woken: its connection is dropped.
            None => Poll::Pending,
        }
    }
}

/// A connection as one user. Clones are the same connection.
#[derive(Clone)]
pub struct Http2 {
    token: String,
    sender: SendRequest<FramePart>,
}

/// A request of a test's own making.
#[derive(Clone)]
pub struct Sent<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Bytes,
    /// Whether the body ends.
    pub ends: bool,
}

impl Http2 {
    /// Connects; of each answer `window_bytes` are taken before it is read.
    pub async fn connect(port: u16, token: &str, window_bytes: u32) -> Result<Http2, Failure> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        let tls = tls::connector(&[b"h2"]).connect(ServerName::try_from("localhost")?, tcp).await?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window_bytes)
            .handshake(TokioIo::new(tls))
            .await?;
        tokio::spawn(connection);
        Ok(Http2 { token: token.into(), sender })
    }

    /// The head of the answer, when there is one.
    pub async fn send(&mut self, sent: Sent<'_>) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(sent.method)
            .uri(format!("https://localhost{}", sent.path))
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in sent.headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let body = FramePart { bytes: Some(sent.body).filter(|bytes| !bytes.is_empty()), ends: sent.ends };
        Ok(self.sender.send_request(request.body(body)?).await?)
    }
}
