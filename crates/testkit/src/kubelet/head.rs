//! Heads of requests that reach the kubelet.

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The head of a request.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// With names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

pub(crate) type Stream = TlsStream<TcpStream>;
