//! The embedded backend: one SQLite file with a write-ahead log, synced before a write is acknowledged.
//!
//! One process at a time writes, and meanwhile holds the lock on a file beside the database. Other processes may read
//! the state of a moment, which is how snapshots are taken of a running server.

use super::{AppendError, BackendError, DurableLog, Found, Row};
use crate::object::Revision;
use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, params};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Identifies our files, and the version of their layout.
const APPLICATION_ID: i64 = 0x7069_6e74;
const LAYOUT_VERSION: i64 = 1;

/// Pages of the write-ahead log (of 4 KB) after which it is written back: few syncs of the database under load, and
/// little to read again after a crash.
const CHECKPOINT_PAGES: u32 = 4096;

const LAYOUT: &str = "
    CREATE TABLE log (
        revision INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        created INTEGER NOT NULL,
        value BLOB,
        expires INTEGER
    ) STRICT;
    CREATE TABLE state (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO state VALUES ('floor', 0), ('last', 1);
";

const KEEP_LAST: &str = "
    UPDATE state SET number = MAX(number, COALESCE((SELECT MAX(revision) FROM log), 0)) WHERE name = 'last'
";

/// The time that a reader waits for the writer, which may be about to start a new write-ahead log.
const READ_WAIT: Duration = Duration::from_secs(10);

pub struct Sqlite {
    connection: Connection,
    /// Held by the writer; released after the connection is closed.
    _lock: Option<Lock>,
}

impl Sqlite {
    /// Opens or makes the file; it stays locked to this process.
    pub fn open(path: &Path) -> Result<Sqlite, BackendError> {
        let shown = path.display();
        let lock = lock(path)?;
        make(path).map_err(|error| BackendError(format!("{shown}: {error}")))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = Sqlite::connect(path, flags, Some(lock))?;
        sqlite.prepare().map_err(|error| BackendError(format!("{shown}: {error}")))?;
        Ok(sqlite)
    }

    /// Opens a file for reading its current state; a server may have it open, and write on.
    pub fn open_to_read(path: &Path) -> Result<Sqlite, BackendError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = Sqlite::connect(path, flags, None)?;
        // The first read decides which moment is read, and all later ones are of the same.
        let begin = sqlite
            .connection
            .busy_timeout(READ_WAIT)
            .and_then(|()| sqlite.connection.execute_batch("BEGIN; SELECT COUNT(*) FROM state;"));
        begin.map_err(|error| BackendError(format!("{}: {error}", path.display())))?;
        Ok(sqlite)
    }

    fn connect(path: &Path, flags: OpenFlags, lock: Option<Lock>) -> Result<Sqlite, BackendError> {
        let shown = path.display();
        let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        let sqlite = Sqlite { connection, _lock: lock };
        let made_by = sqlite.made_by().map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => in_use(path),
            _ => BackendError(format!("{shown}: {error}")),
        })?;
        match made_by {
            MadeBy::Us => Ok(sqlite),
            MadeBy::OtherVersion(version) => {
                Err(BackendError(format!("{shown} was made by another version (layout {version})")))
            }
            MadeBy::OtherProgram => Err(BackendError(format!("{shown} is a database of another program"))),
        }
    }

    fn made_by(&self) -> rusqlite::Result<MadeBy> {
        let number =
            |pragma: &str| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if number("application_id")? != APPLICATION_ID {
            return Ok(MadeBy::OtherProgram);
        }
        let version = number("user_version")?;
        Ok(if version == LAYOUT_VERSION { MadeBy::Us } else { MadeBy::OtherVersion(version) })
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        let db = &self.connection;
        // Readers block writers only for a moment, when the write-ahead log starts again.
        db.busy_timeout(READ_WAIT)?;
        db.execute_batch("PRAGMA synchronous = FULL;")?;
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
    }
}

/// The writer's lock: on a file of its own, which stays.
struct Lock(File);

impl Drop for Lock {
    /// Said aloud: a process that is just being started may hold the file for a moment more.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn lock(path: &Path) -> Result<Lock, BackendError> {
    let place = lock_path(path);
    let failed = |error: std::io::Error| BackendError(format!("{}: {error}", place.display()));
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(&place).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// `store.db.lock`
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn in_use(path: &Path) -> BackendError {
    BackendError(format!("{} is in use by another process", path.display()))
}

/// Makes the file if it is missing. It is made under another name and then linked to its own, so that it is complete or
/// absent, with one sync; of two processes at the same time one makes it and both find it.
fn make(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        return std::fs::set_permissions(path, Permissions::from_mode(0o600));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let made = Path::new(&name);
    let _ = std::fs::remove_file(made);
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(made)?;
    let result = lay_out(made).map_err(std::io::Error::other).and_then(|()| {
        file.sync_all()?;
        // An empty file holds nothing that could be lost.
        if std::fs::metadata(path).is_ok_and(|found| found.len() == 0) {
            std::fs::remove_file(path)?;
        }
        match std::fs::hard_link(made, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            // Of file systems without links.
            Err(_) => std::fs::rename(made, path),
            Ok(()) => Ok(()),
        }
    });
    let _ = std::fs::remove_file(made);
    result
}

/// Writes the layout without any sync.
fn lay_out(path: &Path) -> rusqlite::Result<()> {
    let db = Connection::open(path)?;
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;")?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.execute_batch(&format!(
        "BEGIN; {LAYOUT} PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA user_version = {LAYOUT_VERSION}; COMMIT;"
    ))?;
    db.close().map_err(|(_, error)| error)
}

