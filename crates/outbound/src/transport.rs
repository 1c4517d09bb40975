//! `Transport`: requests to any number of servers by one set of rules, each over a connection that is kept.

use crate::address::Address;
use crate::answer_body::AnswerBody;
use crate::body::RequestBody;
use crate::connect::Connector;
use crate::dial::{Dialer, Direct};
use crate::failure::Failure;
use crate::faults::CertificateFaults;
use crate::pool::{Connection, Lease, Limits, Pool, PooledServer};
use crate::proxies::Proxies;
use crate::spans;
use crate::tls::{Fresh, Tls};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue, PROXY_AUTHORIZATION,
    RANGE,
};
use hyper::{Method, Request, Response, Uri, Version};
use hyper_util::rt::TokioIo;
use pintle_traces::Span;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Requests to one server at a time; those beyond them wait for their turn. Each may have a connection, and clients
/// whose requests lead to others must not take all open files.
pub(crate) const AT_ONCE_MAX: usize = 256;
/// Requests that wait for their turn; those beyond them fail at once.
const WAITING_MAX: usize = 4096;

/// The rules of a transport.
pub struct Settings {
    pub tls: Tls,
    /// Whether servers may choose HTTP/2.
    pub is_http2_allowed: bool,
    /// Whether answers may come packed where the caller says nothing of it; they are unpacked on the way.
    pub unpacks: bool,
    pub dialer: Arc<dyn Dialer>,
    pub proxies: Arc<Proxies>,
    pub limits: Limits,
    /// Counts certificates of outdated kinds.
    pub faults: CertificateFaults,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            tls: Tls::default(),
            is_http2_allowed: true,
            unpacks: true,
            dialer: Arc::new(Direct),
            proxies: Arc::default(),
            limits: Limits { at_once_max: AT_ONCE_MAX, waiting_max: WAITING_MAX },
            faults: CertificateFaults::default(),
        }
    }
}

/// A connection that belongs to one caller, after an answer that switched protocols.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// Follows no redirects, and looks at nothing of an answer but whether it is packed. Its errors have no prefix.
pub struct Transport {
    connector: Connector,
    pool: Arc<Pool>,
    unpacks: bool,
    faults: CertificateFaults,
}

impl Transport {
    /// Certificates that cannot be used are an error.
    pub fn new(settings: Settings) -> Result<Transport, String> {
        let Settings { tls, is_http2_allowed, unpacks, dialer, proxies, limits, faults } = settings;
        let connector = Connector { dialer, proxies, tls: Some(Fresh::new(tls)?), is_http2_allowed };
        Ok(Transport { connector, pool: Pool::new(limits), unpacks, faults })
    }

