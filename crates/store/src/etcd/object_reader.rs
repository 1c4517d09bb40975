//! Objects from etcd: values over the seam of encryption, and their attributes.

use crate::attrs::AttrReader;
use crate::backend::Row;
use crate::etcd::keys::KeyRange;
use crate::object::{CollectionId, Key, Object};
use crate::stored_value::StoredValues;
use crate::transformer::ValueContext;
use crate::watch_cache::cache::ReadAttrs;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Reads objects with the attribute reader of the start, or with that of a collection that was served later.
pub(crate) struct ObjectReader {
    keys: KeyRange,
    values: StoredValues,
    first: Arc<dyn AttrReader + Send + Sync>,
    later: RwLock<HashMap<usize, ReadAttrs>>,
}

impl ObjectReader {
    pub fn new(
        keys: KeyRange,
        values: StoredValues,
        first: Arc<dyn AttrReader + Send + Sync>,
    ) -> ObjectReader {
        ObjectReader { keys, values, first, later: RwLock::default() }
    }

    /// Sets the attribute reader of a collection from now on.
    pub fn set(&self, collection: CollectionId, read: ReadAttrs) {
        let mut later = self.later.write().unwrap_or_else(PoisonError::into_inner);
        later.insert(collection.0 as usize, read);
    }

    /// The object of a row in the collection of an index; one that cannot be read has empty attributes.
    pub async fn object(&self, index: usize, key: Key, row: Row) -> Object {
        let mut object = self.read(key, row).await;
        if object.read_error().is_some() {
            return object;
        }
        let later = self.later.read().unwrap_or_else(PoisonError::into_inner).get(&index).cloned();
        let Some(read) = later else { return self.with_first_attrs(object) };
        object.attrs = read(&object).unwrap_or_default();
        object
    }

    /// The object of a row that is read at the start.
    pub async fn first_object(&self, row: Row) -> Object {
        let object = self.read(Key::new(&row.key), row).await;
        if object.read_error().is_some() { object } else { self.with_first_attrs(object) }
    }

    fn with_first_attrs(&self, object: Object) -> Object {
        let mut object = object.upgraded(self.first.as_ref());
        let attrs = self.first.attrs(object.key.as_str(), &object.value);
        object.attrs = attrs.unwrap_or_default();
        object
    }

    async fn read(&self, key: Key, row: Row) -> Object {
        let authenticated = self.keys.outer(&row.key);
        let context = ValueContext { key: &row.key, authenticated: &authenticated };
        let read = self.values.read(context, row.value.unwrap_or_default()).await;
        Object::read(key, row.create_revision, row.revision, read)
    }
}
