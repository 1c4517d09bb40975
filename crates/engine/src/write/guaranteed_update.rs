//! The one compare-and-swap loop (upstream: `GuaranteedUpdate`): reads the current state of a key, lets an update
//! compute the next one, commits it, and starts again after a conflict.
//!
//! ```text
//! current --next--> change --commit--> done --> answer
//!    ^                        |
//!    +------- undo <----- conflict
//! ```

use crate::engine::Engine;
use crate::request::write_context::WriteContext;
use crate::resource::ObjectRef;
use crate::spans;
use crate::write::failure::store_failed;
use bytes::Bytes;
use pintle_object::{Status, Value};
use pintle_store::{Attrs, Change, CollectionId, CommitError, Key, Object, Precondition, Write};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// Attempts before a write that is overtaken again and again gives up; each one lost means that another won.
const ATTEMPTS_MAX: usize = 1000;

/// The change of one key, computed from its current value (upstream: `UpdateFunc`).
pub trait UpdateFn: Send {
    type Answer: Send;

    /// The next state of the key, or an answer where nothing is to be written.
    fn next(
        &mut self,
        engine: &Engine,
        current: Option<&Arc<Object>>,
    ) -> impl Future<Output = Result<Next<Self::Answer>, Status>> + Send;

    /// The answer about the stored or deleted object, in a dry run the one that would be. `None` to go on with the next
    /// attempt.
    fn done(
        &mut self,
        engine: &Engine,
        stored: Arc<Object>,
    ) -> impl Future<Output = Result<Option<Self::Answer>, Status>> + Send;

    /// Releases reservations of a write that did not happen. An answer, or a refusal, ends the attempts.
    fn undo(
        &mut self,
        _engine: &Engine,
        _error: &CommitError,
    ) -> impl Future<Output = Result<Option<Self::Answer>, Status>> + Send {
        std::future::ready(Ok(None))
    }

    /// Hears since when the store was at work on a commit that has ended.
    fn stored_since(&self, _began: Instant) {}

    /// The object to store in place of one that is too large.
    fn leaner(&mut self, _engine: &Engine) -> impl Future<Output = Option<(Bytes, Attrs)>> + Send {
        std::future::ready(None)
    }
}

/// The outcome of looking at the current state.
pub enum Next<A> {
    Put(Bytes, Attrs),
    Delete,
    Answer(A),
    /// Another server was quicker with the other keys that the write needs.
    Again,
}

/// A key, and how it is written.
pub struct Swap<'a> {
    pub collection: CollectionId,
    pub key: &'a str,
    pub ttl_seconds: Option<u64>,
    /// Nothing is written, and the answer is as if it were.
    pub dry_run: bool,
    /// Whether the key must not exist, which only the commit decides on a shared store. A refusal counts at once, even
    /// if another server has changed the state that it was based on.
    pub is_create: bool,
}

impl Engine {
    /// Updates a stored object.
    pub(crate) async fn guaranteed_update<U: UpdateFn>(
        &self,
        target: &ObjectRef<'_>,
        dry_run: bool,
        update: &mut U,
    ) -> Result<U::Answer, Status> {
        let served = target.served;
        target.check_name()?;
        let collection = served.collection().ok_or_else(|| target.missing())?;
        let key = target.key();
        let ttl_seconds = self.ttl_seconds(served);
        let swap = Swap { collection, key: &key, ttl_seconds, dry_run, is_create: false };
        let answer = self.compare_and_swap(&swap, update).await?;
        answer.ok_or_else(|| Status::stale(&served.group_resource(), target.name))
    }

