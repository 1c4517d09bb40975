//! A log file that is rotated by size, with the names of files and the rules of lumberjack, which upstream uses.

use super::lines::{Failure, LineBuffer};
use super::old_files::{OldFiles, backup_path};
use crate::log::old_files::Rotation;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

const MEGABYTE: u64 = 1024 * 1024;

/// The file, of which this process is the only writer.
pub struct LogFile {
    path: PathBuf,
    /// None: it is never rotated.
    max_bytes: Option<u64>,
    open: Option<Open>,
    /// Wakes the thread that compresses and removes old files.
    mill: Option<SyncSender<()>>,
}

struct Open {
    file: File,
    /// Neither a pipe nor a device.
    is_regular: bool,
    bytes: u64,
    /// Whether its last line has no end: of a process that was killed, or of a disk that was full.
    is_torn: bool,
}

impl LogFile {
    /// Makes the file and its directory if they are not there.
    pub fn open(path: &Path, rotation: Rotation) -> Result<LogFile, String> {
        let shown = path.display();
        let failed = |what: &str, error: io::Error| format!("ensureLogFile: {what} {shown}: {error}");
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|error| failed("mkdir for", error))?;
        }
        let ensured = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path);
        ensured.map_err(|error| failed("open", error))?;
        let max_bytes = (rotation.max_megabytes > 0).then(|| rotation.max_megabytes * MEGABYTE);
        let mut log = LogFile { path: path.into(), max_bytes, open: None, mill: None };
        if max_bytes.is_some() {
            log.mill = Some(start_mill(OldFiles::of(path, rotation))?);
        }
        Ok(log)
    }

    /// Whether so many bytes can be appended to what is open now.
    pub fn has_room(&self, len: u64) -> bool {
        let max = self.max_bytes.unwrap_or(u64::MAX);
        self.open.as_ref().is_some_and(|open| open.is_regular && open.bytes.saturating_add(len) <= max)
    }

    /// Appends lines, rotating before one that does not fit, and says why those that failed did.
    pub fn write(&mut self, lines: &LineBuffer) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut next = 0;
        while next < lines.len() {
            if let Err(why) = self.prepare(lines.get(next).len() as u64) {
                failures.push((next, why));
                next += 1;
                continue;
            }
            let end = next + self.fitting(lines, next).max(1);
            self.append(lines, next..end, &mut failures);
            next = end;
        }
        failures
    }

    /// Has a file open that the next line fits into.
    fn prepare(&mut self, len: u64) -> Result<(), String> {
        let max = self.max_bytes.unwrap_or(u64::MAX);
        if len > max {
            return Err(format!("write length {len} exceeds maximum file size {max}"));
        }
        if self.open.is_none() {
            self.open_existing_or_new(len)?;
        }
        if self.open.as_ref().is_some_and(|open| open.bytes + len > max) {
            self.rotate()?;
        }
        Ok(())
    }

    /// The number of lines, from one on, that fit into the open file.
    fn fitting(&self, lines: &LineBuffer, first: usize) -> usize {
        let bytes = self.open.as_ref().map_or(0, |open| open.bytes);
        let room = self.max_bytes.map_or(u64::MAX, |max| max.saturating_sub(bytes));
        lines.whole(first..lines.len(), usize::try_from(room).unwrap_or(usize::MAX)).0
    }

    fn append(&mut self, lines: &LineBuffer, mut rest: Range<usize>, failures: &mut Vec<Failure>) {
        while !rest.is_empty() {
            let Some(open) = &mut self.open else { return };
            let (whole, failure) = open.append(lines, rest.clone());
            rest.start += whole;
            if let Some(error) = failure {
                failures.push((rest.start, format!("write {}: {error}", self.path.display())));
                rest.start += 1;
            }
        }
    }

    fn open_existing_or_new(&mut self, len: u64) -> Result<(), String> {
        self.clean_up();
        let metadata = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.open_new(),
            Err(error) => return Err(format!("error getting log file info: {error}")),
            Ok(metadata) => metadata,
        };
        if self.max_bytes.is_some_and(|max| metadata.len() + len >= max) {
            return self.rotate();
        }
        match OpenOptions::new().append(true).read(true).open(&self.path) {
            Ok(file) => {
                let (is_regular, is_torn) = (metadata.is_file(), is_torn(&file, metadata.len()));
                self.open = Some(Open { file, is_regular, bytes: metadata.len(), is_torn });
                Ok(())
            }
            // Upstream's rule: a file that cannot be opened is put aside. One that is not rotated has nowhere to go.
            Err(_) if self.max_bytes.is_some() => self.open_new(),
            Err(error) => Err(format!("open {}: {error}", self.path.display())),
        }
    }

    fn rotate(&mut self) -> Result<(), String> {
        self.open = None;
        self.open_new()?;
        self.clean_up();
        Ok(())
    }

    /// Moves the file that is there away, and begins one of its mode and owner.
    fn open_new(&mut self) -> Result<(), String> {
        let old = std::fs::metadata(&self.path).ok();
        if old.is_some() {
            let backup = backup_path(&self.path, std::time::SystemTime::now());
            std::fs::rename(&self.path, backup).map_err(|error| format!("can't rename log file: {error}"))?;
        }
        let mode = old.as_ref().map_or(0o600, |old| old.permissions().mode() & 0o7777);
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(mode);
        let failed = |error: io::Error| format!("can't open new logfile: {error}");
        let file = options.open(&self.path).map_err(failed)?;
        drop(file);
        if let Some(old) = &old {
            let owned = std::os::unix::fs::chown(&self.path, Some(old.uid()), Some(old.gid()));
            owned.map_err(|error| format!("chown {}: {error}", self.path.display()))?;
        }
        let file = OpenOptions::new().append(true).read(true).open(&self.path).map_err(failed)?;
        self.open = Some(Open { file, is_regular: true, bytes: 0, is_torn: false });
        Ok(())
    }

    fn clean_up(&self) {
        if let Some(mill) = &self.mill {
            // One that is under way looks again.
            let _ = mill.try_send(());
        }
    }
}

