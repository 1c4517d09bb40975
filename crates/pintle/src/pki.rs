//! The server's own certificates: made at the first start, kept, and renewed when they no longer fit. Certificates from
//! the command line or in the directory are used instead.
//!
//! All keys are ECDSA P-256; every private file is for its owner alone.

use crate::trusted;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// Upstream's defaults: ten years for an authority, one for its certificates.
const CA_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 365;
/// The remaining validity below which a certificate is renewed at start.
const RENEW_DAYS: i64 = 30;

/// A certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemPair {
    pub certificate: String,
    pub key: String,
}

/// Upstream's name of the serving certificate in `--cert-dir`.
const SERVING: &str = "apiserver";
const AUTHORITY: &str = "pintle-ca";

/// The certificates that the server makes itself, where none are given: for serving, and for its administrator.
#[derive(Clone, Debug, Default)]
pub struct Pki {
    pub serving: Option<PemPair>,
    pub administrator: Option<Administrator>,
}

/// The authority that the administrator's certificate is of, and that certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    pub ca: String,
    pub pair: PemPair,
}

/// Names and addresses that clients may reach the server by.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub dns: Vec<String>,
    pub addresses: Vec<IpAddr>,
}

/// Finds certificates in `dir`, or makes them: for serving under `names`, and for an administrator.
pub fn open(dir: &Path, names: Option<&Names>, has_administrator: bool) -> Result<Pki, String> {
    let now = OffsetDateTime::now_utc();
    let serving = names.map(|names| serving(dir, names, now)).transpose()?;
    let administrator = has_administrator.then(|| administrator(dir, now)).transpose()?;
    Ok(Pki { serving, administrator })
}

fn serving(dir: &Path, names: &Names, now: OffsetDateTime) -> Result<PemPair, String> {
    match read_pair(dir, SERVING)? {
        // A certificate of another origin is used as it is.
        Some(pair) if !is_own(&pair) => Ok(pair),
        Some(pair) if is_usable(&pair, now) && covers(&pair, names) => Ok(pair),
        _ => write_pair(dir, SERVING, new_leaf(&authority(dir, now)?, serving_params(names), now)?),
    }
}

fn administrator(dir: &Path, now: OffsetDateTime) -> Result<Administrator, String> {
    let ca = authority(dir, now)?;
    let pair = match read_pair(dir, "admin")? {
        Some(pair) if is_usable(&pair, now) => pair,
        _ => write_pair(dir, "admin", new_leaf(&ca, admin_params(), now)?)?,
    };
    Ok(Administrator { ca: ca.certificate, pair })
}

fn authority(dir: &Path, now: OffsetDateTime) -> Result<PemPair, String> {
    match read_pair(dir, "ca")? {
        Some(pair) => Ok(pair),
        None => write_pair(dir, "ca", new_ca(now)?),
    }
}

fn new_ca(now: OffsetDateTime) -> Result<PemPair, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, now, CA_DAYS);
    let issuer = CertifiedIssuer::self_signed(params, new_key()?).map_err(failed)?;
    Ok(PemPair { certificate: issuer.pem(), key: issuer.key().serialize_pem() })
}

fn new_leaf(ca: &PemPair, mut params: CertificateParams, now: OffsetDateTime) -> Result<PemPair, String> {
    let ca_key = KeyPair::from_pem(&ca.key).map_err(failed)?;
    let issuer = Issuer::from_ca_cert_pem(&ca.certificate, ca_key).map_err(failed)?;
    valid_for(&mut params, now, LEAF_DAYS);
    let key = new_key()?;
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    Ok(PemPair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn serving_params(names: &Names) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let dns = names.dns.iter().filter_map(|name| name.as_str().try_into().ok()).map(SanType::DnsName);
    params.subject_alt_names = dns.chain(names.addresses.iter().copied().map(SanType::IpAddress)).collect();
    params
}

fn admin_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kubernetes-admin");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn new_key() -> Result<KeyPair, String> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)
}

/// A little into the past, for clocks that disagree.
fn valid_for(params: &mut CertificateParams, now: OffsetDateTime, days: i64) {
    params.not_before = now - Duration::minutes(5);
    params.not_after = now + Duration::days(days);
}

