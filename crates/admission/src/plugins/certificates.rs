//! CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may have which certificates issued.

use crate::chain::Plugin;
use crate::request::Request;
use pintle_access::Attributes;
use pintle_object::bytes;
use pintle_object::field::quote;
use pintle_object::{Status, Value};

const GROUP: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";

/// Requests are approved by those who may approve for the signer.
pub struct CertificateApproval;

impl Plugin for CertificateApproval {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.is_update() || !is_subresource(request, "approval") {
            return Ok(());
        }
        permit(request, object, "approve")
    }
}

/// Certificates are issued by those who may sign for the signer.
pub struct CertificateSigning;

impl Plugin for CertificateSigning {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.is_update() || !is_subresource(request, "status") {
            return Ok(());
        }
        let old = request.attributes.old.unwrap_or(&Value::Null);
        let is_same = |field: &str| object.at(&["status", field]) == old.at(&["status", field]);
        if is_same("certificate") && is_same("conditions") {
            return Ok(());
        }
        permit(request, object, "sign")
    }
}

/// Nobody becomes an administrator by a certificate of the cluster's own signer.
pub struct CertificateSubjectRestriction;

impl Plugin for CertificateSubjectRestriction {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let is_asked = request.creates(GROUP, REQUESTS);
        if !is_asked || object.str_at(&["spec", "signerName"]) != CLIENT_SIGNER {
            return Ok(());
        }
        let Some(organizations) = subject(object, ORGANIZATION) else { return Ok(()) };
        if !organizations.iter().any(|organization| organization == MASTERS.as_bytes()) {
            return Ok(());
        }
        let why = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
        Err(request.forbidden(object, &why))
    }
}

fn is_subresource(request: &Request<'_>, subresource: &str) -> bool {
    request.is_resource(GROUP, REQUESTS) && request.subresource() == subresource
}

fn permit(request: &Request<'_>, object: &Value, verb: &'static str) -> Result<(), Status> {
    let signer = object.str_at(&["spec", "signerName"]);
    if is_permitted(request, signer, verb) {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName {}", quote(signer));
    Err(request.forbidden(object, &why))
}

/// Permission is for a signer by name, or for all signers of a domain.
pub(super) fn is_permitted(request: &Request<'_>, signer: &str, verb: &'static str) -> bool {
    let domain = signer.split('/').next().unwrap_or(signer);
    let all = format!("{domain}/*");
    let user = request.user();
    [signer, &all].into_iter().any(|name| {
        let attributes = Attributes {
            verb,
            is_resource: true,
            group: GROUP,
            version: "*",
            resource: "signers",
            name,
            ..Attributes::default()
        };
        pintle_access::authorize::check(request.permissions.authorizer.as_ref(), &user, &attributes).is_ok()
    })
}

/// What is between the first two lines of a PEM text that is itself base64.
fn pem_content(text: &str) -> Option<Vec<u8>> {
    let pem = String::from_utf8(bytes::decode(text).ok()?).ok()?;
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE REQUEST-----")?;
    let (content, _) = rest.split_once("-----END CERTIFICATE REQUEST-----")?;
    let content: String = content.split_whitespace().collect();
    bytes::decode(&content).ok()
}

/// Identifiers of attributes of a subject, in DER.
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
pub const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The values of an attribute in the subject of a request; `None` when it is no request.
pub fn subject(object: &Value, identifier: &[u8]) -> Option<Vec<Vec<u8>>> {
    attributes(&pem_content(object.str_at(&["spec", "request"]))?, identifier)
}

/// Of a certificate request:
///
/// ```text
/// SEQUENCE { SEQUENCE { version, SEQUENCE { SET { SEQUENCE { 2.5.4.10, "system:masters" } } ... } ... } ... }
/// ```
fn attributes(der: &[u8], wanted: &[u8]) -> Option<Vec<Vec<u8>>> {
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    let (request, _) = element(der, SEQUENCE)?;
    let (info, _) = element(request, SEQUENCE)?;
    let (_, after_version) = element(info, 0x02)?;
    let (mut subject, _) = element(after_version, SEQUENCE)?;
    let mut found = Vec::new();
    while !subject.is_empty() {
        let (mut names, rest) = element(subject, SET)?;
        subject = rest;
        while !names.is_empty() {
            let (name, rest) = element(names, SEQUENCE)?;
            names = rest;
            let (identifier, value) = element(name, 0x06)?;
            let (_, content, _) = any_element(value)?;
            if identifier == wanted {
                found.push(content.to_vec());
            }
        }
    }
    Some(found)
}

/// The content of a DER element of one tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any_element(der)?;
    (found == tag).then_some((content, rest))
}

fn any_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    const LONG: u8 = 0x80;
    const LENGTH_BYTES_MAX: usize = 4;
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = if *first < LONG {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(*first & !LONG);
        let (bytes, rest) = rest.split_at_checked(count.min(LENGTH_BYTES_MAX))?;
        (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organizations_are_found_in_the_subject() {
        let name = |identifier: u8, text: &[u8]| {
            let value = wrap(0x0c, text);
            wrap(0x31, &wrap(0x30, &[wrap(0x06, &[0x55, 0x04, identifier]), value].concat()))
        };
        let subject = wrap(0x30, &[name(0x03, b"me"), name(0x0a, b"dev")].concat());
        let info = wrap(0x30, &[wrap(0x02, &[0]), subject].concat());
        let request = wrap(0x30, &info);
        assert_eq!(attributes(&request, ORGANIZATION), Some(vec![b"dev".to_vec()]));
        assert_eq!(attributes(b"no request", ORGANIZATION), None);
        assert_eq!(attributes(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], ORGANIZATION), None);
    }

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len()).unwrap();
        [&[tag, len], content].concat()
    }
}
