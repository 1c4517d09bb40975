//! `Dialer`: the way to another server: directly, through a proxy, or to wherever a service is at the moment.

use crate::failure::Failure;
use crate::words::{self, Ends};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The timeout of connecting to one address: upstream's.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// The delay of the addresses of the other family (RFC 6555): Go's.
const FALLBACK_DELAY: Duration = Duration::from_millis(300);
/// The time between two keepalive probes of an idle connection.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An answer that is waited for.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection before anything is said on it.
pub struct Dialed {
    pub stream: Box<dyn Stream>,
    pub ends: Ends,
}

/// Makes connections. What it says of a failure is shown as it is.
pub trait Dialer: Send + Sync {
    /// The host is a name or an address without brackets.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, Result<Dialed, Failure>>;
}

/// Connections by the system's own routes and resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl Dialer for Direct {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, Result<Dialed, Failure>> {
        Box::pin(async move {
            let addresses = addresses(host, port).await?;
            let tcp = connect_any(&addresses).await?;
            let _ = tcp.set_nodelay(true);
            let _ = keep_alive(&tcp);
            let ends = Ends(tcp.local_addr().ok().zip(tcp.peer_addr().ok()));
            Ok(Dialed { stream: Box::new(tcp), ends })
        })
    }
}

fn keep_alive(tcp: &TcpStream) -> io::Result<()> {
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    socket2::SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let found: Vec<SocketAddr> = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        let server = nameserver().await;
        return Err(Failure::Unreachable(words::lookup(host, server.as_deref())));
    }
    Ok(found)
}

/// The first server that the resolver asks.
async fn nameserver() -> Option<String> {
    let text = tokio::fs::read_to_string(Path::new("/etc/resolv.conf")).await.ok()?;
    let server = text.lines().find_map(|line| line.trim().strip_prefix("nameserver "))?;
    Some(server.trim().to_string())
}

/// The first family's addresses one after the other, and the other's a little later beside them. The error is that of
/// the first address.
async fn connect_any(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let is_first =
        |address: &&SocketAddr| Some(address.is_ipv4()) == addresses.first().map(SocketAddr::is_ipv4);
    let primaries: Vec<SocketAddr> = addresses.iter().filter(is_first).copied().collect();
    let others: Vec<SocketAddr> = addresses.iter().filter(|address| !is_first(address)).copied().collect();
    if others.is_empty() {
        return connect_each(&primaries).await;
    }
    let mut primary = std::pin::pin!(connect_each(&primaries));
    tokio::select! {
        result = &mut primary => match result {
            Ok(tcp) => return Ok(tcp),
            Err(failure) => return connect_each(&others).await.map_err(|_| failure),
        },
        () = tokio::time::sleep(FALLBACK_DELAY) => {}
    }
    let mut fallback = std::pin::pin!(connect_each(&others));
    tokio::select! {
        result = &mut primary => match result {
            Ok(tcp) => Ok(tcp),
            Err(failure) => fallback.await.map_err(|_| failure),
        },
        result = &mut fallback => match result {
            Ok(tcp) => Ok(tcp),
            Err(_) => primary.await,
        },
    }
}

async fn connect_each(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut first = None;
    for address in addresses {
        let failed = match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => error,
            Err(_) => io::Error::from(io::ErrorKind::TimedOut),
        };
        first.get_or_insert_with(|| words::dial(*address, &failed));
    }
    Err(Failure::Unreachable(first.unwrap_or_else(|| "dial tcp: no address".into())))
}

/// `host:port`, with brackets around IPv6 addresses.
pub fn join_host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
