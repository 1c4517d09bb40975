//! The places of a copy.

use crate::etcd;
use std::borrow::Cow;
use std::path::PathBuf;

/// The source or destination of a copy.
#[derive(Clone, Debug)]
pub enum StorePlace {
    /// The file of an embedded store; a server may have it open where it is only read.
    Embedded(PathBuf),
    Etcd(etcd::EtcdOptions),
    /// A snapshot.
    File(PathBuf),
}

impl StorePlace {
    /// The authenticated data of a key: the key as it is stored there.
    pub(super) fn authenticated<'a>(&self, key: &'a str) -> Cow<'a, [u8]> {
        match self {
            StorePlace::Etcd(options) => Cow::Owned(etcd::KeyRange::new(options).outer(key)),
            StorePlace::Embedded(_) | StorePlace::File(_) => Cow::Borrowed(key.as_bytes()),
        }
    }
}