fn is_own(pair: &PemPair) -> bool {
    let issuer = with_certificate(pair, |certificate| {
        let mut names = certificate.issuer().iter_common_name();
        names.any(|name| name.as_str() == Ok(AUTHORITY))
    });
    issuer == Some(true)
}

fn is_usable(pair: &PemPair, now: OffsetDateTime) -> bool {
    let until = with_certificate(pair, |certificate| certificate.validity().not_after.timestamp());
    until.is_some_and(|until| until > (now + Duration::days(RENEW_DAYS)).unix_timestamp())
}

/// Whether the certificate is good for every name, so that a change of flags makes a new one.
fn covers(pair: &PemPair, names: &Names) -> bool {
    with_certificate(pair, alternative_names).is_some_and(|found| {
        names.dns.iter().all(|name| found.dns.contains(name))
            && names.addresses.iter().all(|ip| found.addresses.contains(ip))
    })
}

/// The names that a certificate in DER is for.
pub fn names_of(der: &[u8]) -> Names {
    X509Certificate::from_der(der).map(|(_, certificate)| alternative_names(&certificate)).unwrap_or_default()
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Names {
    let mut found = Names::default();
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(alternatives) = extension.parsed_extension() else {
            continue;
        };
        for name in &alternatives.general_names {
            match name {
                GeneralName::DNSName(name) => found.dns.push(String::from(*name)),
                GeneralName::IPAddress(bytes) => found.addresses.extend(address(bytes)),
                _ => {}
            }
        }
    }
    found
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

fn with_certificate<T>(pair: &PemPair, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    use rustls_pki_types::pem::PemObject;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(pair.certificate.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Some(read(&certificate))
}

fn read_pair(dir: &Path, name: &str) -> Result<Option<PemPair>, String> {
    let read = |suffix: &str| trusted::read(&dir.join(format!("{name}.{suffix}")));
    Ok(read("crt")?.zip(read("key")?).map(|(certificate, key)| PemPair { certificate, key }))
}

fn write_pair(dir: &Path, name: &str, pair: PemPair) -> Result<PemPair, String> {
    write(&dir.join(format!("{name}.key")), &pair.key, 0o600)?;
    write(&dir.join(format!("{name}.crt")), &pair.certificate, 0o644)?;
    Ok(pair)
}

/// Makes a directory that only its owner may read; an existing one is kept, unless others may write it.
pub fn make_private_dir(dir: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| format!("{}: {error}", dir.display()))?;
    trusted::check_dir(dir)
}

/// Writes a file whole or not at all, into a directory that is made where it is missing.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let shown = path.display();
    path.parent().map_or(Ok(()), make_private_dir)?;
    let scratch = path.with_extension("new");
    let _ = fs::remove_file(&scratch);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&scratch)
        .map_err(|error| format!("{shown}: {error}"))?;
    file.write_all(text.as_bytes()).map_err(|error| format!("{shown}: {error}"))?;
    fs::rename(&scratch, path).map_err(|error| format!("{shown}: {error}"))
}

fn failed(error: rcgen::Error) -> String {
    format!("cannot make a certificate: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(dns: &str) -> Names {
        Names { dns: vec![dns.into()], addresses: vec![IpAddr::from([127, 0, 0, 1])] }
    }

    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("pintle-pki-{name}-{}", std::process::id()))
    }

    #[test]
    fn certificates_are_kept_while_they_fit() {
        let dir = scratch("kept");
        let open = |name: &str| open(&dir, Some(&names(name)), true).unwrap();
        let (first, second, third) = (open("localhost"), open("localhost"), open("elsewhere.example"));
        assert_eq!((&first.serving, &first.administrator), (&second.serving, &second.administrator));
        assert_eq!(third.administrator, first.administrator);
        assert_ne!(third.serving, first.serving);
        let mode = fs::metadata(dir.join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_others_see_to_is_not_made() {
        let dir = scratch("others");
        open(&dir, None, false).unwrap();
        assert!(!dir.exists());
        let mut theirs = CertificateParams::new(vec![String::from("theirs.example")]).unwrap();
        theirs.distinguished_name.push(DnType::CommonName, "theirs");
        let key = new_key().unwrap();
        let pair = PemPair { certificate: theirs.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
        write_pair(&dir, SERVING, pair.clone()).unwrap();
        assert_eq!(open(&dir, Some(&names("localhost")), false).unwrap().serving, Some(pair));
        assert!(!dir.join("ca.key").exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
