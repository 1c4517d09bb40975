//! A cache of decrypted seeds and keys, so that a plugin is called once for each.

use crate::aes::Gcm;
use crate::extended_nonce::ExtendedNonceGcm;
use crate::failure::Failure;
use crate::kms::wire::{EncryptedObject, SEED};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of cached seeds. There are about as many as server starts and key changes since values were last
/// rewritten; beyond it the oldest are decrypted again.
const SEEDS_MAX: usize = 10_000;

/// Identifies an encrypted seed.
pub(crate) type CacheKey = [u8; 32];

/// The key that decrypts values.
pub(crate) enum Opener {
    Seed(ExtendedNonceGcm),
    Key(Gcm),
}

#[derive(Default)]
pub(crate) struct Cache(Mutex<Seeds>);

#[derive(Default)]
struct Seeds {
    by_key: HashMap<CacheKey, Arc<Opener>>,
    oldest_first: VecDeque<CacheKey>,
}

impl Opener {
    pub fn new(source_type: i32, plain: &[u8]) -> Result<Opener, Failure> {
        Ok(match source_type {
            SEED => Opener::Seed(ExtendedNonceGcm::new(plain)?),
            _ => Opener::Key(Gcm::new(plain)?),
        })
    }

    pub fn decrypt(&self, authenticated: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Opener::Seed(seed) => seed.decrypt(authenticated, data),
            Opener::Key(key) => key.decrypt(authenticated, data),
        }
    }
}

/// The identity of an object's seed: everything that the plugin gets to decrypt it.
pub(crate) fn cache_key(object: &EncryptedObject) -> CacheKey {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&bytes.len().to_le_bytes());
        context.update(bytes);
    };
    part(&object.encrypted_dek_source_type.to_le_bytes());
    part(&object.encrypted_dek_source);
    part(object.key_id.as_bytes());
    for (key, value) in &object.annotations {
        part(key.as_bytes());
        part(value);
    }
    context.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

impl Cache {
    pub fn get(&self, key: &CacheKey) -> Option<Arc<Opener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_key.get(key).cloned()
    }

    /// Keeps a seed, and says how many there are.
    pub fn insert(&self, key: CacheKey, opener: Arc<Opener>) -> usize {
        let mut seeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seeds.by_key.insert(key, opener).is_none() {
            seeds.oldest_first.push_back(key);
        }
        while seeds.by_key.len() > SEEDS_MAX
            && let Some(oldest) = seeds.oldest_first.pop_front()
        {
            seeds.by_key.remove(&oldest);
        }
        seeds.by_key.len()
    }
}
