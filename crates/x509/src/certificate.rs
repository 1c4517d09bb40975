//! Certificates: those that a signer issues, and those in a trust bundle.

use crate::der::Result;
use crate::{Malformed, malformed, pem};
use std::borrow::Cow;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The first certificate of some bytes, and the rest.
pub fn parse_certificate(bytes: &[u8]) -> Result<(X509Certificate<'_>, &[u8])> {
    match X509Certificate::from_der(bytes) {
        Ok((rest, certificate)) => Ok((certificate, rest)),
        Err(_) => Err(malformed("x509: malformed certificate")),
    }
}

/// Refuses a PEM text that holds anything but certificates; an empty one holds nothing to refuse.
pub fn check_chain(text: &[u8]) -> Result<()> {
    let mut rest = text;
    let mut blocks = 0;
    while let Some((block, after)) = pem::decode(rest) {
        if block.kind != b"CERTIFICATE" {
            let kind = String::from_utf8_lossy(&block.kind);
            let why = format!("only CERTIFICATE PEM blocks are allowed, found {kind:?}");
            return Err(Malformed(Cow::Owned(why)));
        }
        if block.has_headers {
            return Err(malformed("no PEM block headers are permitted"));
        }
        if block.bytes.is_empty() {
            return Err(malformed("found CERTIFICATE PEM block containing 0 certificates"));
        }
        let mut certificates = block.bytes.as_slice();
        while !certificates.is_empty() {
            (_, certificates) = parse_certificate(certificates)?;
        }
        blocks += 1;
        rest = after;
    }
    if blocks == 0 && !text.is_empty() {
        return Err(malformed("must contain at least one CERTIFICATE PEM block"));
    }
    Ok(())
}
