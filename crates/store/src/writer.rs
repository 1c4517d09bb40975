//! The one thread that writes: it takes all waiting writes, checks each, makes the batch durable with one sync,
//! publishes it in the order of revisions, and only then answers.

use crate::backend::{AppendError, DurableLog, Row};
use crate::clock::now_seconds;
use crate::compaction::Turns;
use crate::object::{CollectionId, Key, Object, Revision};
use crate::retention::{CompactionCandidate, CompactionQueue, Retention};
use crate::transformer::KeyTag;
use crate::watch_cache::cache::{Changes, ReadAttrs, WatchCache};
use crate::watch_cache::event::{Event, EventKind};
use crate::watch_cache::snapshot::Snapshot;
use crate::write::{Change, CommitError, CommitResult, Precondition, StagedWrite, Write};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Writes that share one sync at most; more wait for the next.
const BATCH_MAX: usize = 1024;
/// Bytes that share one sync at most.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Rows that one batch drops at most beyond twice those it adds, so that no batch pays for many others. A write
/// supersedes at most two rows, so the waiting ones never grow in number.
const DROPPED_EXTRA_MAX: usize = 256;
/// The time between looks for objects whose time has come.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// A request to the writer.
pub(crate) enum WriterRequest {
    Write(Box<StagedWrite>, oneshot::Sender<CommitResult>),
    /// Puts objects that could be read again in the place of those of the same revisions.
    Reread(CollectionId, Vec<Arc<Object>>, oneshot::Sender<()>),
    Reindex(CollectionId, ReadAttrs, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// The state of the writer's thread.
pub(crate) struct Writer {
    pub log: Box<dyn DurableLog>,
    pub cache: WatchCache,
    /// The last revision that was given out.
    pub last: Revision,
    /// Rows superseded at or before this revision may be missing from the log.
    pub compacted_revision: Revision,
    pub retention: Retention,
    pub superseded: CompactionQueue,
    /// Objects with an end of life: the time, the collection, the key, and the revision.
    pub expiring: BTreeSet<(u64, usize, Key, Revision)>,
    /// The failure that ended all writing, once there is one.
    pub failure: Arc<OnceLock<String>>,
    pub turns: Turns,
}

/// A batch in the making.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    bytes: usize,
    changes: Changes,
    superseded: Vec<CompactionCandidate>,
    expiring: Vec<(u64, usize, Key, Revision)>,
    answers: Vec<(oneshot::Sender<CommitResult>, CommitResult)>,
}

impl Writer {
    pub fn run(mut self, requests: &Receiver<WriterRequest>) {
        loop {
            let mut next = match requests.recv_timeout(EXPIRY_INTERVAL) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.close(None),
            };
            while let Some(request) = next.take() {
                match request {
                    WriterRequest::Write(write, answer) => next = self.batch(requests, *write, answer),
                    WriterRequest::Reindex(collection, read, done) => {
                        self.cache.reindex(collection, &read);
                        let _ = done.send(());
                    }
                    WriterRequest::Reread(collection, objects, done) => {
                        self.cache.reread(collection, objects);
                        let _ = done.send(());
                    }
                    WriterRequest::Close(closed) => return self.close(Some(closed)),
                }
            }
            self.expire();
            self.compact();
            let now = Instant::now();
            self.cache.drop_old(now);
            self.turns.take(now, self.last);
        }
    }

