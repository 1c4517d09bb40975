//! Copies of whole stores: to a file and back, and between the embedded store and etcd.
//!
//! A copy holds the objects of one revision, not their past. It streams, and is counted and summed up on the way;
//! the target is read again at the end and must come to the same.

mod file;
mod place;
mod progress;
mod rewrite;
mod sink;
mod source;

#[cfg(test)]
mod tests;

use crate::backend::BackendError;
use crate::object::Revision;
use crate::transformer::Transformer;
pub use place::StorePlace;
pub use progress::{Tally, TransferStage};
use rewrite::Rewrite;
use sink::Sink;
use source::TransferSource;
use std::sync::Arc;

/// Copies everything from one place to another, which must be empty, and verifies it. With a transformer values are
/// encrypted again on the way, without one they stay as they are. Returns the number of objects, and their revision.
pub async fn copy(
    from: &StorePlace,
    to: &StorePlace,
    transformer: Option<Arc<dyn Transformer>>,
    mut report: impl FnMut(TransferStage),
) -> Result<(Tally, Revision), BackendError> {
    // A snapshot is verified as a whole before it is copied.
    let in_file = match from {
        StorePlace::File(path) => Some(file::verify(path)?),
        StorePlace::Embedded(_) | StorePlace::Etcd(_) => None,
    };
    let mut source = TransferSource::open(from).await?;
    let all = in_file.unwrap_or(source.objects);
    let mut sink = Sink::open(to, source.revision).await?;
    let mut copied = Tally::default();
    let rewrite = Rewrite::new(from, to, transformer);
    while let Some(found) = source.next().await? {
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            rows.push(rewrite.row(row).await?);
        }
        rows.iter().for_each(|row| copied.add(row));
        sink.write(rows).await?;
        report(TransferStage::Copying(copied, all));
    }
    sink.finish(&mut |stage| report(stage)).await?;
    let found = tally(&sink.written(), copied.objects, &mut report).await?;
    if found != copied {
        sink.discard();
        return Err(BackendError(format!("the copy is not what was copied: {found} were found of {copied}")));
    }
    sink.keep()?;
    Ok((copied, source.revision))
}

async fn tally(
    place: &StorePlace,
    all: u64,
    report: &mut impl FnMut(TransferStage),
) -> Result<Tally, BackendError> {
    let mut source = TransferSource::open(place).await?;
    let mut tally = Tally::default();
    while let Some(rows) = source.next().await? {
        rows.iter().for_each(|row| tally.add(row));
        report(TransferStage::Verifying(tally, all));
    }
    Ok(tally)
}
