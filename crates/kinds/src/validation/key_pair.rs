//! Whether a certificate and a private key in PEM belong together, in the words of Go's `tls.X509KeyPair`.

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use pintle_object::bytes;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// A PEM block: its type and its content.
struct KeyBlock<'a> {
    kind: &'a str,
    der: Vec<u8>,
}

/// The error when the first certificate and the first key do not match.
pub fn mismatch(certificate: &[u8], key: &[u8]) -> Option<String> {
    pair(&String::from_utf8_lossy(certificate), &String::from_utf8_lossy(key)).err()
}

fn pair(certificate: &str, key: &str) -> Result<(), String> {
    let certificate = first_certificate(&blocks(certificate))?;
    let key = first_key(&blocks(key))?;
    let malformed = || String::from("x509: malformed certificate");
    let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| malformed())?;
    let key = Private::read(&key)?;
    let public = parsed.public_key().parsed().map_err(|_| malformed())?;
    let spki = &parsed.public_key().subject_public_key.data;
    let is_same = match (&public, &key) {
        (PublicKey::RSA(_), Private::Rsa(own)) => own.as_slice() == &spki[..],
        (PublicKey::EC(_), Private::Ec(own)) => own.as_slice() == &spki[..],
        (PublicKey::Unknown(_), Private::Ed25519(own)) => own.as_slice() == &spki[..],
        (PublicKey::RSA(_) | PublicKey::EC(_) | PublicKey::Unknown(_), _) => {
            return Err(String::from("tls: private key type does not match public key type"));
        }
        _ => return Err(String::from("tls: unknown public key algorithm")),
    };
    if is_same { Ok(()) } else { Err(String::from("tls: private key does not match public key")) }
}

/// The public half of a private key, as certificates hold it.
enum Private {
    Rsa(Vec<u8>),
    Ec(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Private {
    /// PKCS #1, PKCS #8 or SEC 1, whatever the type of the block.
    fn read(der: &[u8]) -> Result<Private, String> {
        if let Ok(key) = rsa::KeyPair::from_der(der).or_else(|_| rsa::KeyPair::from_pkcs8(der)) {
            return Ok(Private::Rsa(key.public_key().as_ref().to_vec()));
        }
        for curve in [
            &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        ] {
            if let Ok(key) = EcdsaKeyPair::from_private_key_der(curve, der) {
                return Ok(Private::Ec(key.public_key().as_ref().to_vec()));
            }
        }
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(key) => Ok(Private::Ed25519(key.public_key().as_ref().to_vec())),
            Err(_) => Err(String::from("tls: failed to parse private key")),
        }
    }
}

fn first_certificate(found: &[KeyBlock<'_>]) -> Result<Vec<u8>, String> {
    if let Some(block) = found.iter().find(|block| block.kind == "CERTIFICATE") {
        return Ok(block.der.clone());
    }
    Err(match found {
        [] => String::from("tls: failed to find any PEM data in certificate input"),
        [only] if only.kind.ends_with("PRIVATE KEY") => String::from(
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs \
             may have been switched",
        ),
        others => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the \
             following types: {}",
            kinds(others)
        ),
    })
}

fn first_key(found: &[KeyBlock<'_>]) -> Result<Vec<u8>, String> {
    let is_key = |block: &&KeyBlock<'_>| block.kind == "PRIVATE KEY" || block.kind.ends_with(" PRIVATE KEY");
    if let Some(block) = found.iter().find(is_key) {
        return Ok(block.der.clone());
    }
    Err(match found {
        [] => String::from("tls: failed to find any PEM data in key input"),
        [only] if only.kind == "CERTIFICATE" => {
            String::from("tls: found a certificate rather than a key in the PEM for the private key")
        }
        others => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM \
             blocks of the following types: {}",
            kinds(others)
        ),
    })
}

fn kinds(blocks: &[KeyBlock<'_>]) -> String {
    let kinds: Vec<&str> = blocks.iter().map(|block| block.kind).collect();
    format!("[{}]", kinds.join(" "))
}

/// The valid blocks of a text; damaged ones are skipped.
fn blocks(text: &str) -> Vec<KeyBlock<'_>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("-----BEGIN ") {
        rest = after;
        if !before.is_empty() && !before.ends_with('\n') {
            continue;
        }
        let Some((kind, body)) = after.split_once("-----") else { break };
        let Some((body, after)) = body.split_once(&format!("\n-----END {kind}-----")) else { continue };
        // Headers end with an empty line.
        let body =
            if body.contains(':') { body.split_once("\n\n").map_or("", |(_, body)| body) } else { body };
        let plain: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let Ok(der) = bytes::decode(&plain) else { continue };
        found.push(KeyBlock { kind, der });
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(certificate: &str, key: &str, expected: &str) {
        let found = mismatch(certificate.as_bytes(), key.as_bytes());
        assert_eq!(found.as_deref().unwrap_or(""), expected);
    }

    #[test]
    fn what_is_no_pair_is_told_apart_as_in_go() {
        let (pem, key) = (include_str!("testdata/tls.crt"), include_str!("testdata/tls.key"));
        let other = include_str!("testdata/rsa.key");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let broken_key = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
        check(pem, key, "");
        check(include_str!("testdata/rsa.crt"), other, "");
        check("", key, "tls: failed to find any PEM data in certificate input");
        check(pem, "x", "tls: failed to find any PEM data in key input");
        check(pem, pem, "tls: found a certificate rather than a key in the PEM for the private key");
        check(
            key,
            key,
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs \
             may have been switched",
        );
        check(broken, key, "x509: malformed certificate");
        check(pem, broken_key, "tls: failed to parse private key");
        check(pem, other, "tls: private key type does not match public key type");
    }
}
