//! One stored object: its key, revisions, bytes and digest.

use crate::forms::{FormCache, Forms};
use bytes::Bytes;
use pintle_object::Text;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A point in the store's history; also the resourceVersion of what was written there. One counter for all keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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

/// What selectors and routing need to know of an object without decoding it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub namespace: Text,
    pub name: Text,
    pub uid: Text,
    /// Sorted by key.
    pub labels: Box<[(Text, Text)]>,
    /// Values of the resource's selectable fields, in the order of its table.
    pub fields: Box<[Text]>,
}

impl Digest {
    /// Whether nothing could be read: every object has a name.
    pub fn is_empty(&self) -> bool {
        self.name.is_empty()
    }
}

/// An immutable version of an object.
#[derive(Debug)]
pub struct Object {
    pub key: Key,
    pub created: Revision,
    pub modified: Revision,
    /// The storage encoding.
    pub value: Bytes,
    pub digest: Digest,
    forms: OnceLock<Arc<Forms>>,
    /// Where the forms are accounted; an object that no store holds has none.
    cache: Option<Arc<FormCache>>,
}

impl Object {
    pub fn new(key: Key, created: Revision, modified: Revision, value: Bytes, digest: Digest) -> Object {
        Object { key, created, modified, value, digest, forms: OnceLock::new(), cache: None }
    }

    pub(crate) fn cached(self, cache: &Arc<FormCache>) -> Object {
        Object { cache: Some(cache.clone()), ..self }
    }

    /// An encoded form of the object, made by the first that asks for it and kept while memory allows.
    pub fn form(&self, index: usize, encode: impl FnOnce(&Object) -> Bytes) -> Bytes {
        let forms = self.forms.get_or_init(|| Arc::new(Forms::new(self.cache.clone())));
        forms.form(index, || encode(self))
    }

    /// A form that somebody else had made and that is still kept.
    pub fn kept_form(&self, index: usize) -> Option<Bytes> {
        self.forms.get()?.kept(index)
    }

    /// The same content at a later revision: what a deletion leaves behind.
    pub(crate) fn at(&self, modified: Revision) -> Object {
        Object { modified, ..self.with_digest(self.digest.clone()) }
    }

    /// The same content, read anew.
    pub(crate) fn with_digest(&self, digest: Digest) -> Object {
        let object = Object::new(self.key.clone(), self.created, self.modified, self.value.clone(), digest);
        Object { cache: self.cache.clone(), ..object }
    }

    /// Bytes that the object takes, about.
    pub fn size(&self) -> usize {
        self.value.len() + self.key.as_str().len() + size_of::<Object>()
    }
}
