//! The client's side of TLS: whom to trust, and by which certificate to be known.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Where systems keep the authorities that they trust; the first that is there counts.
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
    fn read(&self) -> Result<Vec<u8>, String> {
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

/// What both sides of a connection show.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The system's when there are none.
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
        let roots = if self.is_insecure { Vec::new() } else { self.roots()? };
        let verifier: Arc<dyn ServerCertVerifier> = match self.is_insecure {
            true => Arc::new(Trusting { provider: provider.clone() }),
            false => Arc::new(Named::new(roots, provider.clone())?),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let Some((certificate, key)) = &self.identity else { return Ok(config.with_no_client_auth()) };
        let chain = certificates(&certificate.read()?)?;
        let key =
            PrivateKeyDer::from_pem_slice(&key.read()?).map_err(|error| format!("client key: {error}"))?;
        config.with_client_auth_cert(chain, key).map_err(|error| format!("client certificate: {error}"))
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        match &self.authorities {
            Some(pem) => certificates(&pem.read()?),
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
    if found.is_empty() { Err("there is no certificate in PEM".into()) } else { Ok(found) }
}

/// The configuration, made anew when one of its files changes.
pub(crate) struct Fresh {
    tls: Tls,
    made: Mutex<([Option<SystemTime>; 3], Arc<ClientConfig>)>,
}

impl Fresh {
    pub fn new(tls: Tls) -> Result<Fresh, String> {
        let made = (tls.changed(), Arc::new(tls.config()?));
        Ok(Fresh { tls, made: Mutex::new(made) })
    }

    /// Files that have become unusable leave what was as it is.
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.tls.changed();
        if changed != made.0 {
            match self.tls.config() {
                Ok(config) => *made = (changed, Arc::new(config)),
                Err(error) => tracing::warn!("changed certificates of a client are not used: {error}"),
            }
        }
        made.1.clone()
    }

    pub fn server_name<'a>(&'a self, host: &'a str) -> &'a str {
        self.tls.server_name.as_deref().unwrap_or(host)
    }
}

/// Trusts the authorities, and their own certificates where a server shows one of them as its own, as Go does.
#[derive(Debug)]
struct Named {
    roots: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl Named {
    fn new(roots: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Named, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        if store.is_empty() {
            return Err("there is no certificate of an authority to trust".into());
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
        Ok(Named { roots, chains: chains.map_err(|error| error.to_string())? })
    }
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.roots.iter().any(|root| root == end_entity) {
            return self.chains.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        check_validity(end_entity, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let failed = |error| Err(Error::InvalidCertificate(error));
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return failed(CertificateError::BadEncoding);
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return failed(CertificateError::NotValidYet);
    }
    if now > validity.not_after.timestamp() {
        return failed(CertificateError::Expired);
    }
    Ok(())
}

/// Trusts whoever holds the key of the certificate that they show: `insecure-skip-tls-verify`.
#[derive(Debug)]
struct Trusting {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
