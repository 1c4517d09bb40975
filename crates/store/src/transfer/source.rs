//! The source of a copy: rows in batches, a few of them ahead of the reader.

use super::file;
use super::place::StorePlace;
use crate::backend::sqlite::Sqlite;
use crate::backend::{BackendError, Row};
use crate::etcd;
use crate::object::Revision;
use std::path::Path;
use tokio::sync::mpsc;

const BATCH_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 4 << 20;
const BATCHES_AHEAD: usize = 2;

type Batches = mpsc::Sender<Result<Vec<Row>, BackendError>>;

pub(super) struct TransferSource {
    pub revision: Revision,
    /// The number of objects to come; zero for snapshots, which tell it only at their end.
    pub objects: u64,
    batches: mpsc::Receiver<Result<Vec<Row>, BackendError>>,
}

impl TransferSource {
    pub async fn open(place: &StorePlace) -> Result<TransferSource, BackendError> {
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let (revision, objects) = match place {
            StorePlace::Embedded(path) => embedded(path, sender)?,
            StorePlace::File(path) => (snapshot(path, sender)?, 0),
            StorePlace::Etcd(options) => etcd::export(options, sender).await?,
        };
        Ok(TransferSource { revision, objects, batches })
    }

    /// The next rows; `None` when there are no more.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, BackendError> {
        self.batches.recv().await.transpose()
    }
}

fn embedded(path: &Path, batches: Batches) -> Result<(Revision, u64), BackendError> {
    if !path.exists() {
        return Err(BackendError(format!("{}: no such store", path.display())));
    }
    let sqlite = Sqlite::open_to_read(path)?;
    let found = (sqlite.last()?, sqlite.count()?);
    std::thread::spawn(move || {
        let mut batch = Batch { rows: Vec::new(), bytes: 0, batches };
        let result = sqlite.live(&mut |row| batch.add(row));
        batch.end(result);
    });
    Ok(found)
}

fn snapshot(path: &Path, batches: Batches) -> Result<Revision, BackendError> {
    let mut reader = file::Reader::open(path)?;
    let revision = reader.revision;
    std::thread::spawn(move || {
        let mut batch = Batch { rows: Vec::new(), bytes: 0, batches };
        let result = loop {
            let is_wanted = match reader.next() {
                Ok(row) => row.is_some_and(|row| batch.add(row)),
                Err(error) => break Err(error),
            };
            if !is_wanted {
                break Ok(());
            }
        };
        batch.end(result);
    });
    Ok(revision)
}

/// Rows that go together.
struct Batch {
    rows: Vec<Row>,
    bytes: usize,
    batches: Batches,
}

impl Batch {
    /// Adds a row; false when the reader is gone.
    fn add(&mut self, row: Row) -> bool {
        self.bytes += row.key.len() + row.value.as_ref().map_or(0, bytes::Bytes::len);
        self.rows.push(row);
        if self.rows.len() < BATCH_MAX && self.bytes < BATCH_BYTES_MAX {
            return true;
        }
        self.bytes = 0;
        self.batches.blocking_send(Ok(std::mem::take(&mut self.rows))).is_ok()
    }

    fn end(self, result: Result<(), BackendError>) {
        // The copying side may have given up.
        let _ = self.batches.blocking_send(result.map(|()| self.rows));
    }
}
