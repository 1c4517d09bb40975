//! The client of a connection.

use rustls_pki_types::CertificateDer;
use std::net::SocketAddr;

/// Who is at the other end of a connection.
pub struct ConnectionClient {
    /// The certificate chain that it showed, unverified, its own first.
    pub certificates: Vec<CertificateDer<'static>>,
    pub address: SocketAddr,
    /// When its certificate expires, in seconds since 1970.
    pub certificate_expires: Option<i64>,
    /// Whether it came by the port that asks for nothing, on loopback.
    pub is_local: bool,
}
