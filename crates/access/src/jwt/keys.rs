//! `KeySet`: an issuer's public keys, as JSON (RFC 7517), and the verification of signatures.

use super::compact::Unproven;
use aws_lc_rs::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_object::Value;

/// The algorithms that tokens may be signed with, in order.
pub const ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicKey {
    id: String,
    numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Numbers {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    Ec {
        algorithm: &'static str,
        point: Vec<u8>,
    },
}

impl KeySet {
    /// Reads `{"keys": [...]}`; keys of other sorts are passed over.
    pub fn read(document: &Value) -> Result<KeySet, String> {
        let keys = document.get("keys").and_then(Value::as_list).ok_or("there is no list of keys")?;
        Ok(KeySet { keys: keys.iter().filter_map(PublicKey::read).collect() })
    }

    /// Whether one of the keys, the one that the token names if it names any, has signed it.
    pub fn has_signed(&self, token: &Unproven<'_>) -> bool {
        let mut named = self.keys.iter().filter(|key| token.key_id.is_empty() || key.id == token.key_id);
        named.any(|key| key.numbers.verify(&token.algorithm, token.message.as_bytes(), &token.signature))
    }
}

impl PublicKey {
    fn read(value: &Value) -> Option<PublicKey> {
        let number = |field: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(value.str_at(&[field])).ok()?;
            Some(bytes).filter(|bytes| !bytes.is_empty())
        };
        let numbers = match value.str_at(&["kty"]) {
            "RSA" => Numbers::Rsa { modulus: trimmed(number("n")?), exponent: trimmed(number("e")?) },
            "EC" => point(value.str_at(&["crv"]), number("x")?, number("y")?)?,
            _ => return None,
        };
        Some(PublicKey { id: value.str_at(&["kid"]).into(), numbers })
    }
}

impl Numbers {
    fn verify(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Numbers::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                rsa(algorithm).is_some_and(|parameters| key.verify(parameters, message, signature).is_ok())
            }
            Numbers::Ec { algorithm: own, point } if *own == algorithm => ec(algorithm)
                .is_some_and(|curve| UnparsedPublicKey::new(curve, point).verify(message, signature).is_ok()),
            Numbers::Ec { .. } => false,
        }
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ec(algorithm: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        "ES256" => &signature::ECDSA_P256_SHA256_FIXED,
        "ES384" => &signature::ECDSA_P384_SHA384_FIXED,
        "ES512" => &signature::ECDSA_P521_SHA512_FIXED,
        _ => return None,
    })
}

/// Each coordinate takes all the bytes of its field.
fn point(curve: &str, x: Vec<u8>, y: Vec<u8>) -> Option<Numbers> {
    let (algorithm, len) = match curve {
        "P-256" => ("ES256", 32),
        "P-384" => ("ES384", 48),
        "P-521" => ("ES512", 66),
        _ => return None,
    };
    let mut point = vec![4];
    for coordinate in [trimmed(x), trimmed(y)] {
        point.extend(std::iter::repeat_n(0, usize::checked_sub(len, coordinate.len())?));
        point.extend(coordinate);
    }
    Some(Numbers::Ec { algorithm, point })
}

/// Leading zeros do not count.
fn trimmed(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}
