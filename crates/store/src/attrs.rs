//! Attributes of objects, for selectors and watch predicates, read without decoding the whole value.

use bytes::Bytes;
use pintle_object::Text;

/// The attributes of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attrs {
    pub namespace: Text,
    pub name: Text,
    pub uid: Text,
    /// Sorted by key.
    pub labels: Box<[(Text, Text)]>,
    /// Values of the resource's selectable fields, in the order of its table.
    pub fields: Box<[Text]>,
}

impl Attrs {
    /// Whether nothing could be read: every object has a name.
    pub fn is_empty(&self) -> bool {
        self.name.is_empty()
    }
}

/// Reads the attributes of stored values: once per object at start, and of the values that others write.
pub trait AttrReader {
    /// `None` for a key of a resource that is not served.
    fn attrs(&self, key: &str, value: &[u8]) -> Option<Attrs>;

    /// The value as it would be stored now, where another version of its resource was stored. It is what the cache
    /// holds, and the next write stores it.
    fn upgraded(&self, _key: &str, _value: &[u8]) -> Option<Bytes> {
        None
    }
}
