//! Signatures: algorithms by identifier, and whether a signature is one of the key.

use crate::der::Result;
use crate::key::{Curve, PublicKey};
use crate::{Malformed, malformed};
use aws_lc_rs::signature::{self as verify, UnparsedPublicKey, VerificationAlgorithm};
use std::borrow::Cow;

/// Go reads no shorter keys, which can be factored.
const RSA_BITS_MIN: usize = 1024;
/// Longer ones take too long to check.
const RSA_BITS_MAX: usize = 8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Md5WithRsa,
    Rsa(Hash),
    RsaPss(Hash),
    Ecdsa(Hash),
    Dsa,
    Ed25519,
    Unknown,
}

impl Algorithm {
    /// `parameters` is an element, or empty.
    pub fn of(identifier: &[u8], parameters: &[u8]) -> Algorithm {
        const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
        const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
        match identifier {
            RSA_PSS => pss(parameters).map_or(Algorithm::Unknown, Algorithm::RsaPss),
            ED25519 if !parameters.is_empty() => Algorithm::Unknown,
            ED25519 => Algorithm::Ed25519,
            _ => {
                let known = BY_IDENTIFIER.iter().find(|(known, _)| *known == identifier);
                known.map_or(Algorithm::Unknown, |(_, algorithm)| *algorithm)
            }
        }
    }
}

const BY_IDENTIFIER: &[(&[u8], Algorithm)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], Algorithm::Md5WithRsa),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], Algorithm::Rsa(Hash::Sha1)),
    (&[0x2b, 0x0e, 0x03, 0x02, 0x1d], Algorithm::Rsa(Hash::Sha1)),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], Algorithm::Rsa(Hash::Sha256)),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], Algorithm::Rsa(Hash::Sha384)),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], Algorithm::Rsa(Hash::Sha512)),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03], Algorithm::Dsa),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x02], Algorithm::Dsa),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], Algorithm::Ecdsa(Hash::Sha1)),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], Algorithm::Ecdsa(Hash::Sha256)),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], Algorithm::Ecdsa(Hash::Sha384)),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], Algorithm::Ecdsa(Hash::Sha512)),
];

/// The hash of RSA-PSS parameters that are the usual ones: the mask has the same hash, the salt its length.
fn pss(parameters: &[u8]) -> Option<Hash> {
    let hashes = [(Hash::Sha256, 1, 32), (Hash::Sha384, 2, 48), (Hash::Sha512, 3, 64)];
    let is_usual = |number: u8, salt: u8| {
        let nulls = [(true, true), (true, false), (false, true), (false, false)];
        nulls.into_iter().any(|(own, masks)| parameters == pss_parameters(number, salt, own, masks))
    };
    hashes.into_iter().find(|(_, number, salt)| is_usual(*number, *salt)).map(|(hash, ..)| hash)
}

fn pss_parameters(hash_number: u8, salt: u8, has_null: bool, mask_has_null: bool) -> Vec<u8> {
    let wrap = |tag: u8, parts: &[&[u8]]| {
        let content = parts.concat();
        [&[tag, u8::try_from(content.len()).unwrap_or(u8::MAX)], content.as_slice()].concat()
    };
    let hash = |has_null: bool| {
        let identifier = [0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash_number];
        wrap(0x30, &[&identifier, if has_null { &[5, 0] } else { &[] }])
    };
    let mask = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
    let mask = wrap(0x30, &[&mask, &hash(mask_has_null)]);
    let tagged = [wrap(0xa0, &[&hash(has_null)]), wrap(0xa1, &[&mask]), wrap(0xa2, &[&[2, 1, salt]])];
    wrap(0x30, &[&tagged.concat()])
}

