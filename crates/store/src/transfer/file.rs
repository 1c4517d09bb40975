//! The file of a snapshot.
//!
//! ```text
//! "pintle snapshot 1\n", revision
//! of each object: length of the key, key, created, modified, expires (0: never), length of the value, value
//! of the end: length 0, number of objects, SHA-256 of everything before it
//! ```
//! Numbers are of eight bytes, the greatest first; lengths of four.

use crate::backend::{BackendError, Row};
use crate::object::Revision;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"pintle snapshot 1\n";
/// No key and no value is longer: beyond it the file is damaged.
const LENGTH_MAX: u32 = 1 << 28;

pub(super) struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    objects: u64,
}

impl Writer {
    pub fn create(path: &Path, revision: Revision) -> Result<Writer, BackendError> {
        let open = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
        let out = BufWriter::new(open.map_err(|error| failed(path, &error))?);
        let mut writer = Writer { path: path.into(), out, hash: Sha256::new(), objects: 0 };
        writer.put(MAGIC)?;
        writer.put(&revision.0.to_be_bytes())?;
        Ok(writer)
    }

    pub fn add(&mut self, row: &Row) -> Result<(), BackendError> {
        let value = row.value.as_deref().unwrap_or_default();
        self.put_sized(row.key.as_bytes())?;
        for number in [row.create_revision.0, row.revision.0, row.expires.unwrap_or(0)] {
            self.put(&number.to_be_bytes())?;
        }
        self.put_sized(value)?;
        self.objects += 1;
        Ok(())
    }

    pub fn finish(&mut self) -> Result<(), BackendError> {
        self.put(&0u32.to_be_bytes())?;
        self.put(&self.objects.to_be_bytes())?;
        let sum = self.hash.clone().finalize();
        let mut end = || {
            self.out.write_all(&sum)?;
            self.out.flush()?;
            self.out.get_ref().sync_all()
        };
        end().map_err(|error| failed(&self.path, &error))
    }

    fn put_sized(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LENGTH_MAX);
        let length =
            length.ok_or_else(|| BackendError(String::from("an object is too large for a snapshot")))?;
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(|error| failed(&self.path, &error))
    }
}

pub(super) struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    hash: Sha256,
    objects: u64,
    pub revision: Revision,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Reader, BackendError> {
        let file = File::open(path).map_err(|error| failed(path, &error))?;
        let (input, hash) = (BufReader::new(file), Sha256::new());
        let mut reader = Reader { path: path.into(), input, hash, objects: 0, revision: Revision(0) };
        let mut magic = [0; MAGIC.len()];
        if reader.take(&mut magic).is_err() || magic != MAGIC {
            return Err(BackendError(format!("{}: not a snapshot of a known version", path.display())));
        }
        reader.revision = Revision(reader.number()?);
        Ok(reader)
    }

    /// The next object; `None` after the last, when the file's sum is right.
    pub fn next(&mut self) -> Result<Option<Row>, BackendError> {
        let length = self.length()?;
        if length == 0 {
            return self.end().map(|()| None);
        }
        let key = String::from_utf8(self.bytes(length)?).map_err(|_| self.damaged())?;
        let (create_revision, revision) = (Revision(self.number()?), Revision(self.number()?));
        let expires = Some(self.number()?).filter(|at| *at > 0);
        let length = self.length()?;
        let value = Some(Bytes::from(self.bytes(length)?));
        self.objects += 1;
        Ok(Some(Row { revision, key, create_revision, value, expires }))
    }

    fn end(&mut self) -> Result<(), BackendError> {
        let objects = self.number()?;
        let sum = self.hash.clone().finalize();
        let mut found = [0; 32];
        self.take(&mut found)?;
        let is_last = self.input.read(&mut [0]).is_ok_and(|more| more == 0);
        if objects != self.objects || found[..] != sum[..] || !is_last {
            return Err(self.damaged());
        }
        Ok(())
    }

    fn length(&mut self) -> Result<usize, BackendError> {
        let mut bytes = [0; 4];
        self.take(&mut bytes)?;
        let length = u32::from_be_bytes(bytes);
        if length > LENGTH_MAX { Err(self.damaged()) } else { Ok(length as usize) }
    }

    fn number(&mut self) -> Result<u64, BackendError> {
        let mut bytes = [0; 8];
        self.take(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, BackendError> {
        // A damaged length must not take memory that the file cannot fill.
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(length as u64).read_to_end(&mut bytes);
        if read.map_err(|error| failed(&self.path, &error))? < length {
            return Err(self.damaged());
        }
        self.hash.update(&bytes);
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), BackendError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged(),
            _ => failed(&self.path, &error),
        })?;
        self.hash.update(bytes);
        Ok(())
    }

    fn damaged(&self) -> BackendError {
        BackendError(format!("{}: the snapshot is damaged or cut off", self.path.display()))
    }
}

/// Checks a whole snapshot, and returns the number of its objects.
pub(super) fn verify(path: &Path) -> Result<u64, BackendError> {
    let mut reader = Reader::open(path)?;
    while reader.next()?.is_some() {}
    Ok(reader.objects)
}

fn failed(path: &Path, error: &io::Error) -> BackendError {
    BackendError(format!("{}: {error}", path.display()))
}
