//! The places of a copy.

use crate::etcd;
use std::borrow::Cow;
use std::path::PathBuf;

/// Where a copy comes from, or goes to.
#[derive(Clone, Debug)]
pub enum Place {
    /// The file of an embedded store; a server may have it open where it is only read.
    Embedded(PathBuf),
    Etcd(etcd::Options),
    /// A snapshot.
    File(PathBuf),
}

impl Place {
    /// The authenticated data of a key there: the key as it stands in storage.
    pub(super) fn authenticated<'a>(&self, key: &'a str) -> Cow<'a, [u8]> {
        match self {
            Place::Etcd(options) => Cow::Owned(etcd::Keys::new(options).outer(key)),
            Place::Embedded(_) | Place::File(_) => Cow::Borrowed(key.as_bytes()),
        }
    }
}
