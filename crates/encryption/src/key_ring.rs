//! The keys of one AES or secretbox provider: the first encrypts, and a value names the key that decrypts it.

use crate::aes::{Cbc, Gcm};
use crate::configuration::NamedKey;
use crate::failure::Failure;
use crate::metrics::{Metrics, Way};
use crate::secretbox::Secretbox;
use crate::tag::tag;
use pintle_store::transformer::KeyTag;
use std::time::Instant;

/// Whose keys they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    AesGcm,
    AesCbc,
    Secretbox,
}

enum Cipher {
    Gcm(Gcm),
    Cbc(Box<Cbc>),
    Secretbox(Secretbox),
}

struct RingKey {
    /// `key1:`.
    prefix: String,
    cipher: Cipher,
    tag: KeyTag,
}

pub(crate) struct KeyRing {
    keys: Vec<RingKey>,
    family: Family,
}

impl Family {
    /// The beginning of the family's values.
    pub fn prefix(self) -> &'static str {
        match self {
            Family::AesGcm => "k8s:enc:aesgcm:v1:",
            Family::AesCbc => "k8s:enc:aescbc:v1:",
            Family::Secretbox => "k8s:enc:secretbox:v1:",
        }
    }

    fn cipher(self, secret: &[u8]) -> Result<Cipher, Failure> {
        Ok(match self {
            Family::AesGcm => Cipher::Gcm(Gcm::new(secret)?),
            Family::AesCbc => Cipher::Cbc(Box::new(Cbc::new(secret)?)),
            Family::Secretbox => Cipher::Secretbox(Secretbox::new(secret)?),
        })
    }

    fn no_key(self) -> &'static str {
        match self {
            Family::AesGcm | Family::AesCbc => "no matching key was found for the provided AES transformer",
            Family::Secretbox => "no matching key was found for the provided Secretbox transformer",
        }
    }
}

impl Cipher {
    fn decrypt(&self, authenticated: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Cipher::Gcm(gcm) => gcm.decrypt(authenticated, data),
            Cipher::Cbc(cbc) => cbc.decrypt(data),
            Cipher::Secretbox(secretbox) => secretbox.decrypt(data),
        }
    }

    fn encrypt(&self, authenticated: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Cipher::Gcm(gcm) => gcm.encrypt(authenticated, data),
            Cipher::Cbc(cbc) => cbc.encrypt(data),
            Cipher::Secretbox(secretbox) => secretbox.encrypt(data),
        }
    }
}

impl KeyRing {
    pub fn new(family: Family, named: &[NamedKey]) -> Result<KeyRing, Failure> {
        let key = |NamedKey { name, secret }: &NamedKey| {
            let within = |failure: Failure| {
                failure.within(&format!("error while creating cipher for named key {name}"))
            };
            Ok(RingKey {
                prefix: format!("{name}:"),
                cipher: family.cipher(secret).map_err(within)?,
                tag: tag(&[family.prefix().as_bytes(), name.as_bytes(), secret]),
            })
        };
        Ok(KeyRing { keys: named.iter().map(key).collect::<Result<_, Failure>>()?, family })
    }

    /// The tag of values that are encrypted now.
    pub fn tag(&self) -> KeyTag {
        self.keys.first().map(|key| key.tag).unwrap_or_default()
    }

    /// The plain value, and the tag of the key that it was encrypted with. Of keys of one name each is tried.
    pub fn decrypt(
        &self,
        (resource, metrics): (&str, &Metrics),
        authenticated: &[u8],
        data: &[u8],
    ) -> Result<(Vec<u8>, KeyTag), Failure> {
        let began = Instant::now();
        let mut failures = Vec::new();
        for key in &self.keys {
            let Some(sealed) = data.strip_prefix(key.prefix.as_bytes()) else { continue };
            let result = key.cipher.decrypt(authenticated, sealed);
            metrics.transformed(resource, Way::FromStorage, &key.prefix, began, result.as_ref().err());
            match result {
                Ok(plain) => return Ok((plain, key.tag)),
                Err(failure) => failures.push(failure),
            }
        }
        let failure = Failure::joined(failures);
        Err(failure.unwrap_or_else(|| {
            let failure = Failure::new(self.family.no_key());
            metrics.transformed(resource, Way::FromStorage, "unknown", began, Some(&failure));
            failure
        }))
    }

    /// The value under the first key, after that key's name.
    pub fn encrypt(
        &self,
        (resource, metrics): (&str, &Metrics),
        authenticated: &[u8],
        data: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let key = self.keys.first().ok_or_else(|| Failure::new(self.family.no_key()))?;
        let began = Instant::now();
        let result = key.cipher.encrypt(authenticated, data);
        metrics.transformed(resource, Way::ToStorage, &key.prefix, began, result.as_ref().err());
        Ok([key.prefix.as_bytes(), &result?].concat())
    }
}
