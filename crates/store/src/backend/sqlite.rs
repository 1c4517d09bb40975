//! The embedded backend: one SQLite file with a write-ahead log, synced before a write is acknowledged.

use super::{Backend, Error, Found, Row};
use crate::object::Revision;
use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, params};
use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Tells our files from others, and their layout's version from later ones.
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

pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens or makes the file; it stays locked to this process.
    pub fn open(path: &Path) -> Result<Sqlite, Error> {
        let shown = path.display();
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o600)))
            .map_err(|error| Error(format!("{shown}: {error}")))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        let sqlite = Sqlite { connection };
        let made_by = sqlite.prepare().map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => Error(format!("{shown} is in use by another process")),
            _ => Error(format!("{shown}: {error}")),
        })?;
        match made_by {
            MadeBy::Us => Ok(sqlite),
            MadeBy::OtherVersion(version) => {
                Err(Error(format!("{shown} was made by another version (layout {version})")))
            }
            MadeBy::OtherProgram => Err(Error(format!("{shown} is a database of another program"))),
        }
    }

    /// Takes the lock, and makes the layout where there is none.
    fn prepare(&self) -> rusqlite::Result<MadeBy> {
        let db = &self.connection;
        // Another process does not let go of the file while it runs: waiting for it is in vain.
        db.busy_timeout(std::time::Duration::ZERO)?;
        // Exclusive before WAL: the log's index then lives in memory, and a second process finds the file locked.
        db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;")?;
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        let number = |query: &str| db.query_row(query, [], |row| row.get::<_, i64>(0));
        let version = number("PRAGMA user_version")?;
        let is_new = version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
        if !is_new && number("PRAGMA application_id")? != APPLICATION_ID {
            return Ok(MadeBy::OtherProgram);
        }
        if !is_new && version != LAYOUT_VERSION {
            return Ok(MadeBy::OtherVersion(version));
        }
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        if is_new {
            db.execute_batch(&format!(
                "BEGIN EXCLUSIVE; {LAYOUT} PRAGMA application_id = {APPLICATION_ID}; \
                 PRAGMA user_version = {LAYOUT_VERSION}; COMMIT;"
            ))?;
        } else {
            db.execute_batch("BEGIN EXCLUSIVE; COMMIT;")?;
        }
        Ok(MadeBy::Us)
    }
}

/// Who laid out a file.
enum MadeBy {
    Us,
    OtherVersion(i64),
    OtherProgram,
}

impl Backend for Sqlite {
    fn load(&mut self, each: &mut dyn FnMut(Row)) -> Result<Found, Error> {
        self.read(each).map_err(|error| failed(&error))
    }

    fn append(&mut self, rows: &[Row], dropped: &[Revision], floor: Revision) -> Result<(), Error> {
        self.write(rows, dropped, floor).map_err(|error| failed(&error))
    }

    fn close(&mut self) -> Result<(), Error> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| failed(&error))
    }
}

impl Sqlite {
    fn read(&self, each: &mut dyn FnMut(Row)) -> rusqlite::Result<Found> {
        let state = |name: &str| {
            self.connection
                .query_row("SELECT number FROM state WHERE name = ?", [name], |row| row.get::<_, i64>(0))
        };
        let mut found = Found { last: revision(state("last")?), floor: revision(state("floor")?) };
        let mut statement = self
            .connection
            .prepare("SELECT revision, key, created, value, expires FROM log ORDER BY revision")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let value: Option<Vec<u8>> = row.get(3)?;
            let row = Row {
                revision: revision(row.get(0)?),
                key: row.get(1)?,
                created: revision(row.get(2)?),
                value: value.map(Bytes::from),
                expires: row.get::<_, Option<i64>>(4)?.and_then(|seconds| u64::try_from(seconds).ok()),
            };
            found.last = found.last.max(row.revision);
            each(row);
        }
        Ok(found)
    }

    fn write(&mut self, rows: &[Row], dropped: &[Revision], floor: Revision) -> rusqlite::Result<()> {
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
                    number(row.created),
                    value,
                    expires
                ])?;
            }
            if !dropped.is_empty() {
                let mut delete = transaction.prepare_cached("DELETE FROM log WHERE revision = ?")?;
                for revision in dropped {
                    delete.execute([number(*revision)])?;
                }
                // The last revision may be among the dropped rows, so it is kept beside them.
                let mut state = transaction.prepare_cached("UPDATE state SET number = ? WHERE name = ?")?;
                state.execute(params![number(floor), "floor"])?;
                if let Some(last) = rows.last() {
                    state.execute(params![number(last.revision), "last"])?;
                }
            }
        }
        transaction.commit()
    }
}

fn failed(error: &rusqlite::Error) -> Error {
    Error(error.to_string())
}

fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}

fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
