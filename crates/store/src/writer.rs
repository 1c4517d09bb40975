//! The one thread that writes: it takes all waiting writes, checks each, makes the batch durable with one sync,
//! publishes it in the order of revisions, and only then answers.

use crate::backend::{AppendError, Backend, Row};
use crate::cache::{Cache, Redigest, States};
use crate::collection::{self, CollectionId};
use crate::compaction::Turns;
use crate::object::{Digest, Key, Object, Revision};
use crate::snapshot::Snapshot;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Writes that share one sync at most; more wait for the next.
const BATCH_MAX: usize = 1024;
/// Bytes that share one sync at most.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Rows that one batch drops at most beyond twice those it adds, so that no batch pays for many. A write supersedes
/// two rows at most, so what waits to be dropped never grows.
const DROPPED_EXTRA_MAX: usize = 256;
/// How often objects with an end of life are looked at.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// The superseded rows that stay in the log, so that watches can go on after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// As many as make up the events of a restart of the whole control plane.
    pub rows_max: usize,
    /// Large objects must not fill the disk with their past.
    pub bytes_max: usize,
    /// What was deleted or replaced must leave the disk at some time, also where little is written.
    pub age_max: Duration,
    /// How often what was the present one interval ago becomes the oldest state that lists can show; zero for never.
    /// Watches go on from further back.
    pub compaction_interval: Duration,
}

impl Default for History {
    fn default() -> History {
        History {
            rows_max: 10_000,
            bytes_max: 64 << 20,
            age_max: Duration::from_secs(3600),
            compaction_interval: Duration::from_secs(300),
        }
    }
}

/// What must be so for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Absent,
    At(Revision),
}

#[derive(Clone, Debug)]
pub enum Change {
    Put { value: Bytes, digest: Digest },
    Delete,
}

#[derive(Clone, Debug)]
pub struct Write {
    pub collection: CollectionId,
    pub key: Key,
    pub expected: Expected,
    pub change: Change,
    /// Seconds until the object is deleted by itself.
    pub ttl_seconds: Option<u64>,
}

/// Why a write did not happen.
#[derive(Clone, Debug)]
pub enum CommitError {
    /// The key is there already.
    Exists(Arc<Object>),
    /// The key is not there.
    Missing,
    /// The key is there at another revision.
    Stale(Arc<Object>),
    /// The write is larger than any store takes; what etcd says to it.
    TooLarge(String),
    /// The disk failed, and nothing is written any more.
    ReadOnly(String),
    /// etcd refused the write, in its own words.
    Refused(String),
    /// etcd could not be asked, or did not answer; in the latter case the write may have happened.
    Unavailable(String),
}

pub(crate) type Answer = Result<Arc<Object>, CommitError>;

pub(crate) enum Request {
    Write(Box<Write>, oneshot::Sender<Answer>),
    Digest(CollectionId, Redigest, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

pub(crate) struct Writer {
    pub backend: Box<dyn Backend>,
    pub cache: Cache,
    pub last: Revision,
    pub floor: Revision,
    pub history: History,
    /// Rows that nobody needs but for their past, oldest first.
    pub superseded: VecDeque<Superseded>,
    pub superseded_bytes: usize,
    /// Objects with an end of life: when, which collection, which key, and at which revision.
    pub expiring: BTreeSet<(u64, usize, Key, Revision)>,
    /// Why nothing is written any more, once it is so.
    pub failure: Arc<OnceLock<String>>,
    pub turns: Turns,
}

/// A row of the log that is not the latest of its key, or says that the key is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Superseded {
    revision: Revision,
    /// The revision from which on the row was superseded.
    by: Revision,
    /// When it was superseded, in seconds since 1970; or later, when that was before the start.
    at: u64,
    pub bytes: usize,
}

impl Superseded {
    pub fn by(object: &Object, by: Revision, at: u64) -> Superseded {
        let bytes = object.value.len() + object.key.as_str().len();
        Superseded { revision: object.modified, by, at, bytes }
    }

