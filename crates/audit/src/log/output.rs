//! `Output`: the file or standard output that lines are written to.

use super::file::LogFile;
use super::lines::{Failure, LineBuffer};
use super::old_files::Rotation;
use std::io::{self, Write};
use std::path::Path;

/// The destination of the log.
pub enum Output {
    File(LogFile),
    Stdout { is_torn: bool },
}

impl Output {
    /// Makes the file and its directory if they are not there. `-` is standard output.
    pub fn open(path: &str, rotation: Rotation) -> Result<Output, String> {
        if path == "-" {
            return Ok(Output::Stdout { is_torn: false });
        }
        LogFile::open(Path::new(path), rotation).map(Output::File)
    }

    /// Whether so many bytes can be appended without more than that.
    pub fn has_room(&self, len: usize) -> bool {
        match self {
            Output::File(file) => file.has_room(len as u64),
            Output::Stdout { .. } => false,
        }
    }

    /// Writes lines, and says why those that failed did.
    pub fn write(&mut self, lines: &LineBuffer) -> Vec<Failure> {
        match self {
            Output::File(file) => file.write(lines),
            Output::Stdout { is_torn } => {
                let written = |line| to_stdout(lines.get(line), is_torn).err().map(|why| (line, why));
                (0..lines.len()).filter_map(written).collect()
            }
        }
    }
}

/// Writes a line; what is left of one that was torn ends first.
fn to_stdout(line: &[u8], is_torn: &mut bool) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let written = if *is_torn { out.write_all(b"\n") } else { Ok(()) };
    let written = written.and_then(|()| out.write_all(line)).and_then(|()| out.flush());
    *is_torn = written.is_err();
    written.map_err(|error| format!("write /dev/stdout: {error}"))
}
