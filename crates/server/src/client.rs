//! The client of a connection.

use rustls_pki_types::CertificateDer;
use std::net::SocketAddr;

/// The client at the other end of a connection.
pub struct ConnectionClient {
    /// The client's certificate chain, unverified, its own first.
    pub certificates: Vec<CertificateDer<'static>>,
    pub address: SocketAddr,
    /// The expiry of its certificate, in seconds since 1970.
    pub certificate_expires: Option<i64>,
    /// Whether the connection came by the insecure port, on loopback.
    pub is_local: bool,
}
