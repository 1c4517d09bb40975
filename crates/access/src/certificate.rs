//! Client certificates: signed by a known authority, for a user named by the subject.

use crate::cache::Cache;
use crate::directory_string::directory_string;
use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use pintle_object::user::User;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext,
};
use x509_parser::prelude::{FromDer, X509Certificate};

const COMMON_NAME_OID: &str = "2.5.4.3";
const ORGANIZATION_OID: &str = "2.5.4.10";
/// Purposes of certificates, in DER: TLS clients (1.3.6.1.5.5.7.3.2), and any (2.5.29.37.0).
const CLIENTS: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
const ANY_PURPOSE: [u8; 4] = [0x55, 0x1d, 0x25, 0x00];
/// The key of the extra value that identifies the credential.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
/// The attribute of a subject that is the user's uid.
const UID_OID: &str = "1.3.6.1.4.1.57683.2";
/// The time for which a verified chain is cached.
const KNOWN_HOLDS: Duration = Duration::from_secs(300);

/// The authorities of client certificates. Clones share the same, also when they change.
#[derive(Clone, Default)]
pub struct ClientAuthorities {
    current: Arc<ArcSwap<Anchors>>,
}

#[derive(Default)]
struct Anchors {
    anchors: Vec<TrustAnchor<'static>>,
    /// Users of chains that were verified, each until its first certificate expires, in seconds since 1970.
    known: Cache<(Arc<User>, i64)>,
}

