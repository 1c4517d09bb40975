//! Listeners and connections: TLS, HTTP/1.1 and HTTP/2, and a graceful stop.

use crate::activity::{Activity, LEAVE_MAX, StreamVerdict};
use crate::answer_gate::AnswerGate;
use crate::app::App;
use crate::client::ConnectionClient;
use crate::connections::Connections;
use crate::exchange::Tunnel;
use crate::head::HEADER_BYTES_MAX;
use crate::http_body::{self, HttpBody};
use crate::list_body::SEND_BYTES;
use crate::observed::Observed;
use crate::pipeline;
use crate::response::Response;
use crate::seldom::Seldom;
use crate::streams::{self, Streams};
use crate::tls::Listener;
use crate::write_coalescing::Coalesced;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Requests that one HTTP/2 connection may have under way, as upstream's default.
const STREAMS_MAX: u32 = 100;
/// Upstream's frames, and its window of a stream.
const WINDOW_BYTES: u32 = 256 << 10;
/// The HTTP/2 window of a connection, which bounds bodies that are not read yet: some streams' windows. Upstream has
/// one for each
/// stream, which lets a connection keep 25 MB in memory.
const CONNECTION_WINDOW_BYTES: u32 = 4 * WINDOW_BYTES;
/// Headers of one HTTP/1.1 request, which are parsed into one table. Upstream has no such limit; a user with more
/// groups than this comes by HTTP/2, which has none either.
const HEADERS_MAX: usize = 2048;
/// A client that does not finish its handshake in this time is dropped.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The time that a stop waits for requests under way.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);
/// The pause after a failed accept, at first and at most: as in Go's servers.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The way in which connections of a listener begin.
#[derive(Clone)]
pub enum Door {
    Tls(Arc<Listener>),
    /// Without TLS and without authentication: every client is an administrator (`--insecure-port`). On loopback only.
    Plain,
}

/// Serves until `stop` turns true, then lets requests in flight finish within a time.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    door: Door,
    open: Arc<Connections>,
    mut stop: watch::Receiver<bool>,
    drain_max: Duration,
) {
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    let failed = Seldom::default();
    let mut pause = ACCEPT_PAUSE_MIN;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    pause = ACCEPT_PAUSE_MIN;
                    let Some(admitted) = open.admit(address.ip()) else { continue };
                    let connection = connection(
                        app.clone(), (stream, address), door.clone(), admitted.activity.clone(), for_connections.clone(),
                    );
                    connections.spawn(async move {
                        let _admitted = admitted;
                        connection.await;
                    });
                }
                Err(error) => {
                    if let Some(count) = failed.count() {
                        tracing::warn!(%error, count, "cannot accept connections");
                    }
                    open.make_room();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    app.is_stopping.store(true, Ordering::Relaxed);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain_max, drained).await.is_err() {
        tracing::warn!("the time to stop is over, and requests are still in flight");
    }
}

async fn connection(
    app: Arc<App>,
    (stream, address): (TcpStream, SocketAddr),
    door: Door,
    activity: Arc<Activity>,
    stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Door::Tls(tls) = door else {
        let client =
            ConnectionClient { certificates: Vec::new(), address, certificate_expires: None, is_local: true };
        return exchange(app, stream, client, activity, stop).await;
    };
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(HANDSHAKE_MAX, tls.acceptor().accept(stream)) => accepted,
        () = activity.closed() => return,
    };
    match accepted {
        Ok(Ok(stream)) => {
            let peer = stream.get_ref().1.peer_certificates().unwrap_or(&[]);
            let certificates: Vec<_> =
                peer.iter().map(|certificate| certificate.clone().into_owned()).collect();
            let certificate_expires =
                certificates.first().and_then(|own| pintle_access::certificate::expiry(own));
            let client = ConnectionClient { certificates, address, certificate_expires, is_local: false };
            exchange(app, stream, client, activity, stop).await;
        }
        Ok(Err(error)) => {
            app.metrics.tls_errors.inc();
            tracing::debug!(%error, "TLS handshake failed");
        }
        Err(_) => {
            app.metrics.tls_errors.inc();
            tracing::debug!("TLS handshake timed out");
        }
    }
}

