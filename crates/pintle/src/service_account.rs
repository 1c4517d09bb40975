//! The key that service account tokens are signed with: made when it is first needed, and kept.

use crate::pki;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_server::oidc::{PublicKey, PublicKeys};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The public half of the key in a directory. An RSA key takes a moment to make, which no start should wait for.
pub fn public_keys(dir: PathBuf) -> PublicKeys {
    let known: Mutex<Option<PublicKey>> = Mutex::new(None);
    Box::new(move || {
        let mut known = known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.is_none() {
            *known = Some(public_key(&open(&dir.join("sa.key"))?)?);
        }
        Ok(known.iter().cloned().collect())
    })
}

fn open(path: &Path) -> Result<KeyPair, String> {
    let failed = |error: rcgen::Error| format!("{}: {error}", path.display());
    match std::fs::read_to_string(path) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(failed)?;
            pki::write(path, &key.serialize_pem(), 0o600)?;
            Ok(key)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The key's id is the hash of its public half, as upstream's.
fn public_key(key: &KeyPair) -> Result<PublicKey, String> {
    let id = URL_SAFE_NO_PAD.encode(Sha256::digest(key.subject_public_key_info()));
    let (modulus, exponent) = rsa_numbers(key.public_key_raw()).ok_or("the key is no RSA key")?;
    Ok(PublicKey { id, modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}

/// The two integers of a DER `RSAPublicKey`: a sequence of modulus and exponent.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    let (content, _) = element(der, SEQUENCE)?;
    let (modulus, rest) = element(content, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    Some((trimmed(modulus), trimmed(exponent)))
}

/// The content of an element of one type, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first().filter(|_| found == tag)?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let len = digits
            .iter()
            .try_fold(0_usize, |len, byte| len.checked_mul(256)?.checked_add(usize::from(*byte)));
        (len?, rest)
    };
    rest.split_at_checked(len)
}

/// Positive integers begin with a zero when their first bit is set.
fn trimmed(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_key_are_read() {
        let check = |der: &[u8], expected: Option<(&[u8], &[u8])>| assert_eq!(rsa_numbers(der), expected);
        check(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 3], Some((&[0x80], &[3])));
        check(&[0x30, 0x81, 7, 2, 2, 0, 0x80, 2, 1, 3], Some((&[0x80], &[3])));
        for broken in [&[][..], &[0x30], &[0x30, 9, 2, 1, 1], &[0x31, 3, 2, 1, 1], &[0x30, 0x89, 1]] {
            check(broken, None);
        }
    }
}
