//! Public keys: RSA, ECDSA on the curves of NIST, Ed25519.

use crate::der::{self, BIT_STRING, DerReader, INTEGER, Result, SEQUENCE};
use crate::{Malformed, malformed};
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P224: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x21];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const NULL: &[u8] = &[5, 0];
const ED25519_LEN: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// `SEQUENCE { modulus, exponent }`.
    Rsa {
        bytes: Vec<u8>,
        modulus_bits: usize,
    },
    /// A point that is not compressed.
    Ecdsa {
        curve: Curve,
        point: Vec<u8>,
    },
    Ed25519(Vec<u8>),
    /// One that nothing here checks signatures of.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    P224,
    P256,
    P384,
    P521,
}

impl Curve {
    pub fn name(self) -> &'static str {
        match self {
            Curve::P224 => "P-224",
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    fn field_bytes(self) -> usize {
        match self {
            Curve::P224 => 28,
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }
}

impl PublicKey {
    /// A PKIX SubjectPublicKeyInfo and nothing else.
    pub fn parse(bytes: &[u8]) -> Result<PublicKey> {
        let mut reader = DerReader::new(bytes);
        let info = reader.expect(SEQUENCE, "publicKeyInfo")?;
        if !reader.is_empty() {
            return Err(malformed("x509: trailing data after ASN.1 of public-key"));
        }
        PublicKey::from_info(info.content)
    }

    /// `SEQUENCE { algorithm, parameters }, BIT STRING`
    pub(crate) fn from_info(content: &[u8]) -> Result<PublicKey> {
        let mut reader = DerReader::new(content);
        let (algorithm, parameters) = algorithm(&mut reader)?;
        let bits = reader.expect(BIT_STRING, "BitString")?;
        let data = der::right_aligned(bits.content)?;
        match algorithm {
            RSA => rsa(parameters, data),
            EC => ecdsa(parameters, data),
            ED25519 if !parameters.is_empty() => {
                Err(malformed("x509: Ed25519 key encoded with illegal parameters"))
            }
            ED25519 if data.len() != ED25519_LEN => Err(malformed("x509: wrong Ed25519 public key size")),
            ED25519 => Ok(PublicKey::Ed25519(data)),
            _ => Ok(PublicKey::Unknown),
        }
    }
}

/// The identifier of an algorithm, and the element of its parameters, empty without any.
pub fn algorithm<'a>(reader: &mut DerReader<'a>) -> Result<(&'a [u8], &'a [u8])> {
    let sequence = reader.expect(SEQUENCE, "AlgorithmIdentifier")?;
    let mut inner = DerReader::new(sequence.content);
    let identifier = der::identifier(&mut inner)?;
    let parameters = if inner.is_empty() { &[][..] } else { inner.any()?.full };
    Ok((identifier, parameters))
}

fn rsa(parameters: &[u8], data: Vec<u8>) -> Result<PublicKey> {
    if parameters != NULL {
        return Err(malformed("x509: RSA key missing NULL parameters"));
    }
    let mut outer = DerReader::new(&data);
    let Ok(key) = outer.expect(SEQUENCE, "") else { return Err(malformed("x509: invalid RSA public key")) };
    let mut reader = DerReader::new(key.content);
    let modulus = positive(&mut reader, "x509: invalid RSA modulus", usize::MAX)?
        .ok_or_else(|| malformed("x509: RSA modulus is not a positive number"))?;
    positive(&mut reader, "x509: invalid RSA public exponent", size_of::<i64>())?
        .ok_or_else(|| malformed("x509: RSA public exponent is not a positive number"))?;
    let first = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let modulus_bits = modulus.len() * 8 - first;
    Ok(PublicKey::Rsa { bytes: key.full.to_vec(), modulus_bits })
}

/// The bytes of a positive integer without leading zeros; none when it is not positive.
fn positive<'a>(reader: &mut DerReader<'a>, why: &'static str, len_max: usize) -> Result<Option<&'a [u8]>> {
    let invalid = |_: Malformed| malformed(why);
    let content = reader.expect(INTEGER, "").map_err(invalid)?.content;
    der::check_integer(content).map_err(invalid)?;
    if content.len() > len_max {
        return Err(malformed(why));
    }
    let is_negative = content.first().is_some_and(|first| first & 0x80 != 0);
    let digits = content.strip_prefix(&[0]).unwrap_or(content);
    Ok((!is_negative && !digits.is_empty()).then_some(digits))
}

fn ecdsa(parameters: &[u8], point: Vec<u8>) -> Result<PublicKey> {
    let Ok(identifier) = der::identifier(&mut DerReader::new(parameters)) else {
        return Err(malformed("x509: invalid ECDSA parameters"));
    };
    let curve = match identifier {
        P224 => Curve::P224,
        P256 => Curve::P256,
        P384 => Curve::P384,
        P521 => Curve::P521,
        _ => return Err(malformed("x509: unsupported elliptic curve")),
    };
    const UNCOMPRESSED: u8 = 4;
    if point.first() != Some(&UNCOMPRESSED) {
        return Err(malformed("ecdsa: invalid uncompressed public key"));
    }
    if point.len() != 1 + 2 * curve.field_bytes() {
        return Err(malformed("invalid point encoding"));
    }
    let algorithm: Option<(&'static EcdsaVerificationAlgorithm, _)> = match curve {
        // Nothing here checks signatures of such a key.
        Curve::P224 => None,
        Curve::P256 => Some((&signature::ECDSA_P256_SHA256_ASN1, "P256 point not on curve")),
        Curve::P384 => Some((&signature::ECDSA_P384_SHA384_ASN1, "P384 point not on curve")),
        Curve::P521 => Some((&signature::ECDSA_P521_SHA512_ASN1, "P521 point not on curve")),
    };
    if let Some((algorithm, why)) = algorithm
        && ParsedPublicKey::new(algorithm, &point).is_err()
    {
        return Err(malformed(why));
    }
    Ok(PublicKey::Ecdsa { curve, point })
}