fn start_mill(old_files: OldFiles) -> Result<SyncSender<()>, String> {
    let (mill, woken) = sync_channel(1);
    std::thread::Builder::new()
        .name("audit-log-mill".into())
        .spawn(move || {
            while woken.recv().is_ok() {
                if let Err(error) = old_files.clean_up() {
                    tracing::warn!(%error, "old files of the audit log could not be compressed or removed");
                }
            }
        })
        .map_err(|error| format!("starting the thread for old audit logs: {error}"))?;
    Ok(mill)
}

/// Whether the last byte of a file is no end of a line.
fn is_torn(file: &File, len: u64) -> bool {
    let mut last = [b'\n'];
    len > 0 && file.read_at(&mut last, len - 1).is_ok() && last != *b"\n"
}

impl Open {
    /// Appends some lines; gives the number of those that are there as a whole, and why the next one is not. What is
    /// there of that one is taken back, or else ends before the next line begins.
    fn append(&mut self, lines: &LineBuffer, some: Range<usize>) -> (usize, Option<io::Error>) {
        let before = usize::from(self.is_torn);
        let bytes = lines.range(some.clone());
        let (written, failure) = match self.is_torn {
            false => write_some(&mut self.file, bytes),
            true => write_some(&mut self.file, &[b"\n", bytes].concat()),
        };
        if failure.is_none() {
            self.bytes += written as u64;
            self.is_torn = false;
            return (some.len(), None);
        }
        let (whole, end) = lines.whole(some, written.saturating_sub(before));
        self.keep(written, before + end, before);
        (whole, failure)
    }

    /// Keeps the first `end` of the bytes just written, of which `before` ended an older line.
    fn keep(&mut self, written: usize, end: usize, before: usize) {
        if written < before {
            return;
        }
        self.is_torn = false;
        let (kept, all) = (self.bytes + end as u64, self.bytes + written as u64);
        if written <= end {
            self.bytes = all;
            return;
        }
        match self.file.set_len(kept) {
            Ok(()) => self.bytes = kept,
            Err(_) => (self.bytes, self.is_torn) = (all, true),
        }
    }
}

/// Writes as much as the file takes: the number of bytes written, and the error that stopped it.
fn write_some(file: &mut File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}
