//! The destination of a copy. Files are made under another name, and get their own after verification.

use super::file;
use super::place::StorePlace;
use super::progress::TransferStage;
use crate::backend::sqlite::{self, Sqlite};
use crate::backend::{BackendError, DurableLog, Row};
use crate::etcd;
use crate::object::Revision;
use std::path::{Path, PathBuf};

pub(super) struct Sink {
    to: StorePlace,
    /// Files: where the copy is until it is verified.
    made: PathBuf,
    revision: Revision,
    kind: SinkKind,
}

enum SinkKind {
    Embedded(Option<Sqlite>),
    Etcd(Box<etcd::Import>),
    File(file::Writer),
}

impl Sink {
    pub async fn open(to: &StorePlace, revision: Revision) -> Result<Sink, BackendError> {
        let mut made = PathBuf::new();
        let kind = match to {
            StorePlace::Embedded(path) => {
                is_empty(path)?;
                made = beside(path);
                remove(&made);
                SinkKind::Embedded(Some(Sqlite::open(&made)?))
            }
            StorePlace::Etcd(options) => SinkKind::Etcd(Box::new(etcd::Import::begin(options).await?)),
            StorePlace::File(path) => {
                if path.exists() {
                    return Err(BackendError(format!("{}: is there already", path.display())));
                }
                made = beside(path);
                remove(&made);
                SinkKind::File(file::Writer::create(&made, revision)?)
            }
        };
        Ok(Sink { to: to.clone(), made, revision, kind })
    }

    pub async fn write(&mut self, rows: Vec<Row>) -> Result<(), BackendError> {
        match &mut self.kind {
            SinkKind::Embedded(Some(sqlite)) => Ok(sqlite.append(&rows, &[], Revision(0))?),
            SinkKind::Embedded(None) => Err(BackendError(String::from("the copy is finished"))),
            SinkKind::Etcd(import) => import.write(rows).await,
            SinkKind::File(writer) => rows.iter().try_for_each(|row| writer.add(row)),
        }
    }

    /// Everything is written, and durable.
    pub async fn finish(&mut self, report: &mut impl FnMut(TransferStage)) -> Result<(), BackendError> {
        match &mut self.kind {
            SinkKind::Embedded(sqlite) => match sqlite.take() {
                Some(mut sqlite) => {
                    sqlite.begin_at(self.revision)?;
                    sqlite.close()
                }
                None => Ok(()),
            },
            SinkKind::Etcd(import) => {
                import.raise(self.revision, &mut |revision| report(TransferStage::Raising(revision))).await
            }
            SinkKind::File(writer) => writer.finish(),
        }
    }

    /// The place at which the copy can be read.
    pub fn written(&self) -> StorePlace {
        match &self.to {
            StorePlace::Embedded(_) => StorePlace::Embedded(self.made.clone()),
            StorePlace::File(_) => StorePlace::File(self.made.clone()),
            StorePlace::Etcd(options) => StorePlace::Etcd(options.clone()),
        }
    }

    /// The copy is good: it gets its name.
    pub fn keep(self) -> Result<(), BackendError> {
        let path = match &self.to {
            StorePlace::Embedded(path) | StorePlace::File(path) => path,
            StorePlace::Etcd(_) => return Ok(()),
        };
        // The copy is closed; the rest of an empty store must not be read as its log.
        remove_beside(path);
        remove_beside(&self.made);
        remove_lock(&self.made);
        let rename = std::fs::rename(&self.made, path).and_then(|()| sync_dir(path));
        rename.map_err(|error| BackendError(format!("{}: {error}", path.display())))
    }

    /// Removes a bad copy. In etcd it stays, to show the error.
    pub fn discard(self) {
        if !matches!(self.to, StorePlace::Etcd(_)) {
            remove(&self.made);
        }
    }
}

/// A store may be replaced only if it holds nothing.
fn is_empty(path: &Path) -> Result<(), BackendError> {
    if !path.exists() {
        return Ok(());
    }
    let mut objects = 0u64;
    Sqlite::open(path)?.live(&mut |_| {
        objects += 1;
        false
    })?;
    if objects > 0 {
        return Err(BackendError(format!("{}: holds objects, and is not replaced", path.display())));
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".copy");
    PathBuf::from(name)
}

fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
    remove_beside(path);
    remove_lock(path);
}

/// Removes the lock file of a copy, which no other process opens.
fn remove_lock(path: &Path) {
    let _ = std::fs::remove_file(sqlite::lock_path(path));
}

/// SQLite's files beside a database.
fn remove_beside(path: &Path) {
    for end in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
}

fn sync_dir(path: &Path) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all()
}
