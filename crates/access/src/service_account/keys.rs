//! Keys of JSON web tokens: RSA with RS256, and NIST curves with ES256, ES384 and ES512.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{digest, rsa, signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    Es256,
    Es384,
    Es512,
    Rs256,
}

/// A key that tokens are signed with.
pub struct SigningKey {
    pair: KeyPair,
    public: VerifyingKey,
}

enum KeyPair {
    Rsa(rsa::KeyPair),
    Ec(signature::EcdsaKeyPair),
}

/// A key that tokens are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// The key id in tokens: a hash of the public key.
    pub id: String,
    pub algorithm: Algorithm,
    pub jwk: Jwk,
    /// The key alone: an `RSAPublicKey`, or a point.
    bits: Vec<u8>,
}

/// The numbers of a public key, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwk {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec { curve: &'static str, x: Vec<u8>, y: Vec<u8> },
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
            Algorithm::Rs256 => "RS256",
        }
    }

    fn ec_signing(self) -> Option<&'static signature::EcdsaSigningAlgorithm> {
        match self {
            Algorithm::Es256 => Some(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => Some(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => Some(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::Rs256 => None,
        }
    }

    fn verification(self) -> &'static dyn signature::VerificationAlgorithm {
        match self {
            Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

const NO_KEY: &str = "contains no RSA or EC key";

impl SigningKey {
    /// Reads a private key in PEM: PKCS#8, PKCS#1 or SEC 1.
    pub fn from_pem(pem: &str) -> Result<SigningKey, String> {
        sections(pem)?.into_iter().find_map(|(kind, der)| signing(kind, &der)).ok_or(NO_KEY.into())
    }

    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| String::from("the key cannot sign");
        let random = SystemRandom::new();
        match &self.pair {
            KeyPair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut out).map_err(failed)?;
                Ok(out)
            }
            KeyPair::Ec(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
        }
    }
}

impl VerifyingKey {
    /// Reads every key of a PEM file: public keys, certificates, and the public halves of private keys.
    pub fn all_from_pem(pem: &str) -> Result<Vec<VerifyingKey>, String> {
        let found = sections(pem)?.into_iter().filter_map(|(kind, der)| match kind {
            SectionKind::PublicKey => VerifyingKey::from_spki(&der),
            SectionKind::Certificate => {
                let (_, certificate) = X509Certificate::from_der(&der).ok()?;
                VerifyingKey::from_spki(certificate.public_key().raw)
            }
            _ => signing(kind, &der).map(|key| key.public),
        });
        let found: Vec<VerifyingKey> = found.collect();
        if found.is_empty() { Err(NO_KEY.into()) } else { Ok(found) }
    }

    /// Reads a DER `SubjectPublicKeyInfo`.
    fn from_spki(spki: &[u8]) -> Option<VerifyingKey> {
        let (_, info) = SubjectPublicKeyInfo::from_der(spki).ok()?;
        let bits = info.subject_public_key.data.to_vec();
        let (algorithm, jwk) = match info.parsed().ok()? {
            PublicKey::RSA(key) => {
                let jwk = Jwk::Rsa { modulus: trimmed(key.modulus), exponent: trimmed(key.exponent) };
                (Algorithm::Rs256, jwk)
            }
            PublicKey::EC(_) => point(&bits)?,
            _ => return None,
        };
        let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, spki));
        Some(VerifyingKey { id, algorithm, jwk, bits })
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = signature::UnparsedPublicKey::new(self.algorithm.verification(), &self.bits);
        key.verify(message, signature).is_ok()
    }
}

/// An uncompressed point says by its length which curve it is on.
fn point(bits: &[u8]) -> Option<(Algorithm, Jwk)> {
    let (&form, rest) = bits.split_first()?;
    let (algorithm, curve) = match rest.len() {
        64 => (Algorithm::Es256, "P-256"),
        96 => (Algorithm::Es384, "P-384"),
        132 => (Algorithm::Es512, "P-521"),
        _ => return None,
    };
    let (x, y) = rest.split_at(rest.len() / 2);
    (form == 4).then(|| (algorithm, Jwk::Ec { curve, x: x.to_vec(), y: y.to_vec() }))
}

/// Positive integers begin with a zero when their first bit is set.
fn trimmed(integer: &[u8]) -> Vec<u8> {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    integer.get(zeros..).unwrap_or_default().to_vec()
}

fn sections(pem: &str) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    let all: Result<Vec<_>, _> = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()).collect();
    all.map_err(|error| error.to_string())
}

fn signing(kind: SectionKind, der: &[u8]) -> Option<SigningKey> {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::KeyPair as _;
    let rsa_pair = match kind {
        SectionKind::RsaPrivateKey => rsa::KeyPair::from_der(der).ok(),
        SectionKind::PrivateKey => rsa::KeyPair::from_pkcs8(der).ok(),
        _ => None,
    };
    if let Some(pair) = rsa_pair {
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let public = VerifyingKey::from_spki(spki.as_ref())?;
        return Some(SigningKey { pair: KeyPair::Rsa(pair), public });
    }
    let curves = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512];
    let pair = curves.into_iter().filter_map(Algorithm::ec_signing).find_map(|algorithm| match kind {
        SectionKind::EcPrivateKey => signature::EcdsaKeyPair::from_private_key_der(algorithm, der).ok(),
        SectionKind::PrivateKey => signature::EcdsaKeyPair::from_pkcs8(algorithm, der).ok(),
        _ => None,
    })?;
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
    let public = VerifyingKey::from_spki(spki.as_ref())?;
    Some(SigningKey { pair: KeyPair::Ec(pair), public })
}
