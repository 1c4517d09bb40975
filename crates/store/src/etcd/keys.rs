//! Keys in etcd, below a configurable prefix, and in the store.

use crate::etcd::options::EtcdOptions;

/// The prefix of the store's keys, whatever etcd's is.
const OWN_PREFIX: &str = "/registry/";

/// Translates between the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    /// With its slashes: `/registry/`.
    prefix: String,
}

impl KeyRange {
    pub fn new(options: &EtcdOptions) -> KeyRange {
        let parts = options.prefix.split('/').filter(|part| !part.is_empty());
        KeyRange { prefix: parts.fold(String::from("/"), |prefix, part| prefix + part + "/") }
    }

    /// A key in etcd.
    pub fn outer(&self, key: &str) -> Vec<u8> {
        let rest = key.strip_prefix(OWN_PREFIX).unwrap_or(key);
        [self.prefix.as_bytes(), rest.as_bytes()].concat()
    }

    /// A key in the store; `None` for keys of others.
    pub fn inner(&self, key: &[u8]) -> Option<String> {
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
            let keys = KeyRange::new(&EtcdOptions { prefix: prefix.into(), ..EtcdOptions::default() });
            assert_eq!(keys.outer(key), expected.as_bytes());
            assert_eq!(keys.inner(expected.as_bytes()).as_deref(), Some(key));
        }
    }

    #[test]
    fn keys_of_others_are_none_of_ours() {
        let keys = KeyRange::new(&EtcdOptions::default());
        for key in ["compact_rev_key", "/registry", "/registryx/a", "registry/a", "/other/registry/a"] {
            assert_eq!(keys.inner(key.as_bytes()), None);
        }
    }
}