    /// Updates a key. `None` when other writes came in between again and again.
    pub async fn compare_and_swap<U: UpdateFn>(
        &self,
        swap: &Swap<'_>,
        update: &mut U,
    ) -> Result<Option<U::Answer>, Status> {
        let is_shared = self.store.is_shared();
        let mut is_current = !is_shared || swap.is_create;
        let looks = !(is_shared && swap.is_create) || swap.dry_run;
        for _ in 0..ATTEMPTS_MAX {
            let current = looks.then(|| self.store.get(swap.collection, swap.key)).flatten();
            let change = match update.next(self, current.as_ref()).await {
                Ok(Next::Put(value, attrs)) => Change::Put { value, attrs },
                Ok(Next::Delete) => Change::Delete,
                Ok(Next::Answer(answer)) => return Ok(Some(answer)),
                Ok(Next::Again) => continue,
                // A write without an answer may have happened, and would conflict with its own retry. A webhook that
                // has refused is not called twice.
                Err(status) if is_current || status.code >= 500 || status.foreign.is_some() => {
                    return Err(status);
                }
                // The refusal may come from a state that another server has changed.
                Err(_) => {
                    self.store.wait_for_latest().await.map_err(store_failed)?;
                    is_current = true;
                    continue;
                }
            };
            let answer = match self.swap(swap, current, change, update).await {
                Ok(stored) => update.done(self, stored).await?,
                Err(error) => {
                    let answer = if error.is_undone() { update.undo(self, &error).await? } else { None };
                    if answer.is_none() && !error.is_conflict() {
                        return Err(store_failed(error));
                    }
                    answer
                }
            };
            if answer.is_some() {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// Commits a change of the current value, once.
    async fn swap<U: UpdateFn>(
        &self,
        swap: &Swap<'_>,
        current: Option<Arc<Object>>,
        change: Change,
        update: &mut U,
    ) -> Result<Arc<Object>, CommitError> {
        if swap.dry_run {
            return Ok(rehearsed(swap.key, current, change));
        }
        // A write without a change makes no revision and no event, unless it encrypts with another key.
        if let (Change::Put { value, .. }, Some(current)) = (&change, &current)
            && *value == current.value
            && !self.store.is_stale(current)
        {
            return Ok(current.clone());
        }
        let precondition = current
            .map_or(Precondition::NotExists, |current| Precondition::ModRevision(current.mod_revision));
        let write = |change| Write {
            collection: swap.collection,
            key: Key::new(swap.key),
            precondition,
            change,
            ttl_seconds: swap.ttl_seconds,
        };
        let began = Instant::now();
        let result = spans::committed(swap.is_create, self.store.commit(write(change))).await;
        update.stored_since(began);
        if !matches!(result, Err(CommitError::TooLarge(_))) {
            return result;
        }
        match update.leaner(self).await {
            Some((value, attrs)) => self.store.commit(write(Change::Put { value, attrs })).await,
            None => result,
        }
    }
}

/// The object that a commit would return.
fn rehearsed(key: &str, current: Option<Arc<Object>>, change: Change) -> Arc<Object> {
    let revisions = current.as_ref().map(|current| (current.create_revision, current.mod_revision));
    let (create_revision, mod_revision) = revisions.unwrap_or_default();
    match (change, current) {
        (Change::Put { value, attrs }, _) => {
            Arc::new(Object::new(Key::new(key), create_revision, mod_revision, value, attrs))
        }
        (Change::Delete, Some(current)) => current,
        (Change::Delete, None) => Arc::new(Object::new(
            Key::new(key),
            create_revision,
            mod_revision,
            Bytes::new(),
            Attrs::default(),
        )),
    }
}

/// A change of a stored object past its kind's rules for updates and past admission.
struct Rewrite<'a, F> {
    target: &'a ObjectRef<'a>,
    change: F,
}

impl<F: FnMut(&mut Value) -> Result<(), Status> + Send> UpdateFn for Rewrite<'_, F> {
    type Answer = ();

    async fn next(&mut self, engine: &Engine, current: Option<&Arc<Object>>) -> Result<Next<()>, Status> {
        let served = self.target.served;
        let mut object = engine.storage_tree(served, current.ok_or_else(|| self.target.missing())?)?;
        (self.change)(&mut object)?;
        let (value, attrs) = engine.encode_stored(served, &mut object).await?;
        Ok(Next::Put(value, attrs))
    }

    async fn done(&mut self, _: &Engine, _: Arc<Object>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}

impl Engine {
    /// Changes a stored object for the server itself, without admission and the rules of updates.
    pub(crate) async fn rewrite(
        &self,
        target: &ObjectRef<'_>,
        context: &WriteContext<'_>,
        change: impl FnMut(&mut Value) -> Result<(), Status> + Send,
    ) -> Result<(), Status> {
        self.guaranteed_update(target, context.dry_run, &mut Rewrite { target, change }).await
    }
}
