//! The history on disk: the superseded rows of the log, and the number of them that stay.

use crate::object::{Key, Object, Revision};
use std::collections::VecDeque;
use std::time::Duration;

/// The superseded rows that stay in the log, so that watches can go on after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// As many as make up the events of a restart of the whole control plane.
    pub rows_max: usize,
    /// Large objects must not fill the disk with their past.
    pub bytes_max: usize,
    /// The age at which deleted and replaced objects leave the disk, also where little is written.
    pub age_max: Duration,
    /// The interval at which the present of one interval ago becomes the oldest state that lists can show; zero for
    /// never. Watches go on from further back.
    pub compaction_interval: Duration,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            rows_max: 10_000,
            bytes_max: 64 << 20,
            age_max: Duration::from_secs(3600),
            compaction_interval: Duration::from_secs(300),
        }
    }
}

/// A row of the log that is not the latest of its key, or says that the key is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompactionCandidate {
    pub revision: Revision,
    /// The revision from which on the row was superseded.
    pub superseded_by: Revision,
    /// The time at which it was superseded, in seconds since 1970; or that of the start, if it was before.
    superseded_at: u64,
    bytes: usize,
}

impl CompactionCandidate {
    pub fn replaced(object: &Object, by: Revision, at: u64) -> CompactionCandidate {
        let bytes = object.value.len() + object.key.as_str().len();
        CompactionCandidate { revision: object.mod_revision, superseded_by: by, superseded_at: at, bytes }
    }

    pub fn deletion(key: &Key, revision: Revision, at: u64) -> CompactionCandidate {
        let bytes = key.as_str().len();
        CompactionCandidate { revision, superseded_by: revision, superseded_at: at, bytes }
    }
}

/// The superseded rows of a log, the oldest first.
#[derive(Default)]
pub(crate) struct CompactionQueue {
    rows: VecDeque<CompactionCandidate>,
    bytes: usize,
}

impl CompactionQueue {
    pub fn push(&mut self, row: CompactionCandidate) {
        self.bytes += row.bytes;
        self.rows.push_back(row);
    }

    /// Takes the oldest rows beyond the retention, `count_max` at most.
    pub fn take_due(
        &mut self,
        retention: &Retention,
        now: u64,
        count_max: usize,
    ) -> Vec<CompactionCandidate> {
        let mut due = Vec::new();
        let young = now.saturating_sub(retention.age_max.as_secs());
        while due.len() < count_max
            && let Some(row) = self.rows.front().copied()
            && (self.rows.len() > retention.rows_max
                || self.bytes > retention.bytes_max
                || row.superseded_at < young)
        {
            self.rows.pop_front();
            self.bytes -= row.bytes;
            due.push(row);
        }
        due
    }

    /// Puts taken rows back, and drops the last ones that were pushed.
    pub fn restore(&mut self, taken: Vec<CompactionCandidate>, pushed: usize) {
        for row in taken.into_iter().rev() {
            self.bytes += row.bytes;
            self.rows.push_front(row);
        }
        for row in self.rows.drain(self.rows.len().saturating_sub(pushed)..) {
            self.bytes -= row.bytes;
        }
    }
}