    pub fn deletion(key: &Key, revision: Revision, at: u64) -> Superseded {
        Superseded { revision, by: revision, at, bytes: key.as_str().len() }
    }
}

/// A batch in the making.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    bytes: usize,
    states: States,
    superseded: Vec<Superseded>,
    expiring: Vec<(u64, usize, Key, Revision)>,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

impl Writer {
    pub fn run(mut self, requests: &Receiver<Request>) {
        loop {
            let mut next = match requests.recv_timeout(EXPIRY_INTERVAL) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.close(None),
            };
            while let Some(request) = next.take() {
                match request {
                    Request::Write(write, answer) => next = self.batch(requests, *write, answer),
                    Request::Digest(collection, digest, done) => {
                        self.cache.digest_again(collection, &digest);
                        let _ = done.send(());
                    }
                    Request::Close(closed) => return self.close(Some(closed)),
                }
            }
            self.expire();
            self.forget();
            let now = Instant::now();
            self.cache.forget_old(now);
            self.turns.take(now, self.last);
        }
    }

    /// Lets go of the file before it says so: who waits for it may open it again.
    fn close(self, closed: Option<oneshot::Sender<()>>) {
        let mut backend = self.backend;
        let _ = backend.close();
        drop(backend);
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    /// Collects the writes that wait, up to a batch's bounds, and commits them. Gives back what came after them and
    /// is no write.
    fn batch(
        &mut self,
        requests: &Receiver<Request>,
        first: Write,
        answer: oneshot::Sender<Answer>,
    ) -> Option<Request> {
        let mut batch = Batch::default();
        let mut next = None;
        self.add(&mut batch, first, Some(answer));
        while batch.rows.len() < BATCH_MAX && batch.bytes < BATCH_BYTES_MAX {
            match requests.try_recv() {
                Ok(Request::Write(write, answer)) => self.add(&mut batch, *write, Some(answer)),
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
    fn add(&mut self, batch: &mut Batch, write: Write, answer: Option<oneshot::Sender<Answer>>) {
        let result = match self.failure.get() {
            Some(failure) => Err(CommitError::ReadOnly(failure.clone())),
            None => self.stage(batch, write),
        };
        if let Some(answer) = answer {
            batch.answers.push((answer, result));
        }
    }

    fn stage(&mut self, batch: &mut Batch, write: Write) -> Answer {
        let place = write.collection.0 as usize;
        let collection = self.cache.collection(place).ok_or(CommitError::Missing)?;
        let (snapshot, events) = batch
            .states
            .entry(place)
            .or_insert_with(|| (Snapshot::clone(&collection.snapshot()), Vec::new()));
        let previous = snapshot.objects.get(write.key.as_str()).cloned();
        match (write.expected, &previous) {
            (Expected::Absent, Some(found)) => return Err(CommitError::Exists(found.clone())),
            (Expected::At(_), None) => return Err(CommitError::Missing),
            (Expected::At(revision), Some(found)) if found.modified != revision => {
                return Err(CommitError::Stale(found.clone()));
            }
            _ => {}
        }
        let object = self.apply(&write, previous.as_ref())?;
        let revision = object.modified;
        let is_deletion = matches!(write.change, Change::Delete);
        let now = now_seconds();
        batch.superseded.extend(previous.as_ref().map(|previous| Superseded::by(previous, revision, now)));
        if is_deletion {
            snapshot.objects.remove(write.key.as_str());
            batch.superseded.push(Superseded::deletion(&write.key, revision, now));
        } else {
            snapshot.objects.insert(write.key.clone(), object.clone());
        }
        snapshot.revision = revision;
        events.push(collection::event(object.clone(), previous, is_deletion));
        let value = (!is_deletion).then(|| object.value.clone());
        let ttl = write.ttl_seconds.filter(|_| !is_deletion);
        let expires = ttl.map(|ttl| now.saturating_add(ttl));
        batch.expiring.extend(expires.map(|at| (at, place, write.key.clone(), revision)));
        batch.bytes += value.as_ref().map_or(0, Bytes::len);
        let key = write.key.as_str().into();
        batch.rows.push(Row { revision, key, created: object.created, value, expires });
        Ok(object)
    }

    /// The object that a write leaves, at the next revision.
    fn apply(&mut self, write: &Write, previous: Option<&Arc<Object>>) -> Answer {
        let revision = Revision(self.last.0 + 1);
        let object = match &write.change {
            Change::Put { value, digest } => {
                let created = previous.map_or(revision, |previous| previous.created);
                Object::new(write.key.clone(), created, revision, value.clone(), digest.clone())
                    .cached(&self.cache.forms)
            }
            Change::Delete => previous.ok_or(CommitError::Missing)?.at(revision),
        };
        self.last = revision;
        Ok(Arc::new(object))
    }

    fn commit(&mut self, batch: Batch) {
        let Batch { rows, states, superseded, expiring, mut answers, .. } = batch;
        if !rows.is_empty() {
            match self.append(&rows, superseded) {
                Ok(()) => {
                    self.expiring.extend(expiring);
                    self.cache.publish(states, self.last);
                }
                Err(failure) => {
                    for (_, answer) in answers.iter_mut().filter(|(_, answer)| answer.is_ok()) {
                        *answer = Err(failure.clone());
                    }
                }
            }
        }
        for (sender, answer) in answers {
            // Who asked may be gone; the write stands.
            let _ = sender.send(answer);
        }
    }

    /// Appends rows, and drops old ones. Where there is no space everything is as it was before.
    fn append(&mut self, rows: &[Row], superseded: Vec<Superseded>) -> Result<(), CommitError> {
        let (floor, added) = (self.floor, superseded.len());
        self.superseded_bytes += superseded.iter().map(|row| row.bytes).sum::<usize>();
        self.superseded.extend(superseded);
        let dropped = self.droppable(rows.len() * 2 + DROPPED_EXTRA_MAX);
        if rows.is_empty() && dropped.is_empty() {
            return Ok(());
        }
        let revisions: Vec<Revision> = dropped.iter().map(|row| row.revision).collect();
        let why = match self.backend.append(rows, &revisions, self.floor) {
            Ok(()) => return Ok(()),
            Err(AppendError::Full(why)) => why,
            Err(AppendError::Broken(why)) => {
                // What the disk holds is unknown now: nothing may be acknowledged, nothing more written.
                let failure = format!("the store failed and takes no more writes: {why}");
                tracing::error!("{failure}");
                return Err(CommitError::ReadOnly(self.failure.get_or_init(|| failure).clone()));
            }
        };
        self.floor = floor;
        self.superseded_bytes += dropped.iter().map(|row| row.bytes).sum::<usize>();
        dropped.into_iter().rev().for_each(|row| self.superseded.push_front(row));
        for row in self.superseded.drain(self.superseded.len().saturating_sub(added)..) {
            self.superseded_bytes -= row.bytes;
        }
        // Nobody has seen the revisions of the batch.
        self.last = rows.first().map_or(self.last, |row| Revision(row.revision.0 - 1));
        Err(CommitError::Refused(format!("the store has no space left for writes: {why}")))
    }

    /// Drops rows that have become too old while nothing was written.
    fn forget(&mut self) {
        if self.failure.get().is_none() {
            // A failure is kept for the next write; what found no space is dropped later.
            let _ = self.append(&[], Vec::new());
        }
    }

    /// The oldest superseded rows beyond the history that is kept, `count_max` at most.
    fn droppable(&mut self, count_max: usize) -> Vec<Superseded> {
        let mut dropped = Vec::new();
        let young = now_seconds().saturating_sub(self.history.age_max.as_secs());
        while dropped.len() < count_max
            && let Some(row) = self.superseded.front().copied()
            && (self.superseded.len() > self.history.rows_max
                || self.superseded_bytes > self.history.bytes_max
                || row.at < young)
        {
            self.superseded.pop_front();
            self.superseded_bytes -= row.bytes;
            self.floor = self.floor.max(row.by);
            dropped.push(row);
        }
        dropped
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
            let (_, place, key, revision) = first;
            let collection = CollectionId(place as u32);
            let expected = Expected::At(revision);
            self.add(
                &mut batch,
                Write { collection, key, expected, change: Change::Delete, ttl_seconds: None },
                None,
            );
        }
        let (last, has_rows) = (self.last, !batch.rows.is_empty());
        self.commit(batch);
        if has_rows && self.last < last {
            // There was no space; their time comes again.
            self.expiring.extend(due);
        }
    }
}

pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
