//! AES with keys of 16, 24 and 32 bytes: GCM, which binds a value to its key in the store, and CBC, which does not.

use crate::failure::Failure;
use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, AES_CBC_IV_LEN, DecryptingKey, DecryptionContext, EncryptingKey,
    EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand;

/// Sizes of keys in bytes.
pub(crate) const KEY_SIZES: &[usize] = &[16, 24, 32];
const BLOCK: usize = 16;

/// Random bytes for nonces, initialisation vectors and keys.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Failure::new("unable to read sufficient random bytes"))?;
    Ok(bytes)
}

pub(crate) fn too_short() -> Failure {
    Failure::new("the stored data was shorter than the required size")
}

fn bad_size(key: &[u8]) -> Failure {
    Failure::new(format!("crypto/aes: invalid key size {}", key.len()))
}

/// `nonce || ciphertext || tag`, authenticated together with the key under which the value is stored.
pub(crate) struct Gcm(LessSafeKey);

impl Gcm {
    pub fn new(key: &[u8]) -> Result<Gcm, Failure> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            32 => &AES_256_GCM,
            _ => return Err(bad_size(key)),
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| bad_size(key))?;
        Ok(Gcm(LessSafeKey::new(key)))
    }

    pub fn decrypt(&self, authenticated: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
        let (nonce, sealed) = data.split_at_checked(NONCE_LEN).ok_or_else(too_short)?;
        let refused = |_| Failure::new("cipher: message authentication failed");
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(refused)?;
        let mut plain = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(authenticated), &mut plain);
        let len = opened.map_err(refused)?.len();
        plain.truncate(len);
        Ok(plain)
    }

    /// With a random nonce; keys must be changed before a nonce is likely to occur twice.
    pub fn encrypt(&self, authenticated: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
        let nonce = random::<NONCE_LEN>()?;
        let mut out = Vec::with_capacity(NONCE_LEN + data.len() + self.0.algorithm().tag_len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(data);
        let plain = out.get_mut(NONCE_LEN..).unwrap_or_default();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(authenticated), plain);
        let tag = tag.map_err(|_| Failure::new("cipher: message too large for GCM"))?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }
}

/// `iv || ciphertext`, padded as PKCS#7 says; nothing is authenticated.
pub(crate) struct Cbc {
    encrypting: EncryptingKey,
    decrypting: DecryptingKey,
}

impl Cbc {
    pub fn new(key: &[u8]) -> Result<Cbc, Failure> {
        let algorithm = match key.len() {
            16 => &AES_128,
            24 => &AES_192,
            32 => &AES_256,
            _ => return Err(bad_size(key)),
        };
        let unbound = || UnboundCipherKey::new(algorithm, key).map_err(|_| bad_size(key));
        Ok(Cbc {
            encrypting: EncryptingKey::cbc(unbound()?).map_err(|_| bad_size(key))?,
            decrypting: DecryptingKey::cbc(unbound()?).map_err(|_| bad_size(key))?,
        })
    }

    pub fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        let (iv, sealed) = data.split_at_checked(AES_CBC_IV_LEN).ok_or_else(too_short)?;
        if sealed.len() % BLOCK != 0 {
            return Err(Failure::new("the stored data is not a multiple of the block size"));
        }
        let unpadded = || Failure::new("invalid PKCS7 data (empty or not padded)");
        let iv = FixedLength::try_from(iv).map_err(|_| too_short())?;
        let mut plain = sealed.to_vec();
        self.decrypting.decrypt(&mut plain, DecryptionContext::Iv128(iv)).map_err(|_| unpadded())?;
        let padding = plain.last().copied().ok_or_else(unpadded)?;
        let len =
            plain.len().checked_sub(usize::from(padding)).filter(|_| padding > 0).ok_or_else(unpadded)?;
        if plain.get(len..).unwrap_or_default().iter().any(|byte| *byte != padding) {
            return Err(Failure::new("invalid padding on input"));
        }
        plain.truncate(len);
        Ok(plain)
    }

    pub fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        let iv = random::<AES_CBC_IV_LEN>()?;
        let padding = BLOCK - data.len() % BLOCK;
        let mut out = Vec::with_capacity(AES_CBC_IV_LEN + data.len() + padding);
        out.extend_from_slice(&iv);
        out.extend_from_slice(data);
        out.resize(AES_CBC_IV_LEN + data.len() + padding, padding as u8);
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        let plain = out.get_mut(AES_CBC_IV_LEN..).unwrap_or_default();
        self.encrypting
            .less_safe_encrypt(plain, context)
            .map_err(|_| Failure::new("the value could not be encrypted"))?;
        Ok(out)
    }
}