    /// Asks the server of the request's address, which is a whole one. The answer's body is read by the caller, as
    /// slowly as it likes.
    pub async fn round_trip(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<AnswerBody>, Failure> {
        let address = address(request.uri())?;
        let unpacks = self.unpacks && accepts_nothing_yet(&request);
        if unpacks {
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        name_host(&mut request)?;
        let span = spans::begin(&mut request);
        let target = self.pool.target(&address);
        let exchanged = async {
            let place = self.pool.place(&target).await?;
            self.exchange(&address, &target, request, place).await
        };
        let result = exchanged.await;
        self.end(&span, result.as_ref().map(|(response, _)| response));
        let (response, lease) = result?;
        Ok(answer(response, lease, unpacks).map(|body| body.within(span)))
    }

    /// Asks on a connection of its own, in HTTP/1.1. After an answer of 101 the connection is the caller's; after
    /// every other one the answer is like any other.
    pub async fn upgrade(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<AnswerBody>, Option<Upgraded>), Failure> {
        let address = address(request.uri())?;
        name_host(&mut request)?;
        let span = spans::begin(&mut request);
        let exchanged = async {
            let target = self.pool.target(&address);
            let place = self.pool.place(&target).await?;
            let connected = self.connector.connect(&address, true).await?;
            let mut lease = self.pool.admit(&target, connected, Some(place));
            let response = send(&mut lease, request).await.map_err(|(failure, _)| failure)?;
            Ok((response, lease))
        };
        let result = exchanged.await;
        self.end(&span, result.as_ref().map(|(response, _)| response));
        let (mut response, lease) = result?;
        if response.status() != 101 {
            return Ok((answer(response, lease, false), None));
        }
        let upgraded = hyper::upgrade::on(&mut response).await;
        let upgraded = upgraded.map_err(|error| Failure::Reset(lease.origin.ends.exchange(&error)))?;
        Ok((answer(response, lease, false), Some(TokioIo::new(upgraded))))
    }

    /// Notes the result of a request.
    fn end(&self, span: &Span, result: Result<&Response<Incoming>, &Failure>) {
        spans::end(span, result);
        if let Err(failure) = result {
            self.faults.count(failure);
        }
    }

    async fn exchange(
        &self,
        address: &Address,
        target: &Arc<PooledServer>,
        mut request: Request<RequestBody>,
        place: OwnedSemaphorePermit,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let mut place = Some(place);
        while let Some(mut lease) = self.pool.take(target, &mut place) {
            let spare = spare(&request);
            match send(&mut lease, request).await {
                Ok(response) => return Ok((response, lease)),
                // A server may close a connection at the moment in which it is used again.
                Err((failure, unsent)) => request = unsent.map(|unsent| *unsent).or(spare).ok_or(failure)?,
            }
            place = lease.into_place();
        }
        let mut lease = self.open(address, target, place).await?;
        let response = send(&mut lease, request).await.map_err(|(failure, _)| failure)?;
        Ok((response, lease))
    }

    /// A new connection. Requests to a server of which nothing is known wait for the first one's, to share it.
    async fn open(
        &self,
        address: &Address,
        target: &Arc<PooledServer>,
        mut place: Option<OwnedSemaphorePermit>,
    ) -> Result<Lease, Failure> {
        let is_shared = address.is_tls && self.connector.is_http2_allowed && !target.is_exclusive();
        let _first = if is_shared { Some(target.first.lock().await) } else { None };
        if is_shared && let Some(lease) = self.pool.take(target, &mut place) {
            return Ok(lease);
        }
        let connected = self.connector.connect(address, false).await?;
        Ok(self.pool.admit(target, connected, place))
    }
}

/// The same request for another try, where repeating it does no harm.
fn spare(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return None;
    }
    let mut again = Request::new(request.body().again()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

type Unsent = Option<Box<Request<RequestBody>>>;

/// Sends a request in the form that the connection wants; with a failure comes the request that never went out.
async fn send(
    lease: &mut Lease,
    mut request: Request<RequestBody>,
) -> Result<Response<Incoming>, (Failure, Unsent)> {
    let whole = request.uri().clone();
    let origin = lease.origin.clone();
    let sent = match &mut lease.connection {
        Connection::Http1(sender) => {
            *request.version_mut() = Version::HTTP_11;
            if !origin.is_through_proxy {
                *request.uri_mut() = path_of(&whole);
            } else if let Some(value) = &origin.proxy_authorization
                && let Ok(value) = HeaderValue::from_str(value)
            {
                request.headers_mut().insert(PROXY_AUTHORIZATION, value);
            }
            if sender.ready().await.is_err() {
                return Err((Failure::Reset("EOF".into()), Some(Box::new(restored(request, whole)))));
            }
            sender.try_send_request(request).await
        }
        Connection::Http2 { sender, .. } => {
            *request.version_mut() = Version::HTTP_2;
            if sender.ready().await.is_err() {
                return Err((Failure::Reset("EOF".into()), Some(Box::new(request))));
            }
            if let Some(host) = request.headers_mut().remove(HOST) {
                *request.uri_mut() = with_authority(whole.clone(), &host);
            }
            sender.try_send_request(request).await
        }
    };
    sent.map_err(|mut error| {
        let unsent = error.take_message().map(|request| Box::new(restored(request, whole)));
        (Failure::Reset(origin.ends.exchange(error.error())), unsent)
    })
}

fn restored(mut request: Request<RequestBody>, whole: Uri) -> Request<RequestBody> {
    *request.uri_mut() = whole;
    let _ = name_host(&mut request);
    request
}

fn path_of(uri: &Uri) -> Uri {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    path.parse().unwrap_or_default()
}

/// The address as the server is to see it: HTTP/2 has no Host header beside it.
fn with_authority(uri: Uri, host: &HeaderValue) -> Uri {
    let mut parts = uri.clone().into_parts();
    match hyper::http::uri::Authority::try_from(host.as_bytes()) {
        Ok(authority) => parts.authority = Some(authority),
        Err(_) => return uri,
    }
    Uri::from_parts(parts).unwrap_or(uri)
}

fn answer(response: Response<Incoming>, lease: Lease, unpacks: bool) -> Response<AnswerBody> {
    let (mut parts, incoming) = response.into_parts();
    let is_packed = unpacks
        && parts
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if is_packed {
        parts.headers.remove(CONTENT_ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
    }
    Response::from_parts(parts, AnswerBody::new(incoming, lease, is_packed))
}

fn accepts_nothing_yet(request: &Request<RequestBody>) -> bool {
    let headers = request.headers();
    !headers.contains_key(ACCEPT_ENCODING) && !headers.contains_key(RANGE) && request.method() != Method::HEAD
}

fn address(uri: &Uri) -> Result<Address, Failure> {
    let bad = |why: &str| Failure::Unreachable(format!("{why}: {uri}"));
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(bad("unsupported protocol scheme")),
    };
    let host =
        uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("http: no Host in request URL"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    Ok(Address { is_tls, host, port })
}

/// Adds `Host`, and the credentials of the address, unless the request has them.
fn name_host(request: &mut Request<RequestBody>) -> Result<(), Failure> {
    let authority = request.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let bad = |error: hyper::header::InvalidHeaderValue| Failure::Unreachable(error.to_string());
    let authorization = user.map(crate::proxies::basic).map(|value| HeaderValue::from_str(&value));
    let authorization = authorization.transpose().map_err(bad)?;
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::from_str(host).map_err(bad)?;
        request.headers_mut().insert(HOST, host);
    }
    if let Some(authorization) = authorization {
        request.headers_mut().entry(AUTHORIZATION).or_insert(authorization);
    }
    Ok(())
}
