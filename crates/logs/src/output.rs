//! The streams of the log: all lines to standard error, or errors there and the others to standard output.

use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A buffer is never larger than this.
const BUFFER_BYTES_MAX: usize = 64 << 20;

/// The streams of the log.
pub struct Output {
    /// The stream of lines that are no errors, where it is one of its own.
    info: Option<Mutex<BufWriter<Box<dyn Write + Send>>>>,
    error: Mutex<Box<dyn Write + Send>>,
}

impl Output {
    /// One stream for all.
    pub fn together() -> Output {
        Output { info: None, error: Mutex::new(Box::new(io::stderr())) }
    }

    /// Errors to standard error; other lines are buffered until the buffer is full or flushed.
    pub fn split(buffer_bytes: usize) -> Output {
        let info: Box<dyn Write + Send> = Box::new(io::stdout());
        let info = BufWriter::with_capacity(buffer_bytes.min(BUFFER_BYTES_MAX), info);
        Output { info: Some(Mutex::new(info)), ..Output::together() }
    }

    /// Writes a line. Failures to write are ignored.
    pub fn write(&self, line: &str, is_error: bool) {
        match &self.info {
            Some(info) if !is_error => {
                let mut info = info.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = info.write_all(line.as_bytes());
            }
            _ => {
                let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = error.write_all(line.as_bytes());
            }
        }
    }

    pub fn flush(&self) {
        if let Some(info) = &self.info {
            let _ = info.lock().unwrap_or_else(PoisonError::into_inner).flush();
        }
    }

    /// Flushes again and again, for as long as the process lives.
    pub fn keep_flushed(&'static self, every: Duration) {
        let flush = move || loop {
            std::thread::sleep(every);
            self.flush();
        };
        if self.info.is_some() && !every.is_zero() {
            // Without it lines come when the buffer is full.
            let _ = std::thread::Builder::new().name(String::from("log")).spawn(flush);
        }
    }
}
