//! TLS: our certificate, and clients' certificates taken unverified, of authorities that the handshake names. Whether a client's certificate is good is
//! decided with the request, so that a bad one is answered with 401 and not with a broken connection.

use arc_swap::ArcSwap;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::rustls::DistinguishedName;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    DigitallySignedStruct, Error, ServerConfig, SignatureScheme, SupportedCipherSuite,
};

/// The flags for TLS and HTTP/2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Names of TLS 1.2 cipher suites, the preferred first; all secure ones if empty.
    pub cipher_suites: Vec<String>,
    pub is_tls13_only: bool,
    /// IDs of key exchange groups, the preferred first; the usual ones if empty.
    pub curves: Vec<u16>,
    pub is_http2: bool,
    /// Most requests at a time on one connection; 0 for the default.
    pub streams_max: u32,
}

/// TLS 1.2 suites that upstream supports and this server does not: without forward secrecy, or with ciphers that are
/// broken or hard to implement safely. They are accepted in the flag with a warning, and not offered.
const UNSAFE_SUITES: [&str; 16] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// The most that a handshake can say of authorities: its list has sixteen bits of length, and two for each name. Of
/// more none is named, and clients choose by themselves.
const AUTHORITIES_BYTES_MAX: usize = u16::MAX as usize;

/// The names of authorities for the handshake, from the subjects' content in DER.
pub fn authority_names(subjects: &[Vec<u8>]) -> Vec<DistinguishedName> {
    let mut names: Vec<_> = subjects.iter().map(|subject| DistinguishedName::in_sequence(subject)).collect();
    names.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    names.dedup_by(|a, b| a.as_ref() == b.as_ref());
    let len: usize = names.iter().map(|name| name.as_ref().len() + 2).sum();
    if len > AUTHORITIES_BYTES_MAX {
        tracing::warn!("too many client authorities to announce in TLS handshakes");
        names.clear();
    }
    names
}

/// The TLS configuration of a listener's connections. It changes with the authorities of clients.
pub struct Listener {
    settings: TlsSettings,
    certificates: Arc<Certificates>,
    current: ArcSwap<ServerConfig>,
}

impl Listener {
    /// `authorities` are the subjects that clients choose their certificate by, in DER.
    pub fn new(
        settings: TlsSettings,
        certificates: Arc<Certificates>,
        authorities: Vec<DistinguishedName>,
    ) -> Result<Listener, String> {
        let current = ArcSwap::from(config(&settings, certificates.clone(), authorities)?);
        Ok(Listener { settings, certificates, current })
    }

