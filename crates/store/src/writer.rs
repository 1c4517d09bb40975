//! The one thread that writes: it takes all waiting writes, checks each, makes the batch durable with one sync,
//! publishes it in the order of revisions, and only then answers.

use crate::backend::{Backend, Row};
use crate::collection::{self, Collection, CollectionId};
use crate::object::{Digest, Key, Object, Revision};
use crate::snapshot::Snapshot;
use crate::watch::Event;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{oneshot, watch};

/// Writes that share one sync at most; more wait for the next.
const BATCH_MAX: usize = 1024;
/// Bytes that share one sync at most.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Superseded rows that stay in the log, so that watches can go on after a restart.
const HISTORY_MAX: usize = 10_000;
/// Rows that one batch drops at most, so that no batch pays for many.
const DROPPED_MAX: usize = 512;
/// How often objects with an end of life are looked at.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

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
    /// The disk failed, and nothing is written any more.
    ReadOnly(String),
}

pub(crate) type Answer = Result<Arc<Object>, CommitError>;

pub(crate) enum Request {
    Write(Box<Write>, oneshot::Sender<Answer>),
    Close(oneshot::Sender<()>),
}

pub(crate) type Collections = Arc<RwLock<Vec<Arc<Collection>>>>;

pub(crate) struct Writer {
    pub backend: Box<dyn Backend>,
    pub collections: Collections,
    pub published: Arc<AtomicU64>,
    pub reached: watch::Sender<u64>,
    pub last: Revision,
    pub floor: Revision,
    /// Rows that are no longer the latest of their key, with the revision that superseded them.
    pub superseded: VecDeque<(Revision, Revision)>,
    /// Objects with an end of life: when, which collection, which key, and at which revision.
    pub expiring: BTreeSet<(u64, usize, Key, Revision)>,
    pub failure: Option<String>,
}

/// A batch in the making.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    bytes: usize,
    states: HashMap<usize, (Snapshot, Vec<Arc<Event>>)>,
    superseded: Vec<(Revision, Revision)>,
    expiring: Vec<(u64, usize, Key, Revision)>,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

impl Writer {
    pub fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(EXPIRY_INTERVAL) {
                Ok(Request::Write(write, answer)) => {
                    if let Some(closed) = self.batch(requests, *write, answer) {
                        return self.close(closed);
                    }
                }
                Ok(Request::Close(closed)) => return self.close(closed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.expire();
        }
        let _ = self.backend.close();
    }

    fn close(mut self, closed: oneshot::Sender<()>) {
        let _ = self.backend.close();
        let _ = closed.send(());
    }

