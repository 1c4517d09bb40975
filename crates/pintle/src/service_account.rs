//! The keys of service account tokens: read from files, or made when the first is needed, and kept.

use crate::{pki, trusted};
use pintle_access::service_account::{KeySource, SigningKey, VerifyingKey};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The server's own key lies in its PKI directory, unless files are given.
pub struct Keys {
    /// The file of the signing key.
    signing_path: PathBuf,
    is_own: bool,
    /// Keys that tokens are checked with besides the signing key's.
    verifying: Vec<Arc<VerifyingKey>>,
    /// An RSA key takes a moment to make, which no start should wait for.
    signing: Mutex<Option<Arc<SigningKey>>>,
}

impl Keys {
    /// `key_files` hold public keys; without any, tokens are checked with the signing key.
    pub fn open(own: PathBuf, signing_file: Option<&Path>, key_files: &[PathBuf]) -> Result<Keys, String> {
        let mut verifying = Vec::new();
        for path in key_files {
            let pem = std::fs::read_to_string(path).map_err(|error| failed(path, error))?;
            let found = VerifyingKey::all_from_pem(&pem).map_err(|error| failed(path, error))?;
            verifying.extend(found.into_iter().map(Arc::new));
        }
        let keys = Keys {
            signing_path: signing_file.map_or(own, Path::to_path_buf),
            is_own: signing_file.is_none(),
            verifying,
            signing: Mutex::default(),
        };
        // A file that was given must be good; the own key is looked at when it is needed.
        if !keys.is_own {
            keys.signing()?;
        }
        Ok(keys)
    }

    fn read(&self) -> Result<SigningKey, String> {
        let path = &self.signing_path;
        if !self.is_own {
            let pem = std::fs::read_to_string(path).map_err(|error| failed(path, error))?;
            return SigningKey::from_pem(&pem).map_err(|error| failed(path, error));
        }
        let pem = match trusted::read(path)? {
            Some(pem) => pem,
            None => {
                let key = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(|error| failed(path, error))?;
                pki::write(path, &key.serialize_pem(), 0o600)?;
                key.serialize_pem()
            }
        };
        SigningKey::from_pem(&pem).map_err(|error| failed(path, error))
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

impl KeySource for Keys {
    fn signing(&self) -> Result<Arc<SigningKey>, String> {
        let mut known = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.as_ref() {
            return Ok(key.clone());
        }
        let key = Arc::new(self.read()?);
        *known = Some(key.clone());
        Ok(key)
    }

    fn verifying(&self) -> Vec<Arc<VerifyingKey>> {
        if !self.verifying.is_empty() {
            return self.verifying.clone();
        }
        // No token can be signed with a key that is still to be made.
        if self.is_own && !self.signing_path.exists() {
            return Vec::new();
        }
        let key = self.signing().map(|key| Arc::new(key.public().clone()));
        key.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_when_needed() {
        let dir = std::env::temp_dir().join(format!("pintle-keys-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("sa.key");
        let open = || Keys::open(path.clone(), None, &[]).unwrap();
        let keys = open();
        assert!(keys.verifying().is_empty() && !path.exists());
        let id = keys.signing().unwrap().public().id.clone();
        assert_eq!(keys.verifying()[0].id, id);
        assert_eq!(open().verifying()[0].id, id);
        let by_file = Keys::open(dir.join("none"), Some(&path), std::slice::from_ref(&path)).unwrap();
        assert_eq!(by_file.verifying()[0].id, id);
        assert!(Keys::open(path.clone(), Some(&dir.join("none")), &[]).is_err());
        std::fs::write(&path, "no key").unwrap();
        assert!(Keys::open(path.clone(), Some(&path), &[]).is_err());
        assert!(open().verifying().is_empty());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
