//! One stored object: its key, revisions, bytes and attributes.

use crate::attrs::{AttrReader, Attrs};
use crate::stored_value::{ReadValue, StoredAs};
use crate::transformer::{KeyTag, TransformError};
use crate::watch_cache::encoding_cache::{EncodingCache, Encodings};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A point in the store's history; also the resourceVersion of the object written there. One counter for all keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A collection of the store, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CollectionId(pub u32);

/// The full key of an object: `/registry/pods/default/web`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    pub fn new(key: &str) -> Key {
        Key(Arc::from(key))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An immutable version of an object.
#[derive(Debug)]
pub struct Object {
    pub key: Key,
    pub create_revision: Revision,
    pub mod_revision: Revision,
    /// The storage encoding; when it could not be decrypted, the bytes that were found.
    pub value: Bytes,
    pub attrs: Attrs,
    /// None for a value that is stored as it is.
    stored_as: Option<Box<StoredAs>>,
    encodings: OnceLock<Arc<Encodings>>,
    /// The cache that accounts for the encodings; none for an object that no store holds.
    cache: Option<Arc<EncodingCache>>,
}

impl Object {
    pub fn new(
        key: Key,
        create_revision: Revision,
        mod_revision: Revision,
        value: Bytes,
        attrs: Attrs,
    ) -> Object {
        let (stored_as, encodings, cache) = (None, OnceLock::new(), None);
        Object { key, create_revision, mod_revision, value, attrs, stored_as, encodings, cache }
    }

    /// The object of a value that was read, whose attributes are not yet known.
    pub(crate) fn read(
        key: Key,
        create_revision: Revision,
        mod_revision: Revision,
        read: ReadValue,
    ) -> Object {
        let object = Object::new(key, create_revision, mod_revision, read.value, Attrs::default());
        Object { stored_as: read.stored_as, ..object }
    }

    /// The object with the tag of the key that encrypted its value.
    pub(crate) fn tagged(self, tag: KeyTag) -> Object {
        let stored_as = (tag != KeyTag::PLAIN).then(|| Box::new(StoredAs::Encrypted(tag)));
        Object { stored_as, ..self }
    }

    /// The object with its value in the version that is stored now.
    pub(crate) fn upgraded(self, reader: &dyn AttrReader) -> Object {
        match reader.upgraded(self.key.as_str(), &self.value) {
            Some(value) => Object { value, ..self.tagged(KeyTag::OUTDATED) },
            None => self,
        }
    }

    pub(crate) fn cached(self, cache: &Arc<EncodingCache>) -> Object {
        Object { cache: Some(cache.clone()), ..self }
    }

    /// An encoding of the object, made for the first request and kept while memory allows.
    pub fn encoding(&self, index: usize, encode: impl FnOnce(&Object) -> Bytes) -> Bytes {
        let encodings = self.encodings.get_or_init(|| Arc::new(Encodings::new(self.cache.clone())));
        encodings.encoding(index, || encode(self))
    }

    /// Stores an encoding that was made elsewhere, replacing the cached one.
    pub fn keep_encoding(&self, index: usize, encoding: Bytes) {
        let encodings = self.encodings.get_or_init(|| Arc::new(Encodings::new(self.cache.clone())));
        encodings.replace(index, encoding);
    }

    /// An encoding that was made before and is still kept.
    pub fn cached_encoding(&self, index: usize) -> Option<Bytes> {
        self.encodings.get()?.kept(index)
    }

    /// The same content at a later revision: the object of a deletion.
    pub(crate) fn at(&self, mod_revision: Revision) -> Object {
        Object { mod_revision, ..self.with_attrs(self.attrs.clone()) }
    }

    /// The same object, whose value was read again.
    pub(crate) fn with_value(&self, read: ReadValue) -> Object {
        let object = Object::read(self.key.clone(), self.create_revision, self.mod_revision, read);
        Object { cache: self.cache.clone(), ..object }
    }

    /// The same content with other attributes.
    pub(crate) fn with_attrs(&self, attrs: Attrs) -> Object {
        let object =
            Object::new(self.key.clone(), self.create_revision, self.mod_revision, self.value.clone(), attrs);
        Object { stored_as: self.stored_as.clone(), cache: self.cache.clone(), ..object }
    }

    /// The key that the stored value is encrypted with.
    pub fn key_tag(&self) -> KeyTag {
        match self.stored_as.as_deref() {
            Some(StoredAs::Encrypted(tag)) => *tag,
            Some(StoredAs::Unreadable(_)) | None => KeyTag::PLAIN,
        }
    }

    /// The error of decrypting the stored value. `value` is then as it is stored, and there are no attributes.
    pub fn read_error(&self) -> Option<&TransformError> {
        match self.stored_as.as_deref() {
            Some(StoredAs::Unreadable(error)) => Some(error),
            Some(StoredAs::Encrypted(_)) | None => None,
        }
    }

    /// Bytes that the object takes, about.
    pub fn size(&self) -> usize {
        self.value.len() + self.key.as_str().len() + size_of::<Object>()
    }
}