    /// Collects what waits, up to a batch's bounds, and commits it.
    fn batch(
        &mut self,
        requests: &Receiver<Request>,
        first: Write,
        answer: oneshot::Sender<Answer>,
    ) -> Option<oneshot::Sender<()>> {
        let mut batch = Batch::default();
        let mut closed = None;
        self.add(&mut batch, first, Some(answer));
        while batch.rows.len() < BATCH_MAX && batch.bytes < BATCH_BYTES_MAX {
            match requests.try_recv() {
                Ok(Request::Write(write, answer)) => self.add(&mut batch, *write, Some(answer)),
                Ok(Request::Close(sender)) => {
                    closed = Some(sender);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        self.commit(batch);
        closed
    }

    /// Checks one write against the state that the writes before it in the batch leave.
    fn add(&mut self, batch: &mut Batch, write: Write, answer: Option<oneshot::Sender<Answer>>) {
        let result = match &self.failure {
            Some(failure) => Err(CommitError::ReadOnly(failure.clone())),
            None => self.stage(batch, write),
        };
        if let Some(answer) = answer {
            batch.answers.push((answer, result));
        }
    }

    fn stage(&mut self, batch: &mut Batch, write: Write) -> Answer {
        let place = write.collection.0 as usize;
        let collection = self.collection(place).ok_or(CommitError::Missing)?;
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
        self.last = Revision(self.last.0 + 1);
        let revision = self.last;
        let created = previous.as_ref().map_or(revision, |previous| previous.created);
        let (object, value) = match (write.change, &previous) {
            (Change::Put { value, digest }, _) => {
                (Object::new(write.key.clone(), created, revision, value.clone(), digest), Some(value))
            }
            (Change::Delete, Some(previous)) => (previous.at(revision), None),
            (Change::Delete, None) => return Err(CommitError::Missing),
        };
        let object = Arc::new(object);
        let expires =
            write.ttl_seconds.filter(|_| value.is_some()).map(|ttl| now_seconds().saturating_add(ttl));
        batch.expiring.extend(expires.map(|at| (at, place, write.key.clone(), revision)));
        if let Some(previous) = &previous {
            batch.superseded.push((previous.modified, revision));
        }
        if value.is_none() {
            snapshot.objects.remove(write.key.as_str());
            batch.superseded.push((revision, revision));
        } else {
            snapshot.objects.insert(write.key.clone(), object.clone());
        }
        snapshot.revision = revision;
        events.push(collection::event(object.clone(), previous, value.is_none()));
        batch.bytes += value.as_ref().map_or(0, Bytes::len);
        batch.rows.push(Row { revision, key: write.key.as_str().into(), created, value, expires });
        Ok(object)
    }

    fn commit(&mut self, batch: Batch) {
        let Batch { rows, states, superseded, expiring, mut answers, .. } = batch;
        if !rows.is_empty() {
            self.superseded.extend(superseded);
            let dropped = self.droppable();
            match self.backend.append(&rows, &dropped, self.floor) {
                Ok(()) => {
                    self.expiring.extend(expiring);
                    self.publish(states);
                }
                Err(error) => {
                    // What the disk holds is unknown now: nothing may be acknowledged, nothing more written.
                    let failure = format!("the store failed and takes no more writes: {error}");
                    self.failure = Some(failure.clone());
                    for (_, answer) in answers.iter_mut().filter(|(_, answer)| answer.is_ok()) {
                        *answer = Err(CommitError::ReadOnly(failure.clone()));
                    }
                }
            }
        }
        for (sender, answer) in answers {
            // Who asked may be gone; the write stands.
            let _ = sender.send(answer);
        }
    }

    fn publish(&mut self, states: HashMap<usize, (Snapshot, Vec<Arc<Event>>)>) {
        for (place, (snapshot, events)) in states {
            if events.is_empty() {
                continue;
            }
            if let Some(collection) = self.collection(place) {
                collection.publish(snapshot, events);
            }
        }
        self.published.store(self.last.0, Ordering::Release);
        self.reached.send_replace(self.last.0);
    }

    /// The oldest superseded rows beyond the history that is kept.
    fn droppable(&mut self) -> Vec<Revision> {
        let excess = self.superseded.len().saturating_sub(HISTORY_MAX).min(DROPPED_MAX);
        let dropped: Vec<(Revision, Revision)> = self.superseded.drain(..excess).collect();
        if let Some((_, superseding)) = dropped.last() {
            self.floor = self.floor.max(*superseding);
        }
        dropped.into_iter().map(|(revision, _)| revision).collect()
    }

    /// Deletes objects whose time has come, as ordinary deletions.
    fn expire(&mut self) {
        let now = now_seconds();
        let mut batch = Batch::default();
        while batch.rows.len() < BATCH_MAX
            && let Some((_, place, key, revision)) =
                self.expiring.first().filter(|(at, ..)| *at <= now).cloned()
        {
            self.expiring.pop_first();
            let collection = CollectionId(place as u32);
            let expected = Expected::At(revision);
            self.add(
                &mut batch,
                Write { collection, key, expected, change: Change::Delete, ttl_seconds: None },
                None,
            );
        }
        self.commit(batch);
    }

    fn collection(&self, place: usize) -> Option<Arc<Collection>> {
        self.collections.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(place).cloned()
    }
}

pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