/// Answers the requests of a connection until it ends, or is ended for doing nothing.
async fn exchange(
    app: Arc<App>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: ConnectionClient,
    activity: Arc<Activity>,
    mut stop: watch::Receiver<bool>,
) {
    let client = Arc::new(client);
    let upgraded = Tunnel::default();
    let tunnel = upgraded.clone();
    let goaway = Arc::new(Notify::new());
    let (leave, of_requests) = (goaway.clone(), activity.clone());
    let builder = builder(app.options.streams_max);
    let (gate, answers) = AnswerGate::new(app.stages.audit.as_ref());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (app, client, leave) = (app.clone(), client.clone(), leave.clone());
        let (activity, tunnel, answers) = (of_requests.clone(), tunnel.clone(), answers.clone());
        async move {
            let in_flight = activity.begin(streams::current());
            let (version, mut response) = respond(&app, request, &client, &leave).await;
            answers.made(response.carried.left);
            let in_flight = tunnel.begin(&mut response, in_flight);
            Ok::<hyper::Response<HttpBody>, Infallible>(http_body::to_http(response, version, in_flight))
        }
    });
    let held = Coalesced::new(Observed::new(stream, activity.clone()), gate);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(held.clone()), service);
    let mut connection = std::pin::pin!(connection);
    let mut is_leaving = false;
    let mut look = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
    loop {
        tokio::select! {
            result = poll_fn(|context| held.poll_driven(context, connection.as_mut())) => {
                if let Err(error) = result {
                    tracing::debug!(error, "a connection broke");
                }
                return upgraded.end(async { tokio::select! {
                    () = activity.closed() => {}
                    () = stopped(&mut stop) => {}
                } }).await;
            }
            () = stopped(&mut stop), if !is_leaving => {}
            () = goaway.notified(), if !is_leaving => {}
            () = activity.closed() => return,
            () = look.as_mut() => match activity.judge() {
                StreamVerdict::LookAgain(at) => {
                    look.as_mut().reset(at);
                    continue;
                }
                StreamVerdict::Idle if !is_leaving => look.as_mut().reset(tokio::time::Instant::now() + LEAVE_MAX),
                StreamVerdict::Idle => return,
                StreamVerdict::Close(why) => {
                    tracing::debug!("a connection is closed: {why}");
                    return;
                }
            },
        }
        is_leaving = true;
        activity.leave();
        connection.as_mut().graceful_shutdown();
    }
}

/// The answer of one request; notifies `leave` when it is to be the last one of the connection.
async fn respond(
    app: &Arc<App>,
    request: hyper::Request<Incoming>,
    client: &ConnectionClient,
    leave: &Notify,
) -> (hyper::Version, Response) {
    let version = request.version();
    let is_http2 = version == hyper::Version::HTTP_2;
    if is_http2 && is_chosen(app.options.goaway_per_million) {
        leave.notify_one();
    }
    // In a future of its own, whose memory is freed before a watch is streamed: it is most of a stream's.
    let response = Box::pin(pipeline::handle(app, request, client)).await;
    // HTTP/2 is costly: an anonymous client gets one request of each connection.
    if is_http2 && response.is_to_nobody && app.options.ends_anonymous_http2 {
        leave.notify_one();
    }
    (version, response)
}

fn builder(streams_max: u32) -> auto::Builder<Streams> {
    let streams_max = if streams_max == 0 { STREAMS_MAX } else { streams_max };
    let mut builder = auto::Builder::new(Streams);
    // Slow heads are timed out by `Activity`, together with idle connections.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .keep_alive(true)
        .title_case_headers(true)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams_max)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES as usize)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    builder
}

/// Whether a client is chosen at random to connect anew. Each hasher state gives another random number.
fn is_chosen(per_million: u32) -> bool {
    per_million > 0 && RandomState::new().hash_one(()) % 1_000_000 < u64::from(per_million)
}

/// Waits until the server is stopping.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The guard on the value must not live across another wait.
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}
