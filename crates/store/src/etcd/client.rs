//! Calls to etcd: several endpoints, of which one is used until it fails.

use crate::backend::BackendError as OpenError;
use crate::etcd::calls::{CallCounters, StreamCounters};
use crate::etcd::options::EtcdOptions;
use crate::etcd::spans::CallSpan;
use crate::etcd::wire::{self, Nothing, StatusResponse, WatchRequest, WatchResponse};
use crate::request_size::TOO_LARGE;
use http::uri::PathAndQuery;
use pintle_metrics::Registry;
use prost::Message;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, ConnectError, Request, Streaming};
use tonic_prost::ProstCodec;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// After which an unanswered call is given up; etcd itself gives up earlier.
const CALL_MAX: Duration = Duration::from_secs(20);
/// A broken connection is noticed by an unanswered ping.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_MAX: Duration = Duration::from_secs(10);
/// The number of times that the endpoints are gone through before a call fails.
const ROUNDS_MAX: usize = 2;
const ROUND_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that may be on the way: a page of a list, and all of several.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The authorities that the system trusts, where its packages put them.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Connections to all endpoints, made when they are needed.
#[derive(Clone)]
pub(crate) struct EtcdClient {
    endpoints: Arc<[(String, Channel)]>,
    current: Arc<AtomicUsize>,
    calls: CallCounters,
}

/// etcd's words for an election that is not decided.
const NO_LEADER: &str = "etcdserver: no leader";

/// The reason why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EtcdFailure {
    /// No endpoint could be reached.
    Unreachable(String),
    /// No answer came in time; the call may have been carried out.
    TimedOut,
    /// The requested revision is compacted.
    Compacted,
    /// No member leads the others, in etcd's own words.
    NoLeader(String),
    /// The request is larger than etcd takes, in its own words.
    TooLarge(String),
    /// Other words of etcd's own: no space, not allowed.
    Refused(String),
}

impl fmt::Display for EtcdFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EtcdFailure::Unreachable(why) => write!(f, "cannot reach etcd: {why}"),
            EtcdFailure::TimedOut => f.write_str("etcd did not answer in time"),
            EtcdFailure::Compacted => f.write_str("etcd has compacted the revision"),
            EtcdFailure::NoLeader(why) | EtcdFailure::TooLarge(why) | EtcdFailure::Refused(why) => {
                f.write_str(why)
            }
        }
    }
}

/// The calls that may be sent again when their outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Always,
    /// Only when it was never sent.
    Unsent,
}

impl EtcdClient {
    pub fn new(options: &EtcdOptions, metrics: &Registry) -> Result<EtcdClient, OpenError> {
        let tls = tls(options)?;
        let endpoints: Result<Vec<_>, OpenError> =
            options.servers.iter().map(|server| Ok((server.clone(), channel(server, &tls)?))).collect();
        let endpoints = endpoints?;
        if endpoints.is_empty() {
            return Err(OpenError(String::from("no etcd endpoint")));
        }
        let calls = CallCounters::new(metrics);
        Ok(EtcdClient { endpoints: endpoints.into(), current: Arc::default(), calls })
    }

