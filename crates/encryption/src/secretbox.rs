//! NaCl's secretbox (XSalsa20 and Poly1305): `nonce || tag || ciphertext`. Values are not bound to their keys.

use crate::aes::{random, too_short};
use crate::failure::Failure;
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, XSalsa20Poly1305};

/// Sizes of keys in bytes.
pub(crate) const KEY_SIZES: &[usize] = &[32];
const NONCE: usize = 24;
const TAG: usize = 16;

pub(crate) struct Secretbox(XSalsa20Poly1305);

impl Secretbox {
    pub fn new(key: &[u8]) -> Result<Secretbox, Failure> {
        let cipher = XSalsa20Poly1305::new_from_slice(key).map_err(|_| {
            Failure::new(format!("expected key size 32 for secretbox provider, got {}", key.len()))
        })?;
        Ok(Secretbox(cipher))
    }

    pub fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        if data.len() < NONCE + TAG {
            return Err(too_short());
        }
        let (nonce, sealed) = data.split_at(NONCE);
        // Upstream's words for a value that was not made with this key.
        let refused = |_| Failure::new("output array was not large enough for encryption");
        self.0.decrypt(nonce.into(), sealed).map_err(refused)
    }

    pub fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        let nonce = random::<NONCE>()?;
        let sealed = self.0.encrypt(&nonce.into(), data);
        let sealed = sealed.map_err(|_| Failure::new("the value could not be encrypted"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }
}