/// The maker of a file.
enum MadeBy {
    Us,
    OtherVersion(i64),
    OtherProgram,
}

impl Sqlite {
    /// The last revision that was given out.
    pub fn last(&self) -> Result<Revision, BackendError> {
        let sql = "SELECT MAX((SELECT number FROM state WHERE name = 'last'), \
                   COALESCE((SELECT MAX(revision) FROM log), 0))";
        let last = self.connection.query_row(sql, [], |row| row.get(0));
        last.map(revision).map_err(|error| failed(&error))
    }

    /// The number of objects that exist now.
    pub fn count(&self) -> Result<u64, BackendError> {
        let sql = "SELECT COUNT(*) FROM log \
                   WHERE revision IN (SELECT MAX(revision) FROM log GROUP BY key) AND value IS NOT NULL";
        let count = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        count.map(|count| u64::try_from(count).unwrap_or(0)).map_err(|error| failed(&error))
    }

    /// Hands over the objects as they are now, in the order of revisions, until `each` wants no more.
    pub fn live(&self, each: &mut dyn FnMut(Row) -> bool) -> Result<(), BackendError> {
        let sql = "SELECT revision, key, created, value, expires FROM log \
                   WHERE revision IN (SELECT MAX(revision) FROM log GROUP BY key) AND value IS NOT NULL \
                   ORDER BY revision";
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(found) = rows.next()? {
                if !each(row(found)?) {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|error| failed(&error))
    }

    /// Sets the revision that the next write follows, with nothing known of earlier ones.
    pub fn begin_at(&mut self, last: Revision) -> Result<(), BackendError> {
        let update = "UPDATE state SET number = ? WHERE name IN ('last', 'floor')";
        let done = self.connection.execute(update, [number(last)]);
        done.map(|_| ()).map_err(|error| failed(&error))
    }
}

impl DurableLog for Sqlite {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, BackendError> {
        self.read(each).map_err(|error| failed(&error))
    }

    fn append(
        &mut self,
        rows: &[Row],
        dropped: &[Revision],
        compacted_revision: Revision,
    ) -> Result<(), AppendError> {
        self.write(rows, dropped, compacted_revision).map_err(|error| match error.sqlite_error_code() {
            // SQLite has taken the whole transaction back; of a failed sync it says otherwise.
            Some(rusqlite::ErrorCode::DiskFull) => AppendError::Full(error.to_string()),
            _ => AppendError::Broken(error.to_string()),
        })
    }

    fn close(&mut self) -> Result<(), BackendError> {
        // A reader at work keeps the log; the next start reads it.
        let db = &self.connection;
        let closed = db
            .busy_timeout(Duration::ZERO)
            .and_then(|()| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        closed.map_err(|error| failed(&error))
    }
}

impl Sqlite {
    fn read(&self, each: &mut dyn FnMut(Row)) -> rusqlite::Result<Found> {
        let state = |name: &str| {
            self.connection
                .query_row("SELECT number FROM state WHERE name = ?", [name], |row| row.get::<_, i64>(0))
        };
        let mut found =
            Found { last: revision(state("last")?), compacted_revision: revision(state("floor")?) };
        let mut statement = self
            .connection
            .prepare("SELECT revision, key, created, value, expires FROM log ORDER BY revision")?;
        let mut rows = statement.query([])?;
        while let Some(next) = rows.next()? {
            let row = row(next)?;
            found.last = found.last.max(row.revision);
            each(row);
        }
        Ok(found)
    }

    fn write(
        &mut self,
        rows: &[Row],
        dropped: &[Revision],
        compacted_revision: Revision,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO log (revision, key, created, value, expires) VALUES (?, ?, ?, ?, ?)",
            )?;
            for row in rows {
                let expires = row.expires.and_then(|seconds| i64::try_from(seconds).ok());
                let value = row.value.as_deref();
                insert.execute(params![
                    number(row.revision),
                    row.key,
                    number(row.create_revision),
                    value,
                    expires
                ])?;
            }
            if !dropped.is_empty() {
                // The last revision may be among the dropped rows, so it is kept beside them.
                transaction.prepare_cached(KEEP_LAST)?.execute([])?;
                let mut delete = transaction.prepare_cached("DELETE FROM log WHERE revision = ?")?;
                for revision in dropped {
                    delete.execute([number(*revision)])?;
                }
                let mut state =
                    transaction.prepare_cached("UPDATE state SET number = ? WHERE name = 'floor'")?;
                state.execute([number(compacted_revision)])?;
            }
        }
        transaction.commit()
    }
}

/// A row of the log: revision, key, created, value, expires.
fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let value: Option<Vec<u8>> = row.get(3)?;
    Ok(Row {
        revision: revision(row.get(0)?),
        key: row.get(1)?,
        create_revision: revision(row.get(2)?),
        value: value.map(Bytes::from),
        expires: row.get::<_, Option<i64>>(4)?.and_then(|seconds| u64::try_from(seconds).ok()),
    })
}

fn failed(error: &rusqlite::Error) -> BackendError {
    BackendError(error.to_string())
}

fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}

fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
