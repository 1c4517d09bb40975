//! How digests are read from what comes out of etcd.

use crate::backend::Row;
use crate::cache::Redigest;
use crate::collection::CollectionId;
use crate::object::{Digest, Key, Object};
use crate::store::Digester;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The way that was given at the start, and those of collections that were served later.
pub(crate) struct Digests {
    first: Arc<dyn Digester + Send + Sync>,
    later: RwLock<HashMap<usize, Redigest>>,
}

impl Digests {
    pub fn new(first: Arc<dyn Digester + Send + Sync>) -> Digests {
        Digests { first, later: RwLock::default() }
    }

    /// From now on the objects of a collection are read in this way.
    pub fn set(&self, collection: CollectionId, digest: Redigest) {
        let mut later = self.later.write().unwrap_or_else(PoisonError::into_inner);
        later.insert(collection.0 as usize, digest);
    }

    /// The object of a row in the collection at a place; one that cannot be read has an empty digest.
    pub fn object(&self, place: usize, key: Key, row: Row) -> Object {
        let value = row.value.unwrap_or_default();
        let object = Object::new(key, row.created, row.revision, value, Digest::default());
        let later = self.later.read().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        let digest = match later {
            Some(digest) => digest(&object),
            None => self.first.digest(&row.key, &object.value).map(|(_, digest)| digest),
        };
        match digest {
            Some(digest) => object.with_digest(digest),
            None => object,
        }
    }
}

impl Digester for Digests {
    fn digest(&self, key: &str, value: &[u8]) -> Option<(CollectionId, Digest)> {
        self.first.digest(key, value)
    }
}
