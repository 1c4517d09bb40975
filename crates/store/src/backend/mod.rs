//! The seam to the durable log.

pub mod sqlite;

use crate::object::Revision;
use bytes::Bytes;
use std::fmt;

/// One write in the durable log; no value means a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub revision: Revision,
    pub key: String,
    pub create_revision: Revision,
    pub value: Option<Bytes>,
    /// Seconds since 1970 after which the object is deleted.
    pub expires: Option<u64>,
}

/// The state at start, besides the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The last revision that was ever given out.
    pub last: Revision,
    /// Events at or before this revision are no longer complete.
    pub compacted_revision: Revision,
}

/// A failure of the disk, the file or the lock on it.
#[derive(Debug)]
pub struct BackendError(pub String);

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BackendError {}

/// The reason why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// There is no space for it. The log is as it was before, and smaller batches or later ones may fit.
    Full(String),
    /// The content of the log is unknown.
    Broken(String),
}

impl From<BackendError> for AppendError {
    fn from(error: BackendError) -> AppendError {
        AppendError::Broken(error.0)
    }
}

impl From<AppendError> for BackendError {
    fn from(error: AppendError) -> BackendError {
        match error {
            AppendError::Full(why) | AppendError::Broken(why) => BackendError(why),
        }
    }
}

/// A durable log of writes, which one writer appends to.
pub trait DurableLog: Send {
    /// Hands over every row in the order of revisions.
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, BackendError>;

    /// Appends a batch and drops old rows in one atomic step. When it returns, the batch survives any crash. Either may
    /// be empty.
    fn append(
        &mut self,
        rows: &[Row],
        dropped: &[Revision],
        compacted_revision: Revision,
    ) -> Result<(), AppendError>;

    fn close(&mut self) -> Result<(), BackendError>;
}
