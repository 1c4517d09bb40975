//! The size limit of a write: that of one request to etcd, on every store, so that objects can always move.

use crate::write::{Precondition, StagedWrite};

/// Bytes that etcd takes in one request unless it is set up otherwise.
pub(crate) const REQUEST_BYTES_MAX: usize = 1536 * 1024;
/// etcd's words for a request that is larger.
pub const TOO_LARGE: &str = "etcdserver: request is too large";

/// Bytes that etcd adds to a transaction before it measures it: the header with the request's number.
const ENVELOPE_BYTES: usize = 14;

/// The size of the etcd request for a write: a comparison of the key's revision, a put of the value, and for an
/// expected key a read in case of a conflict. A deletion is never large.
pub(crate) fn request_bytes(staged: &StagedWrite) -> usize {
    let StagedWrite { write, stored: Some(stored) } = staged else { return 0 };
    let key = field(write.key.as_str().len());
    let (revision, failure) = match write.precondition {
        Precondition::NotExists => (0, 0),
        Precondition::ModRevision(revision) => (revision.0, field(field(field(key)))),
    };
    const TARGET_BYTES: usize = 2;
    let compare = field(TARGET_BYTES + key + 1 + varint(revision));
    let put = field(field(field(key + field(stored.value.len()))));
    ENVELOPE_BYTES + field(compare + put + failure)
}

/// The bytes of a protobuf field that holds `len` bytes, tag and length included.
fn field(len: usize) -> usize {
    1 + varint(len as u64) + len
}

fn varint(number: u64) -> usize {
    const BITS_PER_BYTE: u32 = 7;
    (64 - (number | 1).leading_zeros()).div_ceil(BITS_PER_BYTE) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attrs::Attrs;
    use crate::object::{CollectionId, Key, Revision};
    use crate::transformer::{KeyTag, Transformed};
    use crate::write::{Change, Write};
    use bytes::Bytes;

    fn put(len: usize, precondition: Precondition) -> StagedWrite {
        let value = Bytes::from(vec![b'a'; len]);
        let change = Change::Put { value: value.clone(), attrs: Attrs::default() };
        let write = Write {
            collection: CollectionId(0),
            key: Key::new("/registry/configmaps/default/a"),
            precondition,
            change,
            ttl_seconds: None,
        };
        StagedWrite { write, stored: Some(Transformed { value, tag: KeyTag::PLAIN }) }
    }

    #[test]
    fn writes_are_measured_as_etcd_does() {
        assert_eq!((varint(0), varint(127), varint(128), varint(u64::MAX)), (1, 1, 2, 10));
        let create = request_bytes(&put(1000, Precondition::NotExists));
        let update = request_bytes(&put(1000, Precondition::ModRevision(Revision(300))));
        assert!((1000 + 60..1000 + 120).contains(&create), "{create}");
        assert_eq!(update - create, 1 + 38, "a longer revision, and the read");
    }
}
