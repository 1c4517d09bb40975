//! Copies of whole stores: to a file and back, and between the embedded store and etcd.
//!
//! A copy holds the objects of one revision, not their past. It streams, and is counted and summed up on the way;
//! the target is read again at the end and must come to the same.

mod file;
mod sink;
mod source;

#[cfg(test)]
mod tests;

use crate::backend::{Error, Row};
use crate::etcd;
use crate::object::Revision;
use sha2::{Digest as _, Sha256};
use sink::Sink;
use source::Source;
use std::fmt;
use std::path::PathBuf;

/// Where a copy comes from, or goes to.
#[derive(Clone, Debug)]
pub enum Place {
    /// The file of an embedded store; a server may have it open where it is only read.
    Embedded(PathBuf),
    Etcd(etcd::Options),
    /// A snapshot.
    File(PathBuf),
}

/// What was copied, or found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub objects: u64,
    pub bytes: u64,
    /// Of keys, values and times of life, in whatever order they come.
    sum: u128,
}

/// What a copy reports while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What was copied, and how many objects there are.
    Copying(Tally, u64),
    /// A new etcd counts from one: its revision is raised, so that no client has seen a later one.
    Raising(Revision),
    Verifying(Tally, u64),
}

impl Stage {
    /// How much of a stage is done, of a hundred.
    pub fn percent(&self) -> Option<u64> {
        match self {
            Stage::Copying(tally, all) | Stage::Verifying(tally, all) => {
                Some((tally.objects * 100).checked_div(*all)?.min(100))
            }
            Stage::Raising(_) => None,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Copying(tally, all) => write!(f, "copied {tally}, of {all}"),
            Stage::Raising(revision) => write!(f, "raised the revision to {revision}"),
            Stage::Verifying(tally, all) => write!(f, "verified {tally}, of {all}"),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects, {} MiB", self.objects, self.bytes >> 20)
    }
}

/// Copies everything from one place to another, which must be empty, and verifies it. Tells what it copied, and its
/// revision.
pub async fn copy(
    from: &Place,
    to: &Place,
    mut report: impl FnMut(Stage),
) -> Result<(Tally, Revision), Error> {
    // A snapshot is looked at as a whole before anything is made of it.
    let in_file = match from {
        Place::File(path) => Some(file::verify(path)?),
        Place::Embedded(_) | Place::Etcd(_) => None,
    };
    let mut source = Source::open(from).await?;
    let all = in_file.unwrap_or(source.objects);
    let mut sink = Sink::open(to, source.revision).await?;
    let mut copied = Tally::default();
    while let Some(rows) = source.next().await? {
        rows.iter().for_each(|row| copied.add(row));
        sink.write(rows).await?;
        report(Stage::Copying(copied, all));
    }
    sink.finish(&mut |stage| report(stage)).await?;
    let found = tally(&sink.written(), copied.objects, &mut report).await?;
    if found != copied {
        sink.discard();
        return Err(Error(format!("the copy is not what was copied: {found} were found of {copied}")));
    }
    sink.keep()?;
    Ok((copied, source.revision))
}

async fn tally(place: &Place, all: u64, report: &mut impl FnMut(Stage)) -> Result<Tally, Error> {
    let mut source = Source::open(place).await?;
    let mut tally = Tally::default();
    while let Some(rows) = source.next().await? {
        rows.iter().for_each(|row| tally.add(row));
        report(Stage::Verifying(tally, all));
    }
    Ok(tally)
}

impl Tally {
    fn add(&mut self, row: &Row) {
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
