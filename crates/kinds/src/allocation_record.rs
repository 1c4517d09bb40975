//! The record of an allocation: an object that the server keeps beside another.

use pintle_object::{GroupResource, Value, meta};

/// An object that the server keeps beside another, under its name in its resource: an IPAddress beside a Service.
pub struct AllocationRecord {
    pub resource: GroupResource,
    pub object: Value,
}

impl AllocationRecord {
    /// Whether both are the same record, with any content.
    pub fn is_same(&self, other: &AllocationRecord) -> bool {
        self.resource == other.resource && meta::name(&self.object) == meta::name(&other.object)
    }
}