/// Checks a signature; the error is upstream's.
pub fn check(algorithm: Algorithm, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<()> {
    let unimplemented = || malformed("x509: cannot verify signature: algorithm unimplemented");
    match algorithm {
        Algorithm::Unknown => return Err(unimplemented()),
        Algorithm::Md5WithRsa => {
            return Err(malformed("x509: cannot verify signature: insecure algorithm MD5-RSA"));
        }
        _ => {}
    }
    match (key, algorithm) {
        (PublicKey::Rsa { modulus_bits, .. }, Algorithm::Rsa(_) | Algorithm::RsaPss(_))
            if *modulus_bits < RSA_BITS_MIN =>
        {
            Err(Malformed(Cow::Owned(format!(
                "crypto/rsa: {modulus_bits}-bit keys are insecure (see \
                 https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)"
            ))))
        }
        (PublicKey::Rsa { bytes, modulus_bits }, Algorithm::Rsa(hash)) if *modulus_bits <= RSA_BITS_MAX => {
            holds(pkcs1(hash), bytes, signed, signature, "crypto/rsa: verification error")
        }
        (PublicKey::Rsa { bytes, modulus_bits }, Algorithm::RsaPss(hash))
            if *modulus_bits <= RSA_BITS_MAX =>
        {
            holds(pss_algorithm(hash), bytes, signed, signature, "crypto/rsa: verification error")
        }
        (PublicKey::Rsa { .. }, Algorithm::Rsa(_) | Algorithm::RsaPss(_)) => {
            Err(malformed("crypto/rsa: verification error"))
        }
        (PublicKey::Ecdsa { curve, point }, Algorithm::Ecdsa(hash)) => {
            holds(ecdsa(*curve, hash), point, signed, signature, "x509: ECDSA verification failure")
        }
        (PublicKey::Ed25519(bytes), Algorithm::Ed25519) => {
            holds(Some(&verify::ED25519), bytes, signed, signature, "x509: Ed25519 verification failure")
        }
        (PublicKey::Unknown, _) => Err(unimplemented()),
        (PublicKey::Rsa { .. }, other) => Err(mismatch(other, "*rsa.PublicKey")),
        (PublicKey::Ecdsa { .. }, other) => Err(mismatch(other, "*ecdsa.PublicKey")),
        (PublicKey::Ed25519(_), other) => Err(mismatch(other, "ed25519.PublicKey")),
    }
}

/// Whether a signature over a text, with SHA-256 where the key leaves it open, is the key's: RSA with PSS.
pub fn check_proof(key: &PublicKey, signed: &[u8], signature: &[u8]) -> bool {
    let algorithm = match key {
        PublicKey::Rsa { .. } => Algorithm::RsaPss(Hash::Sha256),
        PublicKey::Ecdsa { .. } => Algorithm::Ecdsa(Hash::Sha256),
        PublicKey::Ed25519(_) => Algorithm::Ed25519,
        PublicKey::Unknown => Algorithm::Unknown,
    };
    check(algorithm, key, signed, signature).is_ok()
}

fn holds(
    algorithm: Option<&'static dyn VerificationAlgorithm>,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
    why: &'static str,
) -> Result<()> {
    let checked = algorithm.map(|algorithm| UnparsedPublicKey::new(algorithm, key).verify(signed, signature));
    if matches!(checked, Some(Ok(()))) { Ok(()) } else { Err(malformed(why)) }
}

fn mismatch(algorithm: Algorithm, key: &str) -> Malformed {
    let wanted = match algorithm {
        Algorithm::Md5WithRsa | Algorithm::Rsa(_) | Algorithm::RsaPss(_) => "RSA",
        Algorithm::Ecdsa(_) => "ECDSA",
        Algorithm::Dsa => "DSA",
        Algorithm::Ed25519 => "Ed25519",
        Algorithm::Unknown => "0",
    };
    Malformed(Cow::Owned(format!(
        "x509: signature algorithm specifies an {wanted} public key, but have public key of type {key}"
    )))
}

fn pkcs1(hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match hash {
        Hash::Sha1 => &verify::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &verify::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Hash::Sha384 => &verify::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &verify::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    })
}

fn pss_algorithm(hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
    match hash {
        Hash::Sha1 => None,
        Hash::Sha256 => Some(&verify::RSA_PSS_2048_8192_SHA256),
        Hash::Sha384 => Some(&verify::RSA_PSS_2048_8192_SHA384),
        Hash::Sha512 => Some(&verify::RSA_PSS_2048_8192_SHA512),
    }
}

fn ecdsa(curve: Curve, hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (curve, hash) {
        (Curve::P256, Hash::Sha1) => &verify::ECDSA_P256_SHA1_ASN1,
        (Curve::P256, Hash::Sha256) => &verify::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Hash::Sha384) => &verify::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Hash::Sha512) => &verify::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Hash::Sha256) => &verify::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Hash::Sha384) => &verify::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Hash::Sha512) => &verify::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Hash::Sha1) => &verify::ECDSA_P521_SHA1_ASN1,
        (Curve::P521, Hash::Sha256) => &verify::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Hash::Sha384) => &verify::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Hash::Sha512) => &verify::ECDSA_P521_SHA512_ASN1,
        (Curve::P224, _) | (Curve::P384, Hash::Sha1) => return None,
    })
}
