//! `Line`: the content of an event, before it is written in one of the formats.

use std::fmt::{Debug, Write as _};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// A value, as far as the formats differ by type.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    Text(String),
    /// A number or a boolean: written without quotes.
    Plain(String),
}

/// The parts of one line.
#[derive(Debug)]
pub struct Line {
    pub level: Level,
    pub verbosity: u8,
    /// Since 1970.
    pub time: Duration,
    pub file: &'static str,
    pub line: u32,
    pub message: String,
    /// Names and values, in the order in which they were given.
    pub fields: Vec<(&'static str, Shown)>,
}

impl Line {
    pub fn new(event: &Event<'_>, verbosity: u8, time: Duration) -> Line {
        let metadata = event.metadata();
        let mut line = Line {
            level: *metadata.level(),
            verbosity,
            time,
            file: metadata.file().unwrap_or("unknown"),
            line: metadata.line().unwrap_or(1),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        line
    }

    fn push(&mut self, field: &Field, value: Shown) {
        match (field.name(), value) {
            ("message", Shown::Text(text) | Shown::Plain(text)) => self.message = text,
            // klog's name of the field for an error.
            ("error", value) => self.fields.insert(0, ("err", value)),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
        self.push(field, Shown::Text(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Shown::Text(value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Shown::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Shown::Plain(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Shown::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Shown::Plain(value.to_string()));
    }
}
