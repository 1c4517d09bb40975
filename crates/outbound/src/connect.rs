//! A connection to a server as requests need it: dialed, through a proxy where one is due, behind TLS, and with the
//! version of HTTP that both sides speak.

use crate::address::Address;
use crate::body::RequestBody;
use crate::dial::{Dialed, Dialer, join_host_port};
use crate::failure::Failure;
use crate::proxies::{Proxies, Proxy};
use crate::tls::{Fresh, Tls};
use crate::verify::OldCertificate;
use crate::words::{self, Ends};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// The timeout of a handshake with TLS, or with a proxy: upstream's.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The most that a proxy may answer to CONNECT.
const TUNNEL_ANSWER_BYTES_MAX: usize = 8 << 10;
/// The most that a connection buffers of answers in HTTP/1.1.
const HTTP1_BUFFER_BYTES: usize = 64 << 10;
/// The HTTP/2 windows: unread bytes on one stream, and on a connection.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * 128;
/// The silence after which a connection of HTTP/2 is pinged, and the timeout of the answer: upstream's.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_MAX: Duration = Duration::from_secs(15);

/// The common part of a transport's connections.
pub(crate) struct Connector {
    pub dialer: Arc<dyn Dialer>,
    pub proxies: Arc<Proxies>,
    pub tls: Option<Fresh>,
    pub is_http2_allowed: bool,
}

/// Sends requests on one connection.
pub(crate) enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

pub(crate) struct Connected {
    pub sender: Sender,
    pub ends: Ends,
    /// Whether the other side is a proxy that takes absolute URIs.
    pub is_through_proxy: bool,
    pub proxy_authorization: Option<String>,
    /// Whether the server could have chosen HTTP/2.
    pub had_choice: bool,
}

impl Connector {
    /// Requests that upgrade have no HTTP/2, and go through no proxy: upstream's rule.
    pub async fn connect(&self, address: &Address, upgrades: bool) -> Result<Connected, Failure> {
        let (is_tls, host, port) = (address.is_tls, address.host.as_str(), address.port);
        let is_http2_allowed = !upgrades && self.is_http2_allowed;
        let proxy = if upgrades { None } else { self.proxies.of(is_tls, host, port) };
        let dialed = match proxy {
            Some(proxy) => self.dial_proxy(proxy, is_tls.then_some((host, port))).await?,
            None => self.dialer.dial(host, port).await?,
        };
        let ends = dialed.ends.clone();
        let plain_proxy = proxy.filter(|_| !is_tls);
        let (stream, is_http2) = match (is_tls, &self.tls) {
            (true, Some(tls)) => secure(dialed, tls, tls.server_name(host), is_http2_allowed).await?,
            (true, None) => return Err(Failure::Unreachable("no TLS is configured".into())),
            (false, _) => (dialed, false),
        };
        Ok(Connected {
            sender: handshake(stream, is_http2).await?,
            ends,
            is_through_proxy: plain_proxy.is_some(),
            proxy_authorization: plain_proxy.and_then(|proxy| proxy.authorization.clone()),
            had_choice: is_http2_allowed,
        })
    }

    /// A connection to a proxy, or through it to where a tunnel is wanted.
    async fn dial_proxy(&self, proxy: &Proxy, tunnel: Option<(&str, u16)>) -> Result<Dialed, Failure> {
        let dialed = self.dialer.dial(&proxy.url.host, proxy.url.port).await;
        let mut dialed = dialed.map_err(of_proxy)?;
        if proxy.url.is_tls {
            let tls = Fresh::new(Tls::default()).map_err(Failure::Unreachable)?;
            (dialed, _) = secure(dialed, &tls, &proxy.url.host, false).await.map_err(of_proxy)?;
        }
        if let Some((host, port)) = tunnel {
            let address = join_host_port(host, port);
            let tunnelled = tunnel_to(&mut dialed, &address, proxy.authorization.as_deref());
            match tokio::time::timeout(HANDSHAKE_MAX, tunnelled).await {
                Ok(done) => done?,
                Err(_) => return Err(Failure::Unreachable(words::DEADLINE.into())),
            }
        }
        Ok(dialed)
    }
}

/// The failure of a connection to a proxy, in Go's words.
fn of_proxy(failure: Failure) -> Failure {
    let why = format!("proxyconnect tcp: {failure}");
    match failure {
        Failure::Untrusted(certificate, _) => Failure::Untrusted(certificate, why),
        _ => Failure::Unreachable(why),
    }
}

/// A connection behind TLS, and whether the server chose HTTP/2.
pub(crate) async fn secure(
    dialed: Dialed,
    tls: &Fresh,
    name: &str,
    is_http2_allowed: bool,
) -> Result<(Dialed, bool), Failure> {
    let Dialed { stream, ends } = dialed;
    let name = ServerName::try_from(name.to_string());
    let name = name.map_err(|error| Failure::Unreachable(format!("tls: {error}")))?;
    let connecting = TlsConnector::from(tls.config(is_http2_allowed)).connect(name, stream);
    let secured = match tokio::time::timeout(HANDSHAKE_MAX, connecting).await {
        Ok(secured) => secured.map_err(|error| refused(&ends, &error))?,
        Err(_) => return Err(Failure::Unreachable("net/http: TLS handshake timeout".into())),
    };
    let is_http2 = secured.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Dialed { stream: Box::new(secured), ends }, is_http2))
}

fn refused(ends: &Ends, error: &std::io::Error) -> Failure {
    let why = ends.handshake(error);
    match OldCertificate::of(error) {
        Some(certificate) => Failure::Untrusted(certificate, why),
        None => Failure::Unreachable(why),
    }
}

async fn handshake(dialed: Dialed, is_http2: bool) -> Result<Sender, Failure> {
    let failed = |error: hyper::Error| Failure::Unreachable(dialed.ends.exchange(&error));
    let io = TokioIo::new(dialed.stream);
    if is_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_MAX);
        let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to another server broke");
            }
        });
        return Ok(Sender::Http2(sender));
    }
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).max_buf_size(HTTP1_BUFFER_BYTES);
    let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to another server broke");
        }
    });
    Ok(Sender::Http1(sender))
}

/// Opens a tunnel by CONNECT: further bytes on the connection are between the client and the address.
pub(crate) async fn tunnel_to(
    dialed: &mut Dialed,
    address: &str,
    authorization: Option<&str>,
) -> Result<(), Failure> {
    let broken = |ends: &Ends, error: &std::io::Error| Failure::Unreachable(ends.read(error));
    let authorization =
        authorization.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    let request = format!(
        "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Go-http-client/1.1\r\n{authorization}\r\n"
    );
    let written = dialed.stream.write_all(request.as_bytes()).await;
    written.map_err(|error| broken(&dialed.ends, &error))?;
    dialed.stream.flush().await.map_err(|error| broken(&dialed.ends, &error))?;
    // Byte by byte, since the bytes after the answer are not the proxy's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= TUNNEL_ANSWER_BYTES_MAX {
            return Err(Failure::Unreachable("the answer of the proxy is too long".into()));
        }
        let byte = dialed.stream.read_u8().await.map_err(|error| broken(&dialed.ends, &error))?;
        answer.push(byte);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().and_then(|line| line.split_once(' ')).map(|(_, status)| status);
    match status.and_then(|status| status.split_once(' ').or(Some((status, "")))) {
        Some(("200", _)) => Ok(()),
        Some((_, text)) if !text.is_empty() => Err(Failure::Unreachable(text.trim().into())),
        _ => Err(Failure::Unreachable("unknown status code".into())),
    }
}
