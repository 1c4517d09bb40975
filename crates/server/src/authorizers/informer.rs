//! `Informer`: follows the changes of one resource, and applies them when it is asked.
//!
//! Decisions from stored objects apply all changes first. So a decision is never older than the last answered write,
//! and no task runs in between.

use pintle_engine::{Engine, ServedResource};
use pintle_object::Value;
use pintle_schema::decode::Pick;
use pintle_store::{CollectionId, EventKind, Object, WatchFrom, WatchItem, WatchPredicate, Watcher};
use std::sync::Arc;

pub struct Informer {
    served: Arc<ServedResource>,
    watcher: Watcher,
    /// The part of each object that is decoded; all of it if absent.
    pick: Option<Pick>,
}

/// The informer lagged and has to start again: its state may be wrong.
pub struct Lagged;

impl Informer {
    /// Begins with everything that is stored; none when the resource is not served.
    pub fn new(engine: &Engine, group: &str, plural: &str) -> Option<Informer> {
        let served = engine.find_any(group, plural)?;
        let collection: CollectionId = served.collection()?;
        let watcher =
            engine.store.watch(collection, WatchFrom::InitialState, WatchPredicate::default()).ok()?;
        Some(Informer { served, watcher, pick: None })
    }

    /// Decodes only the fields at these paths.
    pub fn only(self, engine: &Engine, paths: &[&[&str]]) -> Informer {
        let pick = Pick::new(&engine.api.schema, self.served.storage_ty, paths.iter().copied());
        Informer { pick: Some(pick), ..self }
    }

    pub fn is_behind(&self) -> bool {
        self.watcher.is_behind()
    }

    /// Calls back with the current state of every object that changed: its tree, or none when it is gone.
    pub fn advance(
        &mut self,
        engine: &Engine,
        mut tell: impl FnMut(&Object, Option<Value>),
    ) -> Result<(), Lagged> {
        while let Some(step) = self.watcher.try_next() {
            match step {
                WatchItem::Event(event) if event.kind == EventKind::Deleted => tell(&event.object, None),
                WatchItem::Event(event) => {
                    // An object that cannot be read grants nothing.
                    let (served, object) = (&self.served, &event.object);
                    let tree = match &self.pick {
                        Some(pick) => engine.picked_tree(served, pick, object),
                        None => engine.storage_tree(served, object),
                    };
                    tell(object, tree.ok());
                }
                WatchItem::InitialEventsEnd(_) => {}
                WatchItem::Lagged | WatchItem::Closed => return Err(Lagged),
            }
        }
        Ok(())
    }
}
