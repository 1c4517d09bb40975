//! A consistent view of one collection at one revision.

use crate::object::{Key, Object, Revision};
use imbl::OrdMap;
use std::ops::Bound;
use std::sync::Arc;

/// Cheap to make and to keep: it shares its structure with the collection's later states.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub revision: Revision,
    pub(crate) objects: OrdMap<Key, Arc<Object>>,
}

impl Snapshot {
    pub fn get(&self, key: &str) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    /// Objects whose keys begin with `prefix`, in key order, those after `after` only.
    pub fn range<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let start: Bound<&str> = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.objects
            .range::<_, str>((start, Bound::Unbounded))
            .take_while(move |(key, _)| key.as_str().starts_with(prefix))
            .map(|(_, object)| object)
    }

    /// Whether nothing was written between this snapshot and another of the same collection.
    pub fn is_same(&self, other: &Snapshot) -> bool {
        self.objects.ptr_eq(&other.objects)
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}
