//! AES-GCM with a separate key for each value, derived from a seed: the encryption of KMS v2. A seed may be used
//! without limit, since no key is used twice.

use crate::aes::{Gcm, random, too_short};
use crate::failure::Failure;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};

/// The minimum length of a seed, and the length of new ones.
pub(crate) const SEED: usize = 32;
/// The most that the derivation takes as it is.
const SEED_MAX: usize = 64;
/// The length of the random prefix of a value, from which its key is derived.
const INFO: usize = 32;
const DERIVED_KEY: usize = 32;

/// `info || nonce || ciphertext || tag`.
pub(crate) struct ExtendedNonceGcm(Prk);

struct DerivedKey;

impl KeyType for DerivedKey {
    fn len(&self) -> usize {
        DERIVED_KEY
    }
}

impl ExtendedNonceGcm {
    pub fn new(seed: &[u8]) -> Result<ExtendedNonceGcm, Failure> {
        if !(SEED..=SEED_MAX).contains(&seed.len()) {
            return Err(Failure::new(format!("invalid seed length {} used for key generation", seed.len())));
        }
        Ok(ExtendedNonceGcm(Prk::new_less_safe(HKDF_SHA256, seed)))
    }

    pub fn decrypt(&self, authenticated: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
        let (info, sealed) = data.split_at_checked(INFO).ok_or_else(too_short)?;
        let gcm =
            self.derive(info).map_err(|failure| failure.within("failed to derive read key from KDF"))?;
        gcm.decrypt(authenticated, sealed)
    }

    pub fn encrypt(&self, authenticated: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
        let info = random::<INFO>()?;
        let gcm =
            self.derive(&info).map_err(|failure| failure.within("failed to derive write key from KDF"))?;
        Ok([info.as_slice(), &gcm.encrypt(authenticated, data)?].concat())
    }

    fn derive(&self, info: &[u8]) -> Result<Gcm, Failure> {
        let mut key = [0; DERIVED_KEY];
        let infos = [info];
        let filled = self.0.expand(&infos, DerivedKey).and_then(|okm| okm.fill(&mut key));
        filled.map_err(|_| Failure::new("failed to KDF expand seed with info"))?;
        Gcm::new(&key)
    }
}
