//! etcd beneath the store, with kube-apiserver's keys and values, and others that may write beside us.
//!
//! The cache is filled by a range at one revision and then follows etcd's watch. A write is a transaction on one key,
//! and is answered when the cache has it: who wrote reads what it wrote. A read that must be of now asks etcd for its
//! revision, together with all who ask at that moment, and waits until the cache has reached it.

mod client;
mod commit;
mod compact;
mod copy;
mod digests;
mod feed;
mod heads;
mod lease;
mod load;
mod start;
mod wire;

pub(crate) use commit::{PastError, Remote};
pub(crate) use copy::{Import, export};
pub(crate) use start::start;

use std::path::PathBuf;
use std::time::Duration;

/// Where etcd is, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// URLs of the members; the first that answers is used.
    pub servers: Vec<String>,
    /// What stands before all keys: `/registry`.
    pub prefix: String,
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// How often the past is compacted away, and how much of it stays; zero for never.
    pub compaction_interval: Duration,
    /// For how long a lease is given to further objects with the same time to live.
    pub lease_reuse: Duration,
    /// Whether etcd's word on progress is relied on; as its version allows, if nothing is said.
    pub tells_progress: Option<bool>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            servers: Vec::new(),
            prefix: String::from("/registry"),
            ca_file: None,
            cert_file: None,
            key_file: None,
            compaction_interval: Duration::from_secs(300),
            lease_reuse: Duration::from_secs(60),
            tells_progress: None,
        }
    }
}

/// The store's keys begin with this, whatever etcd's do.
const OWN_PREFIX: &str = "/registry/";

/// Keys as they stand in etcd, and as the store knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// With its slashes: `/registry/`.
    prefix: String,
}

impl Keys {
    fn new(options: &Options) -> Keys {
        let parts = options.prefix.split('/').filter(|part| !part.is_empty());
        Keys { prefix: parts.fold(String::from("/"), |prefix, part| prefix + part + "/") }
    }

    fn outer(&self, key: &str) -> Vec<u8> {
        let rest = key.strip_prefix(OWN_PREFIX).unwrap_or(key);
        [self.prefix.as_bytes(), rest.as_bytes()].concat()
    }

    /// `None` for keys of others.
    fn inner(&self, key: &[u8]) -> Option<String> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(self.prefix.as_str())?;
        Some([OWN_PREFIX, rest].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_below_the_prefix_that_was_chosen() {
        for (prefix, key, expected) in [
            ("/registry", "/registry/pods/ns/a", "/registry/pods/ns/a"),
            ("registry/", "/registry/pods/ns/a", "/registry/pods/ns/a"),
            ("/clusters/one", "/registry/pods/ns/a", "/clusters/one/pods/ns/a"),
            ("/", "/registry/pods/ns/a", "/pods/ns/a"),
        ] {
            let keys = Keys::new(&Options { prefix: prefix.into(), ..Options::default() });
            assert_eq!(keys.outer(key), expected.as_bytes());
            assert_eq!(keys.inner(expected.as_bytes()).as_deref(), Some(key));
        }
    }

    #[test]
    fn keys_of_others_are_none_of_ours() {
        let keys = Keys::new(&Options::default());
        for key in ["compact_rev_key", "/registry", "/registryx/a", "registry/a", "/other/registry/a"] {
            assert_eq!(keys.inner(key.as_bytes()), None);
        }
    }
}
