//! The seam of encryption at rest: transforms values on their way to the disk or to etcd, and back.
//!
//! ```text
//! request -> plain value -> transform_to_storage -> writer, etcd's transaction
//! recovery, etcd's pages and watch -> transform_from_storage -> plain value -> watch cache
//! ```
//!
//! The cache holds plain values only, each with a tag of the key that encrypted it. A value that cannot be decrypted
//! stays in the cache as it is stored, with the error, so that reads can be refused in its words and the key can still
//! be deleted.
//!
//! Both ways may wait for another server, and neither is ever asked while a lock is held. A store without a
//! transformer stores values as they are.

use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// The location of a value, which encryption binds it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueContext<'a> {
    /// The key in the store, which identifies the value's resource: `/registry/secrets/default/a`.
    pub key: &'a str,
    /// The authenticated data: the key as it is stored, below `--etcd-prefix`.
    pub authenticated: &'a [u8],
}

/// The provider and key that encrypted a stored value. Tags are compared, and mean nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyTag(pub u64);

impl KeyTag {
    /// Of values that are stored as they are.
    pub const PLAIN: KeyTag = KeyTag(0);
    /// The tag of values in a version of their resource that is no longer written.
    pub const OUTDATED: KeyTag = KeyTag(u64::MAX);
}

/// A value on one side of the seam, and the tag of its encryption on the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transformed {
    pub value: Bytes,
    pub tag: KeyTag,
}

/// The error of a transformation, in upstream's words: `no matching prefix found`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformError(pub String);

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TransformError {}

/// The answer of a transformer, which may have to wait for it.
pub type Transforming<'a> = Pin<Box<dyn Future<Output = Result<Transformed, TransformError>> + Send + 'a>>;

/// Encrypts and decrypts stored values. There is one for the whole store; it decides by the key, and may decide
/// otherwise after its configuration is reloaded.
pub trait Transformer: Send + Sync + fmt::Debug {
    /// Whether a value at a key is anything but stored as it is. Asked for each value, so it must be quick. Where it
    /// says no, the store refuses to read values that look encrypted, as upstream's identity does.
    fn covers(&self, key: &str) -> bool;

    /// Decrypts a stored value; returns it with the tag of its encryption.
    fn transform_from_storage<'a>(&'a self, context: ValueContext<'a>, stored: Bytes) -> Transforming<'a>;

    /// The bytes to store for a plain value, and the tag of the key that encrypts them.
    fn transform_to_storage<'a>(&'a self, context: ValueContext<'a>, plain: Bytes) -> Transforming<'a>;

    /// Whether a value with a tag would be encrypted otherwise now, so that an update that changes nothing writes it
    /// all the same.
    fn is_stale(&self, key: &str, tag: KeyTag) -> bool;
}

/// The beginning of every encrypted value; plain ones never begin so.
pub const ENCRYPTED_PREFIX: &[u8] = b"k8s:enc:";

/// Upstream's words for an encrypted value where none is expected.
pub const NOT_DECRYPTED: &str = "identity transformer tried to read encrypted data";

/// The plain value, where nothing is encrypted.
pub fn identity(stored: Bytes) -> Result<Transformed, TransformError> {
    if stored.starts_with(ENCRYPTED_PREFIX) {
        return Err(TransformError(String::from(NOT_DECRYPTED)));
    }
    Ok(Transformed { value: stored, tag: KeyTag::PLAIN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_values_are_not_taken_for_plain_ones() {
        for (stored, expected) in [("{}", true), ("k8s\0...", true), ("k8s:enc:aescbc:v1:k:...", false)] {
            assert_eq!(identity(Bytes::from(stored)).is_ok(), expected, "{stored}");
        }
    }
}
