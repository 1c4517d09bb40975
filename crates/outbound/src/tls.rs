//! The client's side of TLS: trusted authorities, and the client's own certificate.

use crate::verify::ServerVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// The usual files of the system's trusted authorities; the first that exists is read.
const SYSTEM_AUTHORITIES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A PEM text, as it is or in a file that may change.
#[derive(Clone, Debug)]
pub enum Pem {
    File(PathBuf),
    Inline(Vec<u8>),
}

impl Pem {
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Pem::File(path) => std::fs::read(path).map_err(|error| format!("{}: {error}", path.display())),
            Pem::Inline(bytes) => Ok(bytes.clone()),
        }
    }

    fn changed(&self) -> Option<SystemTime> {
        match self {
            Pem::File(path) => modified(path),
            Pem::Inline(_) => None,
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

/// The certificates of both sides of a connection.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Absent for the system's.
    pub authorities: Option<Pem>,
    /// Whether any server is trusted.
    pub is_insecure: bool,
    /// The name that the server's certificate must be for, if it is not the host's.
    pub server_name: Option<String>,
    /// The client's certificates and key.
    pub identity: Option<(Pem, Pem)>,
}

impl Tls {
    /// The configuration of connections.
    pub fn config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = match self.is_insecure {
            true => ServerVerifier::of_everyone(provider.clone()),
            false => ServerVerifier::of_authorities(self.roots()?, provider.clone())?,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some((certificate, key)) = &self.identity else { return Ok(config.with_no_client_auth()) };
        let chain = certificates(&certificate.read()?)?;
        let key =
            PrivateKeyDer::from_pem_slice(&key.read()?).map_err(|error| format!("client key: {error}"))?;
        config.with_client_auth_cert(chain, key).map_err(|error| format!("client certificate: {error}"))
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        match &self.authorities {
            Some(pem) => certificates(&pem.read()?)
                .map_err(|error| format!("unable to load root certificates: {error}")),
            None => Ok(system_roots()),
        }
    }

    fn changed(&self) -> [Option<SystemTime>; 3] {
        let of = |pem: Option<&Pem>| pem.and_then(Pem::changed);
        let (certificate, key) = self.identity.as_ref().map(|(a, b)| (Some(a), Some(b))).unwrap_or_default();
        [of(self.authorities.as_ref()), of(certificate), of(key)]
    }
}

fn system_roots() -> Vec<CertificateDer<'static>> {
    let given = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let mut paths = given.into_iter().chain(SYSTEM_AUTHORITIES.iter().map(PathBuf::from));
    let found = paths.find_map(|path| std::fs::read(path).ok()).unwrap_or_default();
    certificates(&found).unwrap_or_default()
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("certificates: {error}"))?;
    if found.is_empty() { Err("unable to parse bytes as PEM block".into()) } else { Ok(found) }
}

/// The configurations without and with HTTP/2, made again when a file changes.
pub(crate) struct Fresh {
    tls: Tls,
    made: Mutex<([Option<SystemTime>; 3], Made)>,
}

#[derive(Clone)]
struct Made {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Fresh {
    pub fn new(tls: Tls) -> Result<Fresh, String> {
        let made = (tls.changed(), Made::new(&tls)?);
        Ok(Fresh { tls, made: Mutex::new(made) })
    }

    /// The current configuration. Files that have become invalid leave it unchanged.
    pub fn config(&self, is_http2_allowed: bool) -> Arc<ClientConfig> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.tls.changed();
        if changed != made.0 {
            match Made::new(&self.tls) {
                Ok(new) => *made = (changed, new),
                Err(error) => tracing::warn!("cannot reload a client certificate: {error}"),
            }
        }
        if is_http2_allowed { made.1.http2.clone() } else { made.1.http1.clone() }
    }

    pub fn server_name<'a>(&'a self, host: &'a str) -> &'a str {
        self.tls.server_name.as_deref().unwrap_or(host)
    }
}

impl Made {
    fn new(tls: &Tls) -> Result<Made, String> {
        let mut http1 = tls.config()?;
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        http2.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Made { http1: Arc::new(http1), http2: Arc::new(http2) })
    }
}