impl ClientAuthorities {
    /// Takes CA certificates; the error names the one that is invalid.
    pub fn new(certificates: &[CertificateDer<'static>]) -> Result<ClientAuthorities, String> {
        let all = ClientAuthorities::default();
        all.replace(certificates)?;
        Ok(all)
    }

    /// Takes others in their place, or leaves them when one of the others is no certificate of an authority.
    pub fn replace(&self, certificates: &[CertificateDer<'static>]) -> Result<(), String> {
        let mut anchors = Vec::with_capacity(certificates.len());
        for (index, certificate) in certificates.iter().enumerate() {
            let anchor = webpki::anchor_from_trusted_cert(certificate)
                .map_err(|error| format!("certificate {}: {error}", index + 1))?;
            anchors.push(anchor.to_owned());
        }
        self.current.store(Arc::new(Anchors { anchors, known: Cache::default() }));
        Ok(())
    }

    /// The subjects of all authorities: the content of each name in DER, without its tag and length.
    pub fn subjects(&self) -> Vec<Vec<u8>> {
        self.current.load().anchors.iter().map(|anchor| anchor.subject.as_ref().to_vec()).collect()
    }

    /// The user of a verified chain: named by the common name, in the groups of the organizations and in
    /// `system:authenticated`. None for a certificate without a common name.
    pub fn user(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Option<Arc<User>>, String> {
        let user = self.bearer(chain, now)?;
        Ok(Some(user).filter(|user| !user.name.is_empty()))
    }

    /// The user that a verified chain was issued to, even when its subject has no name.
    pub fn bearer(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Arc<User>, String> {
        let (leaf, intermediates) = chain.split_first().ok_or("no certificate")?;
        let now_seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let current = self.current.load();
        let fingerprint = current.known.fingerprint(chain.iter().map(AsRef::as_ref));
        if let Some((user, ends)) = current.known.get(&fingerprint)
            && now_seconds <= ends
        {
            return Ok(user);
        }
        verify(leaf, intermediates, &current.anchors, now)?;
        let user = Arc::new(subject(leaf)?.authenticated());
        let ends = chain.iter().map(|certificate| expiry(certificate).unwrap_or(i64::MIN)).min();
        current.known.set(fingerprint, (user.clone(), ends.unwrap_or(i64::MIN)), KNOWN_HOLDS);
        Ok(user)
    }
}

/// The extended key usages that are accepted: client authentication, or any.
struct ClientsOrAny;

impl ExtendedKeyUsageValidator for ClientsOrAny {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let accepted = [KeyPurposeId::new(&CLIENTS), KeyPurposeId::new(&ANY_PURPOSE)];
        let mut present = Vec::new();
        for purpose in purposes {
            let purpose = purpose?;
            if accepted.contains(&purpose) {
                return Ok(());
            }
            present.push(purpose.to_decoded_oid());
        }
        if present.is_empty() {
            return Ok(());
        }
        let context = RequiredEkuNotFoundContext { required: KeyUsage::client_auth(), present };
        Err(webpki::Error::RequiredEkuNotFoundContext(context))
    }
}

fn verify(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'static>],
    now: UnixTime,
) -> Result<(), String> {
    let end = EndEntityCert::try_from(leaf).map_err(|error| error.to_string())?;
    let (algorithms, usage) = (webpki::ALL_VERIFICATION_ALGS, ClientsOrAny);
    let verified = end.verify_for_usage(algorithms, anchors, intermediates, now, usage, None, None);
    verified.map(|_| ()).map_err(|error| error.to_string())
}

/// The end of a certificate's validity, in seconds since 1970.
pub fn expiry(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// The subject as Go reads it: of several common names the last counts, and one attribute that cannot be read makes
/// the whole certificate worthless.
fn subject(leaf: &CertificateDer<'_>) -> Result<User, String> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let (mut user, mut uids) = (User::default(), Vec::new());
    for attribute in certificate.subject().iter_attributes() {
        let value = attribute.attr_value();
        let text = directory_string(value.tag(), value.data)?;
        match attribute.attr_type().to_id_string().as_str() {
            COMMON_NAME_OID => user.name = text,
            ORGANIZATION_OID => user.groups.push(text),
            UID_OID => uids.push(text),
            _ => {}
        }
    }
    user.uid = match uids.as_slice() {
        [] => String::new(),
        [uid] if uid.is_empty() => return Err("UID cannot be an empty string".into()),
        [uid] => uid.clone(),
        _ => return Err(format!("expected 1 UID, but found multiple: {uids:?}")),
    };
    let digest = digest::digest(&digest::SHA256, leaf.as_ref());
    let fingerprint: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let id = vec![format!("X509SHA256={fingerprint}")];
    user.extra = BTreeMap::from([(String::from(CREDENTIAL_ID), id)]);
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::user::AUTHENTICATED;
    use rcgen::string::BmpString;
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose,
        IsCa, Issuer, KeyPair,
    };

    fn authority() -> (CertificateDer<'static>, Issuer<'static, KeyPair>) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        (der, Issuer::new(params, key))
    }

    fn client(issuer: &Issuer<'static, KeyPair>, name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, "dev");
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().clone()
    }

    #[test]
    fn certificates_are_believed_while_their_authorities_are() {
        let ((old, old_issuer), (new, new_issuer)) = (authority(), authority());
        let (ann, bob) = (client(&old_issuer, "ann"), client(&new_issuer, "bob"));
        let all = ClientAuthorities::new(&[old]).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let name = |of: &CertificateDer<'static>, now| {
            let user = all.user(std::slice::from_ref(of), now)?.ok_or("nobody")?;
            Ok::<_, String>(format!("{} {}", user.name, user.groups.join(",")))
        };
        // Twice: a chain that is known is no other than one that is not.
        for _ in 0..2 {
            assert_eq!(name(&ann, now), Ok("ann dev,system:authenticated".into()));
            assert!(name(&bob, now).is_err());
        }
        let later = UnixTime::since_unix_epoch(Duration::from_secs(2_000_000_000));
        assert!(name(&ann, later).is_err());
        assert!(all.replace(&[CertificateDer::from(vec![1])]).is_err());
        assert_eq!(name(&ann, now), Ok("ann dev,system:authenticated".into()));
        all.clone().replace(&[new]).unwrap();
        assert_eq!(name(&bob, now), Ok("bob dev,system:authenticated".into()));
        assert!(name(&ann, now).is_err());
    }

    fn issue(
        issuer: &Issuer<'static, KeyPair>,
        names: &[(DnType, DnValue)],
        purposes: &[ExtendedKeyUsagePurpose],
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        names.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), value.clone()));
        params.extended_key_usages = purposes.to_vec();
        params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_is_its_common_names_or_nobodys() {
        let (authority, issuer) = authority();
        let all = ClientAuthorities::new(&[authority]).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let masters = || (DnType::OrganizationName, DnValue::from("system:masters"));
        let check = |names: &[(DnType, DnValue)], purposes: &[ExtendedKeyUsagePurpose], expected: &str| {
            let found = match all.user(&[issue(&issuer, names, purposes)], now) {
                Ok(Some(user)) => {
                    let (proved, groups) = user.groups.split_last().expect("everybody known is in a group");
                    assert_eq!(proved, AUTHENTICATED);
                    format!("{} {}", user.name, groups.join(","))
                }
                Ok(None) => String::from("nobody"),
                Err(_) => String::from("refused"),
            };
            assert_eq!(found, expected, "{names:?} {purposes:?}");
        };
        use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
        let ann = || (DnType::CommonName, DnValue::from("ann"));
        check(&[ann(), masters()], &[], "ann system:masters");
        check(&[masters()], &[], "nobody");
        check(&[(DnType::CommonName, DnValue::from("")), masters()], &[ClientAuth], "nobody");
        let other = (DnType::CustomDnType(vec![2, 5, 4, 3]), DnValue::from("last"));
        check(&[ann(), other], &[], "last ");
        let bmp = BmpString::try_from("jos\u{e9}").unwrap();
        check(&[(DnType::CommonName, DnValue::BmpString(bmp))], &[], "jos\u{e9} ");
        check(&[ann()], &[Any], "ann ");
        check(&[ann()], &[ServerAuth, ClientAuth], "ann ");
        check(&[ann()], &[ServerAuth], "refused");
    }
}
