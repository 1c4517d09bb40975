//! Listeners and connections: TLS, HTTP/1.1 and HTTP/2, and a stop that finishes what is under way.

use crate::app::App;
use crate::flow::{Cut, Flow, SEND_BYTES};
use crate::held::Held;
use crate::pipeline;
use crate::respond::{Body, Parts, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls_pki_types::CertificateDer;
use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Requests that one HTTP/2 connection may have under way, as upstream's default.
const STREAMS_MAX: u32 = 100;
/// Upstream's frames and windows.
const WINDOW_BYTES: u32 = 256 << 10;
/// A client that does not finish its handshake in this time is dropped.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a stop waits for requests under way.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Serves until `stop` turns true, then lets what is under way finish.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(app.clone(), stream, acceptor.clone(), for_connections.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    app.is_stopping.store(true, Ordering::Relaxed);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
        tracing::warn!("requests were still under way when the time to stop was over");
    }
}

async fn connection(
    app: Arc<App>,
    stream: TcpStream,
    acceptor: TlsAcceptor,
    mut stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let certificates: Arc<[CertificateDer<'static>]> = stream
        .get_ref()
        .1
        .peer_certificates()
        .unwrap_or(&[])
        .iter()
        .map(|c| c.clone().into_owned())
        .collect();
    let streams_max = if app.options.streams_max == 0 { STREAMS_MAX } else { app.options.streams_max };
    let goaway = Arc::new(Notify::new());
    let leave = goaway.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (app, certificates, leave) = (app.clone(), certificates.clone(), leave.clone());
        async move {
            let is_http2 = request.version() == hyper::Version::HTTP_2;
            if is_http2 && is_chosen(app.options.goaway_per_million) {
                leave.notify_one();
            }
            let response = pipeline::handle(&app, request, &certificates).await;
            // HTTP/2 is costly: whoever proves nothing gets one request of each connection.
            if is_http2 && response.is_to_nobody {
                leave.notify_one();
            }
            Ok::<_, Infallible>(to_http(response))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams_max)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(
            WINDOW_BYTES.saturating_mul(streams_max).min(WINDOW_BYTES * STREAMS_MAX),
        )
        .max_frame_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES as usize)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let held = Held::new(stream);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(held.clone()), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = poll_fn(|context| held.poll_driven(context, connection.as_mut())) => {
            if let Err(error) = result {
                tracing::debug!(error, "a connection broke");
            }
            return;
        }
        () = stopped(&mut stop) => {}
        () = goaway.notified() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = poll_fn(|context| held.poll_driven(context, connection.as_mut())).await;
}

/// Whether chance has it that a client is to connect anew. Each state hashes the same to something else.
fn is_chosen(per_million: u32) -> bool {
    per_million > 0 && RandomState::new().hash_one(()) % 1_000_000 < u64::from(per_million)
}

/// Waits until the server is told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The guard on the value must not live across another wait.
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}

fn to_http(response: Response) -> hyper::Response<HttpBody> {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(*name, value.as_str());
    }
    builder.body(HttpBody::new(response.body)).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer had a header that HTTP does not allow");
        let mut response = hyper::Response::new(HttpBody::new(Body::Bytes(Bytes::new())));
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// The body of an answer, as hyper takes it.
#[derive(Default)]
pub struct HttpBody {
    chunks: std::collections::VecDeque<Bytes>,
    stream: Option<Box<dyn Parts>>,
    flow: Option<Flow>,
}

impl HttpBody {
    fn new(body: Body) -> HttpBody {
        match body {
            Body::Bytes(bytes) if bytes.is_empty() => HttpBody::default(),
            Body::Bytes(bytes) => HttpBody { chunks: [bytes].into(), ..HttpBody::default() },
            Body::Chunks(chunks) => HttpBody { chunks: chunks.into(), ..HttpBody::default() },
            Body::Stream(stream) => HttpBody { stream: Some(stream), ..HttpBody::default() },
            Body::Flow(mut flow) => {
                flow.begin();
                HttpBody { flow: Some(flow), ..HttpBody::default() }
            }
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
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Some(flow) = &mut self.flow {
            return Poll::Ready(flow.next().map(|bytes| bytes.map(Frame::data)));
        }
        match &mut self.stream {
            Some(stream) => stream.poll_part(context).map(|part| part.map(|part| Ok(Frame::data(part)))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && self.stream.is_none() && self.flow.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.stream, &self.flow) {
            (Some(_), _) => SizeHint::default(),
            (None, Some(flow)) => {
                flow.total_bytes().map_or_else(SizeHint::default, |len| SizeHint::with_exact(len as u64))
            }
            (None, None) => SizeHint::with_exact(self.chunks.iter().map(|chunk| chunk.len() as u64).sum()),
        }
    }
}
