//! Client certificates: signed by a known authority, for a user named by the subject.

use crate::user::User;
use aws_lc_rs::digest;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::collections::BTreeMap;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Tells which credential a user showed.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
/// The attribute of a subject that is the user's uid.
const UID_OID: &str = "1.3.6.1.4.1.57683.2";

/// The authorities whose certificates say who a client is.
#[derive(Clone, Debug, Default)]
pub struct ClientAuthorities {
    anchors: Vec<TrustAnchor<'static>>,
}

impl ClientAuthorities {
    /// Takes CA certificates; one that is none is an error that says which.
    pub fn new(certificates: &[CertificateDer<'static>]) -> Result<ClientAuthorities, String> {
        let mut anchors = Vec::with_capacity(certificates.len());
        for (index, certificate) in certificates.iter().enumerate() {
            let anchor = webpki::anchor_from_trusted_cert(certificate)
                .map_err(|error| format!("certificate {}: {error}", index + 1))?;
            anchors.push(anchor.to_owned());
        }
        Ok(ClientAuthorities { anchors })
    }

    /// The user of a verified chain: the common name, in the groups of the organizations.
    pub fn user(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<User, String> {
        let (leaf, intermediates) = chain.split_first().ok_or("no certificate")?;
        let end = EndEntityCert::try_from(leaf).map_err(|error| error.to_string())?;
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        end.verify_for_usage(
            algorithms,
            &self.anchors,
            intermediates,
            now,
            KeyUsage::client_auth(),
            None,
            None,
        )
        .map_err(|error| error.to_string())?;
        subject(leaf)
    }
}

fn subject(leaf: &CertificateDer<'_>) -> Result<User, String> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or("");
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok()).map(String::from);
    let fingerprint: String = digest::digest(&digest::SHA256, leaf.as_ref())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let id = (String::from(CREDENTIAL_ID), vec![format!("X509SHA256={fingerprint}")]);
    let uid = subject
        .iter_attributes()
        .find(|attribute| attribute.attr_type().to_id_string() == UID_OID)
        .and_then(|attribute| attribute.as_str().ok())
        .unwrap_or("");
    let extra = BTreeMap::from([id]);
    Ok(User { name: name.into(), uid: uid.into(), groups: groups.collect(), extra })
}
