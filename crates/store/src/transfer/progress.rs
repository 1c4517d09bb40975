//! The progress of a copy: objects and bytes, counted and summed up.

use crate::backend::Row;
use crate::object::Revision;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Counts of copied or found objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub objects: u64,
    pub bytes: u64,
    /// A sum over keys, values and expiries that does not depend on their order.
    sum: u128,
}

/// A report of a copy while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStage {
    /// The copied part, and the number of all objects.
    Copying(Tally, u64),
    /// A new etcd counts from one: its revision is raised, so that no client has seen a later one.
    Raising(Revision),
    Verifying(Tally, u64),
}

impl TransferStage {
    /// The part of a stage that is done, in percent.
    pub fn percent(&self) -> Option<u64> {
        match self {
            TransferStage::Copying(tally, all) | TransferStage::Verifying(tally, all) => {
                Some((tally.objects * 100).checked_div(*all)?.min(100))
            }
            TransferStage::Raising(_) => None,
        }
    }
}

impl fmt::Display for TransferStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferStage::Copying(tally, all) => write!(f, "copied {tally}, of {all}"),
            TransferStage::Raising(revision) => write!(f, "raised the revision to {revision}"),
            TransferStage::Verifying(tally, all) => write!(f, "verified {tally}, of {all}"),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects, {} MiB", self.objects, self.bytes >> 20)
    }
}

impl Tally {
    /// Counts an object.
    pub(super) fn add(&mut self, row: &Row) {
        let value = row.value.as_deref().unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update((row.key.len() as u64).to_be_bytes());
        hash.update(row.key.as_bytes());
        hash.update([u8::from(row.expires.is_some())]);
        hash.update(value);
        let first = hash.finalize().first_chunk().copied().expect("a SHA-256 has more than 16 bytes");
        self.objects += 1;
        self.bytes += (row.key.len() + value.len()) as u64;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(first));
    }
}