    /// Closes the log before it answers: the caller may open it again.
    fn close(self, closed: Option<oneshot::Sender<()>>) {
        let mut log = self.log;
        let _ = log.close();
        drop(log);
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    /// Collects the writes that wait, up to a batch's bounds, and commits them. Returns the request that came after
    /// them and is no write.
    fn batch(
        &mut self,
        requests: &Receiver<WriterRequest>,
        first: StagedWrite,
        answer: oneshot::Sender<CommitResult>,
    ) -> Option<WriterRequest> {
        let mut batch = Batch::default();
        let mut next = None;
        self.add(&mut batch, first, Some(answer));
        while batch.rows.len() < BATCH_MAX && batch.bytes < BATCH_BYTES_MAX {
            match requests.try_recv() {
                Ok(WriterRequest::Write(write, answer)) => self.add(&mut batch, *write, Some(answer)),
                Ok(request) => {
                    next = Some(request);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        self.commit(batch);
        next
    }

    /// Checks one write against the state that the writes before it in the batch leave.
    fn add(&mut self, batch: &mut Batch, write: StagedWrite, answer: Option<oneshot::Sender<CommitResult>>) {
        let result = match self.failure.get() {
            Some(failure) => Err(CommitError::ReadOnly(failure.clone())),
            None => self.stage(batch, write),
        };
        if let Some(answer) = answer {
            batch.answers.push((answer, result));
        }
    }

    fn stage(&mut self, batch: &mut Batch, staged: StagedWrite) -> CommitResult {
        let StagedWrite { write, stored } = staged;
        let index = write.collection.0 as usize;
        let collection = self.cache.collection(index).ok_or(CommitError::Missing)?;
        let (snapshot, events) = batch
            .changes
            .entry(index)
            .or_insert_with(|| (Snapshot::clone(&collection.snapshot()), Vec::new()));
        let previous = snapshot.objects.get(write.key.as_str()).cloned();
        match (write.precondition, &previous) {
            (Precondition::NotExists, Some(found)) => return Err(CommitError::Exists(found.clone())),
            (Precondition::ModRevision(_), None) => return Err(CommitError::Missing),
            (Precondition::ModRevision(revision), Some(found)) if found.mod_revision != revision => {
                return Err(CommitError::Stale(found.clone()));
            }
            _ => {}
        }
        let tag = stored.as_ref().map_or(KeyTag::PLAIN, |stored| stored.tag);
        let event = self.apply(&write, tag, previous)?;
        let (object, revision) = (event.object.clone(), event.revision);
        let is_deletion = event.kind == EventKind::Deleted;
        let now = now_seconds();
        let replaced = event.previous.as_ref().map(|old| CompactionCandidate::replaced(old, revision, now));
        batch.superseded.extend(replaced);
        if is_deletion {
            snapshot.objects.remove(write.key.as_str());
            batch.superseded.push(CompactionCandidate::deletion(&write.key, revision, now));
        } else {
            snapshot.objects.insert(write.key.clone(), object.clone());
        }
        snapshot.revision = revision;
        events.push(event);
        let value = stored.map(|stored| stored.value);
        debug_assert_eq!(value.is_none(), is_deletion, "a value is stored of all but deletions");
        let ttl = write.ttl_seconds.filter(|_| !is_deletion);
        let expires = ttl.map(|ttl| now.saturating_add(ttl));
        batch.expiring.extend(expires.map(|at| (at, index, write.key.clone(), revision)));
        batch.bytes += value.as_ref().map_or(0, Bytes::len);
        let (key, create_revision) = (write.key.as_str().into(), object.create_revision);
        batch.rows.push(Row { revision, key, create_revision, value, expires });
        Ok(object)
    }

    /// The event of a write, at the next revision.
    fn apply(
        &mut self,
        write: &Write,
        tag: KeyTag,
        previous: Option<Arc<Object>>,
    ) -> Result<Arc<Event>, CommitError> {
        let revision = Revision(self.last.0 + 1);
        let event = match &write.change {
            Change::Put { value, attrs } => {
                let created = previous.as_ref().map_or(revision, |previous| previous.create_revision);
                let (key, value) = (write.key.clone(), value.clone());
                let object = Object::new(key, created, revision, value, attrs.clone()).tagged(tag);
                Event::put(Arc::new(object.cached(&self.cache.encodings)), previous)
            }
            Change::Delete => Event::deletion(previous.ok_or(CommitError::Missing)?, revision),
        };
        self.last = revision;
        Ok(event)
    }

    fn commit(&mut self, batch: Batch) {
        let Batch { rows, changes, superseded, expiring, mut answers, .. } = batch;
        if !rows.is_empty() {
            match self.append(&rows, superseded) {
                Ok(()) => {
                    self.expiring.extend(expiring);
                    self.cache.publish(changes, self.last);
                }
                Err(failure) => {
                    for (_, answer) in answers.iter_mut().filter(|(_, answer)| answer.is_ok()) {
                        *answer = Err(failure.clone());
                    }
                }
            }
        }
        for (sender, answer) in answers {
            // The write is made even if its client is gone.
            let _ = sender.send(answer);
        }
    }

    /// Appends rows, and drops old ones. Where there is no space everything is as it was before.
    fn append(&mut self, rows: &[Row], superseded: Vec<CompactionCandidate>) -> Result<(), CommitError> {
        assert!(rows.is_sorted_by(|a, b| a.revision < b.revision), "the revisions of a batch do not ascend");
        let (compacted_revision, added) = (self.compacted_revision, superseded.len());
        superseded.into_iter().for_each(|row| self.superseded.push(row));
        let count_max = rows.len() * 2 + DROPPED_EXTRA_MAX;
        let dropped = self.superseded.take_due(&self.retention, now_seconds(), count_max);
        if rows.is_empty() && dropped.is_empty() {
            return Ok(());
        }
        let latest = dropped.iter().map(|row| row.superseded_by).max();
        self.compacted_revision = self.compacted_revision.max(latest.unwrap_or_default());
        let revisions: Vec<Revision> = dropped.iter().map(|row| row.revision).collect();
        let why = match self.log.append(rows, &revisions, self.compacted_revision) {
            Ok(()) => return Ok(()),
            Err(AppendError::Full(why)) => why,
            Err(AppendError::Broken(why)) => {
                // The disk's content is unknown now: nothing may be acknowledged, nothing more written.
                let failure = format!("the store failed and takes no more writes: {why}");
                tracing::error!("{failure}");
                return Err(CommitError::ReadOnly(self.failure.get_or_init(|| failure).clone()));
            }
        };
        self.compacted_revision = compacted_revision;
        self.superseded.restore(dropped, added);
        // The revisions of the batch were not visible to anyone.
        self.last = rows.first().map_or(self.last, |row| Revision(row.revision.0 - 1));
        Err(CommitError::Refused(format!("the store has no space left for writes: {why}")))
    }

    /// Drops rows that have become too old while nothing was written.
    fn compact(&mut self) {
        if self.failure.get().is_none() {
            // A failure is kept for the next write; rows for which there was no space are dropped later.
            let _ = self.append(&[], Vec::new());
        }
    }

    /// Deletes objects whose time has come, as ordinary deletions.
    fn expire(&mut self) {
        let now = now_seconds();
        let mut batch = Batch::default();
        let mut due = Vec::new();
        while batch.rows.len() < BATCH_MAX
            && let Some(first) = self.expiring.first().filter(|(at, ..)| *at <= now).cloned()
        {
            self.expiring.pop_first();
            due.push(first.clone());
            let (_, index, key, revision) = first;
            let collection = CollectionId(index as u32);
            let precondition = Precondition::ModRevision(revision);
            let write = Write { collection, key, precondition, change: Change::Delete, ttl_seconds: None };
            self.add(&mut batch, StagedWrite { write, stored: None }, None);
        }
        let (last, has_rows) = (self.last, !batch.rows.is_empty());
        self.commit(batch);
        if has_rows && self.last < last {
            // There was no space; their time comes again.
            self.expiring.extend(due);
        }
    }
}