    /// One call with one answer, sent to the current endpoint, and to the others while that one fails.
    pub async fn call<A, B>(&self, path: &'static str, ask: A, repeat: Repeat) -> Result<B, EtcdFailure>
    where
        A: Message + Clone + 'static,
        B: Message + Default + 'static,
    {
        let attempts = self.endpoints.len() * ROUNDS_MAX;
        let mut failure = EtcdFailure::TimedOut;
        for attempt in 0..attempts {
            if attempt > 0 && attempt % self.endpoints.len() == 0 {
                tokio::time::sleep(ROUND_PAUSE).await;
            }
            let place = self.current.load(Ordering::Relaxed);
            let status = match tokio::time::timeout(CALL_MAX, self.once(place, path, ask.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => status,
                Err(_) => {
                    self.leave(place);
                    return Err(EtcdFailure::TimedOut);
                }
            };
            let is_lost = is_lost(&status);
            failure = self.failure(place, &status);
            if is_lost {
                self.leave(place);
            }
            if !is_lost || (repeat == Repeat::Unsent && !is_unsent(&status)) {
                break;
            }
        }
        Err(failure)
    }

    async fn once<A, B>(&self, place: usize, path: &'static str, ask: A) -> Result<B, tonic::Status>
    where
        A: Message + 'static,
        B: Message + Default + 'static,
    {
        let mut grpc = self.grpc(place);
        ready(&mut grpc).await?;
        let call = CallSpan::begin(path, ask.encoded_len());
        self.calls.begin(path);
        let mut request = with_leader(Request::new(ask));
        call.name_in(request.metadata_mut());
        let result = grpc.unary(request, http_path(path), ProstCodec::<A, B>::default()).await;
        let result = result.map(tonic::Response::into_inner);
        call.end(&result);
        self.calls.end(path, result.as_ref().map_or_else(tonic::Status::code, |_| Code::Ok));
        result
    }

    /// Opens a stream of watches at the current endpoint.
    pub async fn watch(
        &self,
        asks: impl Stream<Item = WatchRequest> + Send + 'static,
    ) -> Result<(Streaming<WatchResponse>, StreamCounters), EtcdFailure> {
        let place = self.current.load(Ordering::Relaxed);
        let open = async {
            let mut grpc = self.grpc(place);
            ready(&mut grpc).await?;
            let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
            grpc.streaming(with_leader(Request::new(asks)), http_path(wire::WATCH), codec).await
        };
        let calls = self.calls.stream(wire::WATCH);
        match tokio::time::timeout(CALL_MAX, open).await {
            Ok(Ok(answer)) => Ok((answer.into_inner(), calls)),
            Ok(Err(status)) => {
                calls.end(status.code());
                Err(self.failure(place, &status))
            }
            Err(_) => {
                calls.end(Code::DeadlineExceeded);
                Err(EtcdFailure::TimedOut)
            }
        }
    }

    /// The size in bytes of each endpoint's database, of those that answer.
    pub async fn sizes(&self) -> Vec<(usize, u64)> {
        let mut sizes = Vec::new();
        for place in 0..self.endpoints.len() {
            let ask = self.once::<_, StatusResponse>(place, wire::STATUS, Nothing {});
            if let Ok(Ok(status)) = tokio::time::timeout(CONNECT_MAX, ask).await {
                sizes.push((place, u64::try_from(status.db_size).unwrap_or(0)));
            }
        }
        sizes
    }

    /// Goes on with the next endpoint, as the current one fails.
    pub fn leave_current(&self) {
        self.leave(self.current.load(Ordering::Relaxed));
    }

    /// Of many calls that failed at one endpoint, one goes on to the next.
    fn leave(&self, place: usize) {
        let next = (place + 1) % self.endpoints.len();
        let _ = self.current.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn grpc(&self, place: usize) -> Grpc<Channel> {
        let (_, channel) =
            self.endpoints.get(place).expect("places are counted modulo the number of endpoints");
        // Pages and events are as large as the stored values of others.
        Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX)
    }

    fn failure(&self, place: usize, status: &tonic::Status) -> EtcdFailure {
        match status.code() {
            Code::OutOfRange if status.message().contains("compacted") => EtcdFailure::Compacted,
            // etcd's own refusals are named; the rest is of the connection.
            _ if is_lost(status) && !status.message().starts_with("etcdserver: ") => {
                let server = self.endpoints.get(place).map_or("", |(server, _)| server);
                EtcdFailure::Unreachable(format!("{server}: {}", innermost(status)))
            }
            Code::DeadlineExceeded => EtcdFailure::TimedOut,
            _ => match String::from(status.message()) {
                message if message.starts_with(NO_LEADER) => EtcdFailure::NoLeader(message),
                message if message == TOO_LARGE => EtcdFailure::TooLarge(message),
                message => EtcdFailure::Refused(message),
            },
        }
    }
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), tonic::Status> {
    grpc.ready().await.map_err(|error| tonic::Status::from_error(Box::new(error)))
}

/// An endpoint that is cut off from its cluster says so instead of answering from its past.
fn with_leader<T>(mut request: Request<T>) -> Request<T> {
    request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    request
}

fn http_path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

/// Whether a call failed because of the endpoint or the connection, and not because of its content.
fn is_lost(status: &tonic::Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::Unknown | Code::Cancelled | Code::Internal => status.source().is_some(),
        _ => false,
    }
}

/// Whether a call failed before it was sent.
fn is_unsent(status: &tonic::Status) -> bool {
    causes(status).any(|cause| cause.is::<ConnectError>())
}

fn innermost(status: &tonic::Status) -> String {
    causes(status).last().map_or_else(|| String::from(status.message()), ToString::to_string)
}

fn causes(status: &tonic::Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(status.source(), |cause| (*cause).source())
}

fn channel(server: &str, tls: &Option<ClientTlsConfig>) -> Result<Channel, OpenError> {
    let invalid = |error: &dyn fmt::Display| OpenError(format!("the etcd server {server}: {error}"));
    let url = if server.contains("://") { server.to_string() } else { format!("http://{server}") };
    let mut endpoint = Endpoint::from_shared(url.clone())
        .map_err(|error| invalid(&error))?
        .connect_timeout(CONNECT_MAX)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_MAX)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .tcp_nodelay(true);
    if url.starts_with("https://") {
        let tls = tls.clone().ok_or_else(|| invalid(&"no trusted authorities"))?;
        endpoint = endpoint.tls_config(tls).map_err(|error| invalid(&innermost_of(&error)))?;
    }
    Ok(endpoint.connect_lazy())
}

fn innermost_of(error: &(dyn Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |cause| (*cause).source()).last();
    last.map_or_else(String::new, ToString::to_string)
}

/// The certificates of encrypted connections; none when every server is used without TLS.
fn tls(options: &EtcdOptions) -> Result<Option<ClientTlsConfig>, OpenError> {
    if !options.servers.iter().any(|server| server.starts_with("https://")) {
        return Ok(None);
    }
    let authorities = match &options.ca_file {
        Some(path) => read(path)?,
        None => system_authorities()?,
    };
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities));
    Ok(Some(match (&options.cert_file, &options.key_file) {
        (Some(certificate), Some(key)) => tls.identity(Identity::from_pem(read(certificate)?, read(key)?)),
        _ => tls,
    }))
}

fn system_authorities() -> Result<Vec<u8>, OpenError> {
    let found = SYSTEM_AUTHORITIES.iter().find_map(|path| std::fs::read(path).ok());
    found.ok_or_else(|| OpenError(String::from("--etcd-cafile is needed: the system trusts no authorities")))
}

fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|error| OpenError(format!("{}: {error}", path.display())))
}
