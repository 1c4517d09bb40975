//! `Line`: an event at a stage, written, on its way to where it is kept.

use crate::event::AuditEvent;
use crate::legacy;
use crate::policy::AuditStage;
use bytes::Bytes;
use pintle_object::time::Time;

/// A line of JSON, or of the legacy format; clones share it.
#[derive(Clone, Debug)]
pub struct Line {
    bytes: Bytes,
    is_legacy: bool,
}

/// The usual size of an event at the level `Metadata`.
const USUAL_BYTES: usize = 1024;

impl Line {
    pub fn json(event: &AuditEvent, stage: AuditStage, now: Time) -> Line {
        let bodies = [&event.request_object, &event.response_object];
        let bodies: usize = bodies.iter().filter_map(|body| body.as_ref()).map(Bytes::len).sum();
        let mut out = Vec::with_capacity(USUAL_BYTES + bodies);
        event.write(stage, now, &mut out);
        Line { bytes: out.into(), is_legacy: false }
    }

    pub fn legacy(event: &AuditEvent, stage: AuditStage) -> Line {
        Line { bytes: (legacy::line(event, stage) + "\n").into(), is_legacy: true }
    }

    /// A line that was written before, as it is in a log.
    pub fn copied(line: &[u8]) -> Line {
        Line { bytes: Bytes::copy_from_slice(line), is_legacy: !line.starts_with(b"{") }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The legacy form, for the log of the server when the event is lost.
    pub fn summary(&self) -> String {
        if self.is_legacy {
            String::from_utf8_lossy(self.bytes.trim_ascii_end()).into_owned()
        } else {
            legacy::line_of_json(&self.bytes)
        }
    }
}