    /// Names these authorities from the next connection on.
    pub fn name_authorities(&self, authorities: Vec<DistinguishedName>) -> Result<(), String> {
        self.current.store(config(&self.settings, self.certificates.clone(), authorities)?);
        Ok(())
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

fn config(
    settings: &TlsSettings,
    certificates: Arc<Certificates>,
    authorities: Vec<DistinguishedName>,
) -> Result<Arc<ServerConfig>, String> {
    let mut provider = provider(&settings.cipher_suites)?;
    choose_curves(&mut provider, &settings.curves)?;
    let provider = Arc::new(provider);
    let versions: &[_] = if settings.is_tls13_only { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(Arc::new(AnyClient { provider, authorities }))
        .with_cert_resolver(certificates);
    config.alpn_protocols = match settings.is_http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    Ok(Arc::new(config))
}

/// The suites of TLS 1.3 cannot be chosen; those of TLS 1.2 are those named, in that order.
fn provider(names: &[String]) -> Result<CryptoProvider, String> {
    let mut provider = aws_lc_rs::default_provider();
    if names.is_empty() {
        return Ok(provider);
    }
    let (newer, older): (Vec<_>, Vec<_>) =
        provider.cipher_suites.into_iter().partition(|suite| suite.tls13().is_some());
    provider.cipher_suites = newer;
    for name in names {
        // IANA's old name of the suite has no digest at its end.
        let full = if name.ends_with("_CHACHA20_POLY1305") { format!("{name}_SHA256") } else { name.clone() };
        match older.iter().find(|suite| iana(suite) == full) {
            Some(suite) => provider.cipher_suites.push(*suite),
            None if provider.cipher_suites.iter().any(|suite| iana(suite) == full) => {}
            None if UNSAFE_SUITES.contains(&name.as_str()) => {
                tracing::warn!("--tls-cipher-suites: {name} is insecure, and not offered");
            }
            None => return Err(format!("Cipher suite {name} not supported or doesn't exist")),
        }
    }
    Ok(provider)
}

/// Groups by their registered numbers, in the order of preference.
fn choose_curves(provider: &mut CryptoProvider, numbers: &[u16]) -> Result<(), String> {
    if numbers.is_empty() {
        return Ok(());
    }
    let all = aws_lc_rs::ALL_KX_GROUPS;
    let group = |number: &u16| {
        let found = all.iter().find(|group| u16::from(group.name()) == *number).copied();
        found.ok_or_else(|| format!("--tls-curve-preferences: curve {number} is not supported"))
    };
    provider.kx_groups = numbers.iter().map(group).collect::<Result<_, _>>()?;
    Ok(())
}

/// A suite's registered name: rustls names those of TLS 1.3 after the version.
fn iana(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

/// Serving certificates, which may be changed while the server runs.
#[derive(Debug)]
pub struct Certificates(ArcSwap<Vec<Named>>);

/// A certificate and the names that clients ask for it by.
#[derive(Clone, Debug)]
pub struct Named {
    pub key: Arc<CertifiedKey>,
    /// Host names; `*.` stands for one label. Empty for the default certificate.
    pub names: Vec<String>,
}

impl Named {
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        names: Vec<String>,
    ) -> Result<Named, Error> {
        let key = aws_lc_rs::sign::any_supported_type(&key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(tokio_rustls::rustls::InconsistentKeys::Unknown)) => {}
            Err(error) => return Err(error),
        }
        Ok(Named { key: Arc::new(certified), names })
    }
}

impl Certificates {
    /// The first one is for clients that ask for none of the names.
    pub fn new(all: Vec<Named>) -> Arc<Certificates> {
        Arc::new(Certificates(ArcSwap::from_pointee(all)))
    }

    pub fn replace(&self, all: Vec<Named>) {
        self.0.store(Arc::new(all));
    }

    /// The certificate for a name: one of that very name, or else one of a wildcard, or else the first.
    fn choose(&self, asked: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.load();
        let asked = asked.map(str::to_ascii_lowercase).unwrap_or_default();
        let wildcard = asked.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let by = |wanted: &str| all.iter().find(|named| named.names.iter().any(|name| name == wanted));
        let found = by(&asked).or_else(|| wildcard.and_then(|wildcard| by(&wildcard)));
        found.or_else(|| all.first()).map(|named| named.key.clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

/// Asks for a certificate, requires none, and takes any whose key the client proves to hold.
#[derive(Debug)]
struct AnyClient {
    provider: Arc<CryptoProvider>,
    /// Those whose certificates are good, for clients that have several to choose from.
    authorities: Vec<DistinguishedName>,
}

impl ClientCertVerifier for AnyClient {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.authorities
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_chosen_by_their_registered_names() {
        let names = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            provider(&list)
                .map(|provider| provider.cipher_suites.iter().filter(|s| s.tls13().is_none()).count())
        };
        assert_eq!(names(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]), Ok(1));
        assert_eq!(names(&["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_AES_128_GCM_SHA256"]), Ok(1));
        let safe = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
        assert_eq!(names(&["TLS_RSA_WITH_RC4_128_SHA", safe]), Ok(1));
        let refused = "Cipher suite TLS_NO_SUCH not supported or doesn't exist";
        assert_eq!(names(&[safe, "TLS_NO_SUCH"]), Err(refused.into()));
        assert!(names(&[]).is_ok_and(|count| count > 3));
    }

    #[test]
    fn curves_are_chosen_by_their_registered_numbers() {
        let chosen = |numbers: &[u16]| {
            let mut provider = aws_lc_rs::default_provider();
            choose_curves(&mut provider, numbers)?;
            Ok(provider.kx_groups.iter().map(|group| u16::from(group.name())).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[24, 23]), Ok(vec![24, 23]));
        assert_eq!(chosen(&[4588, 29]), Ok(vec![4588, 29]));
        assert_eq!(chosen(&[1]), Err(String::from("--tls-curve-preferences: curve 1 is not supported")));
        assert!(chosen(&[]).is_ok_and(|all| all.len() > 2));
    }
}
