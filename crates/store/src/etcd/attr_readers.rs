//! The attribute readers of values that come out of etcd.

use crate::attrs::{AttrReader, Attrs, ReadAttrs};
use crate::backend::Row;
use crate::object::{Key, Object};
use crate::watch_cache::collection::CollectionId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The reader of the start, and those of collections that were served later.
pub(crate) struct AttrReaders {
    first: Arc<dyn AttrReader + Send + Sync>,
    later: RwLock<HashMap<usize, ReadAttrs>>,
}

impl AttrReaders {
    pub fn new(first: Arc<dyn AttrReader + Send + Sync>) -> AttrReaders {
        AttrReaders { first, later: RwLock::default() }
    }

    /// Sets the reader of a collection from now on.
    pub fn set(&self, collection: CollectionId, read: ReadAttrs) {
        let mut later = self.later.write().unwrap_or_else(PoisonError::into_inner);
        later.insert(collection.0 as usize, read);
    }

    /// The object of a row in the collection of an index; one that cannot be read has empty attributes.
    pub fn object(&self, index: usize, key: Key, row: Row) -> Object {
        let value = row.value.unwrap_or_default();
        let object = Object::new(key, row.create_revision, row.revision, value, Attrs::default());
        let later = self.later.read().unwrap_or_else(PoisonError::into_inner).get(&index).cloned();
        let attrs = match later {
            Some(read) => read(&object),
            None => self.first.attrs(&row.key, &object.value).map(|(_, attrs)| attrs),
        };
        match attrs {
            Some(attrs) => object.with_attrs(attrs),
            None => object,
        }
    }
}

impl AttrReader for AttrReaders {
    fn attrs(&self, key: &str, value: &[u8]) -> Option<(CollectionId, Attrs)> {
        self.first.attrs(key, value)
    }
}
