//! The subscriber that turns events into lines.

use crate::line::Line;
use crate::output::Output;
use crate::verbosity::{Verbosity, verbosity_of};
use crate::{json, text};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The settings of the log on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    /// Whether errors go to standard error and everything else to standard output.
    pub is_split: bool,
    /// The bytes that standard output may buffer.
    pub buffer_bytes: usize,
    /// The longest time that they may wait.
    pub flush_every: Duration,
}

struct Lines {
    verbosity: Verbosity,
    format: LogFormat,
    output: &'static Output,
    process: u32,
}

/// Begins to log. A second time in one process, as in tests, the first log stays. What is returned flushes it.
pub fn begin(settings: &LogSettings, verbosity: Verbosity) -> impl Fn() + Send + Sync + use<> {
    let output = if settings.is_split { Output::split(settings.buffer_bytes) } else { Output::together() };
    // It lives as long as the process.
    let output: &'static Output = Box::leak(Box::new(output));
    let lines = Lines { verbosity, format: settings.format, output, process: std::process::id() };
    if tracing::subscriber::set_global_default(Registry::default().with(lines)).is_ok() {
        output.keep_flushed(settings.flush_every);
    }
    move || output.flush()
}

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if !metadata.is_span() && self.verbosity.is_on(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.verbosity.is_on(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = Line::new(event, verbosity_of(event.metadata()), time);
        let mut out = String::with_capacity(256);
        match self.format {
            LogFormat::Text => text::write(&line, self.process, &mut out),
            LogFormat::Json => json::write(&line, &mut out),
        }
        self.output.write(&out, line.level == Level::ERROR);
    }
}
