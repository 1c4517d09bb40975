//! `CertificateRequest`: a PKCS #10 request, parsed once and in one way for all checks.

use crate::der::{self, BIT_STRING, DerReader, INTEGER, OCTET_STRING, Result, SEQUENCE, SET, syntax};
use crate::key::{self, PublicKey};
use crate::name::Subject;
use crate::signature::{self, Algorithm};
use crate::{malformed, pem};
use std::borrow::Cow;
use std::collections::HashSet;

const BLOCK: &[u8] = b"CERTIFICATE REQUEST";
/// The attribute of the requested extensions.
const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A request for a certificate.
///
/// ```text
/// SEQUENCE {
///   SEQUENCE { version, subject, SEQUENCE { algorithm, key }, [0] { attributes } }    what is signed
///   algorithm, signature }
/// ```
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    pub subject: Subject,
    pub key: PublicKey,
    signed: Vec<u8>,
    algorithm: Algorithm,
    signature: Vec<u8>,
}

impl CertificateRequest {
    /// From the first PEM block of a text.
    pub fn from_pem(text: &[u8]) -> Result<CertificateRequest> {
        match pem::decode(text) {
            Some((block, _)) if block.kind == BLOCK => CertificateRequest::parse(&block.bytes),
            _ => Err(malformed("PEM block type must be CERTIFICATE REQUEST")),
        }
    }

    pub fn parse(bytes: &[u8]) -> Result<CertificateRequest> {
        let mut outer = DerReader::new(bytes);
        let request = outer.expect(SEQUENCE, "certificateRequest")?;
        let mut reader = DerReader::new(request.content);
        let info = reader.expect(SEQUENCE, "tbsCertificateRequest")?;
        let info_parts = Info::parse(info.content)?;
        let (algorithm, parameters) = key::algorithm(&mut reader)?;
        let signature = der::right_aligned(reader.expect(BIT_STRING, "BitString")?.content)?;
        if !outer.is_empty() {
            return Err(syntax("trailing data"));
        }
        let key = PublicKey::from_info(info_parts.key)?;
        let subject = Subject::parse(info_parts.subject)?;
        check_extensions(&info_parts.attributes)?;
        let algorithm = Algorithm::of(algorithm, parameters);
        Ok(CertificateRequest { subject, key, signed: info.full.to_vec(), algorithm, signature })
    }

    /// Refuses a request that its own key has not signed.
    pub fn check_signature(&self) -> Result<()> {
        signature::check(self.algorithm, &self.key, &self.signed, &self.signature)
    }
}

struct Info<'a> {
    subject: &'a [u8],
    key: &'a [u8],
    attributes: Vec<der::Element<'a>>,
}

impl<'a> Info<'a> {
    fn parse(content: &'a [u8]) -> Result<Info<'a>> {
        let mut reader = DerReader::new(content);
        der::check_int64(reader.expect(INTEGER, "int")?.content)?;
        let subject = reader.any()?.full;
        let key = reader.expect(SEQUENCE, "publicKeyInfo")?.content;
        let attributes = der::elements(reader.expect_tagged(0)?.content, None)?;
        Ok(Info { subject, key, attributes })
    }
}

/// Checks the requested extensions. Malformed attributes are skipped.
fn check_extensions(attributes: &[der::Element<'_>]) -> Result<()> {
    let mut seen = HashSet::new();
    for attribute in attributes {
        let Some((identifier, value)) = first_value(attribute) else { continue };
        if identifier != EXTENSION_REQUEST {
            continue;
        }
        let extensions = DerReader::new(value).expect(SEQUENCE, "")?;
        for extension in der::elements(extensions.content, Some(SEQUENCE))? {
            let (identifier, value) = extension_parts(extension.content)?;
            if !seen.insert(identifier) {
                return Err(malformed("x509: certificate request contains duplicate requested extensions"));
            }
            if identifier == SUBJECT_ALTERNATIVE_NAME {
                check_alternative_names(value)?;
            }
        }
    }
    Ok(())
}

/// The identifier of an attribute, and its first value.
fn first_value<'a>(attribute: &der::Element<'a>) -> Option<(&'a [u8], &'a [u8])> {
    if !attribute.is_universal(SEQUENCE) {
        return None;
    }
    let mut reader = DerReader::new(attribute.content);
    let identifier = der::identifier(&mut reader).ok()?;
    let values = der::elements(reader.expect(SET, "").ok()?.content, None).ok()?;
    Some((identifier, values.first()?.full))
}

/// `identifier, critical, OCTET STRING`, the second of which may be left out.
fn extension_parts(content: &[u8]) -> Result<(&[u8], &[u8])> {
    const BOOLEAN: u32 = 1;
    let mut reader = DerReader::new(content);
    let identifier = der::identifier(&mut reader)?;
    let mut after_critical = reader.clone();
    if after_critical.any().is_ok_and(|critical| critical.is_universal(BOOLEAN))
        && !matches!(reader.any()?.content, [0 | 0xff])
    {
        return Err(syntax("invalid boolean"));
    }
    Ok((identifier, reader.expect(OCTET_STRING, "")?.content))
}

fn check_alternative_names(value: &[u8]) -> Result<()> {
    let Ok(names) = DerReader::new(value).expect(SEQUENCE, "") else {
        return Err(malformed("x509: invalid subject alternative names"));
    };
    let mut reader = DerReader::new(names.content);
    while !reader.is_empty() {
        let Ok(name) = reader.any() else { return Err(malformed("x509: invalid subject alternative name")) };
        let is_plain = name.class == 2 && !name.is_compound;
        let is_ascii = name.content.is_ascii();
        match name.tag {
            1 if is_plain && !is_ascii => return Err(malformed("x509: SAN rfc822Name is malformed")),
            2 if is_plain && !is_ascii => return Err(malformed("x509: SAN dNSName is malformed")),
            6 if is_plain && !is_ascii => {
                return Err(malformed("x509: SAN uniformResourceIdentifier is malformed"));
            }
            7 if is_plain && !matches!(name.content.len(), 4 | 16) => {
                let len = name.content.len();
                return Err(crate::Malformed(Cow::Owned(format!(
                    "x509: cannot parse IP address of length {len}"
                ))));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
