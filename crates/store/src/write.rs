//! One write, its precondition, and its result.

use crate::attrs::Attrs;
use crate::object::{CollectionId, Key, Object, Revision};
use crate::transformer::{TransformError, Transformed};
use bytes::Bytes;
use std::sync::Arc;

/// The condition of a write, on the key as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    NotExists,
    ModRevision(Revision),
}

/// The change that a write makes to its key.
#[derive(Clone, Debug)]
pub enum Change {
    Put { value: Bytes, attrs: Attrs },
    Delete,
}

/// A compare-and-swap on one key.
#[derive(Clone, Debug)]
pub struct Write {
    pub collection: CollectionId,
    pub key: Key,
    pub precondition: Precondition,
    pub change: Change,
    /// Seconds until the object is deleted by itself.
    pub ttl_seconds: Option<u64>,
}

/// The reason why a write did not happen.
#[derive(Clone, Debug)]
pub enum CommitError {
    /// The key exists.
    Exists(Arc<Object>),
    /// The key is not there.
    Missing,
    /// The key is at another revision.
    Stale(Arc<Object>),
    /// The write is larger than any store takes; in etcd's words.
    TooLarge(String),
    /// The disk failed, and nothing is written any more.
    ReadOnly(String),
    /// The value could not be encrypted.
    NotEncrypted(TransformError),
    /// etcd refused the write, in its own words.
    Refused(String),
    /// etcd could not be reached, or did not answer; in the latter case the write may have been made.
    Unavailable(String),
}

impl CommitError {
    /// Whether the key was not as the precondition wants it.
    pub fn is_conflict(&self) -> bool {
        matches!(self, CommitError::Exists(_) | CommitError::Missing | CommitError::Stale(_))
    }

    /// Whether the write certainly did not happen.
    pub fn is_undone(&self) -> bool {
        self.is_conflict() || matches!(self, CommitError::TooLarge(_) | CommitError::NotEncrypted(_))
    }
}

/// A write whose value is ready to be stored.
#[derive(Clone, Debug)]
pub(crate) struct StagedWrite {
    pub write: Write,
    /// The value in storage; none for a deletion.
    pub stored: Option<Transformed>,
}

/// The object that a write left, or that a deletion took away at the deletion's revision.
pub(crate) type CommitResult = Result<Arc<Object>, CommitError>;
