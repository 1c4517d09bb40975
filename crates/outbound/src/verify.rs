//! `Named`: a server's certificate is believed as Go believes it, and refused in Go's words.

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

/// Trusts the authorities, and their own certificates where a server shows one of them as its own, as Go does.
#[derive(Debug)]
pub(crate) struct Named {
    roots: Vec<CertificateDer<'static>>,
    /// None where there is no authority at all.
    chains: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Named {
    pub fn new(roots: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Named, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        if store.is_empty() {
            return Ok(Named { roots, chains: None, provider });
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build();
        Ok(Named { roots, chains: Some(chains.map_err(|error| error.to_string())?), provider })
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
        check_validity(end_entity, now)?;
        if verify_server_name(&ParsedCertificate::try_from(end_entity)?, name).is_err() {
            return Err(refused(wrong_name(end_entity, &name.to_str())));
        }
        if self.roots.iter().any(|root| root == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(chains) = &self.chains else {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let verified = chains.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        verified.map_err(|error| insecure(end_entity).map_or(error, refused))
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

/// A refusal in words of its own.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn refused(why: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refusal(why)))))
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

/// Why a certificate is not one for a name.
fn wrong_name(certificate: &CertificateDer<'_>, name: &str) -> String {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return "x509: malformed certificate".into();
    };
    let names = parsed.subject_alternative_name().ok().flatten();
    let common = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    if names.is_none() && common.is_some_and(|common| is_covered(common, name)) {
        return "x509: certificate relies on legacy Common Name field, use SANs instead".into();
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
    match valid.as_slice() {
        [] if is_address => {
            format!("x509: cannot validate certificate for {name} because it doesn't contain any IP SANs")
        }
        [] => format!("x509: certificate is not valid for any names, but wanted to match {name}"),
        _ => format!("x509: certificate is valid for {}, not {name}", valid.join(", ")),
    }
}

/// Why the signature of a certificate counts for nothing, whoever made it.
fn insecure(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.5" => "SHA1-RSA",
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        _ => return None,
    };
    Some(format!("x509: cannot verify signature: insecure algorithm {name}"))
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
