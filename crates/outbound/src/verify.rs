//! `ServerVerifier`: verifies a server's certificate as Go does, with Go's errors.

use pintle_object::time::Time;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Verifies certificates by a client's trust; signatures of the handshake are verified in any case.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    trusted: Trusted,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trusted {
    /// Every server that holds the key of its certificate: `insecure-skip-tls-verify`.
    Everyone,
    /// Authorities, and their own certificates where a server shows one of them as its own, as Go does.
    Authorities {
        roots: Vec<CertificateDer<'static>>,
        /// None where there is no authority at all.
        chains: Option<Arc<WebPkiServerVerifier>>,
    },
}

impl ServerVerifier {
    pub fn of_everyone(provider: Arc<CryptoProvider>) -> ServerVerifier {
        ServerVerifier { trusted: Trusted::Everyone, provider }
    }

    pub fn of_authorities(
        roots: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<ServerVerifier, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let chains = match store.is_empty() {
            true => None,
            false => {
                let store = Arc::new(store);
                let chains = WebPkiServerVerifier::builder_with_provider(store, provider.clone()).build();
                Some(chains.map_err(|error| error.to_string())?)
            }
        };
        Ok(ServerVerifier { trusted: Trusted::Authorities { roots, chains }, provider })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trusted::Authorities { roots, chains } = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        check_validity(end_entity, now)?;
        if verify_server_name(&ParsedCertificate::try_from(end_entity)?, name).is_err() {
            return Err(wrong_name(end_entity, &name.to_str()));
        }
        if roots.iter().any(|root| root == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(chains) = chains else {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let verified = chains.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        verified.map_err(|error| insecure(end_entity).unwrap_or(error))
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

/// An outdated kind of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldCertificate {
    /// It names its server nowhere but in its subject.
    MissingSan,
    /// SHA-1 signs it.
    InsecureSha1,
}

impl OldCertificate {
    /// The kind that a handshake failed by, if it was one of them.
    pub(crate) fn of(error: &std::io::Error) -> Option<OldCertificate> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        let Error::InvalidCertificate(CertificateError::Other(OtherError(refusal))) = error else {
            return None;
        };
        refusal.downcast_ref::<Refusal>()?.certificate
    }
}

/// A refusal in words of its own.
#[derive(Debug)]
struct Refusal {
    words: String,
    certificate: Option<OldCertificate>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Refusal {}

fn refused(words: String) -> Error {
    refusal(Refusal { words, certificate: None })
}

fn refusal(refusal: Refusal) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
}

fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    let (after, before) = (validity.not_after.timestamp(), validity.not_before.timestamp());
    let (relation, bound) = match () {
        () if now > after => ("after", after),
        () if now < before => ("before", before),
        () => return Ok(()),
    };
    Err(refused(format!(
        "x509: certificate has expired or is not yet valid: current time {} is {relation} {}",
        instant(now),
        instant(bound)
    )))
}

/// The error of a certificate that is not valid for a name.
fn wrong_name(certificate: &CertificateDer<'_>, name: &str) -> Error {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return refused("x509: malformed certificate".into());
    };
    let names = parsed.subject_alternative_name().ok().flatten();
    let common = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    if names.is_none() && common.is_some_and(|common| is_covered(common, name)) {
        let words = "x509: certificate relies on legacy Common Name field, use SANs instead".into();
        return refusal(Refusal { words, certificate: Some(OldCertificate::MissingSan) });
    }
    let all = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let valid: Vec<String> = all
        .iter()
        .filter_map(|one| match one {
            GeneralName::IPAddress(bytes) if is_address => address(bytes),
            GeneralName::DNSName(name) if !is_address => Some((*name).to_string()),
            _ => None,
        })
        .collect();
    refused(match valid.as_slice() {
        [] if is_address => {
            format!("x509: cannot validate certificate for {name} because it doesn't contain any IP SANs")
        }
        [] => format!("x509: certificate is not valid for any names, but wanted to match {name}"),
        _ => format!("x509: certificate is valid for {}, not {name}", valid.join(", ")),
    })
}

/// The error of a certificate whose signature algorithm is insecure.
fn insecure(certificate: &CertificateDer<'_>) -> Option<Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.5" => "SHA1-RSA",
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        _ => return None,
    };
    let words = format!("x509: cannot verify signature: insecure algorithm {name}");
    Some(refusal(Refusal { words, certificate: Some(OldCertificate::InsecureSha1) }))
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()))
}

/// Whether a pattern like `*.example.com` covers a name.
fn is_covered(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, of)| of == rest),
        None => pattern == name,
    }
}

fn instant(seconds: i64) -> String {
    Time { seconds, nanos: 0 }.to_seconds_text().to_string()
}
