//! Events: writes, as watchers see them.

use crate::object::{Object, Revision};
use std::sync::Arc;

/// The kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// One write. Of a deletion, `object` is the last state at the deletion's revision.
#[derive(Debug)]
pub struct Event {
    pub kind: EventKind,
    pub revision: Revision,
    pub object: Arc<Object>,
    pub previous: Option<Arc<Object>>,
}

impl Event {
    /// The event of an object that was put in the place of another, or of none.
    pub fn put(object: Arc<Object>, previous: Option<Arc<Object>>) -> Arc<Event> {
        debug_assert!(
            previous.as_ref().is_none_or(|previous| previous.mod_revision < object.mod_revision),
            "{} does not come after its previous state",
            object.key
        );
        let kind = if previous.is_none() { EventKind::Added } else { EventKind::Modified };
        Arc::new(Event { kind, revision: object.mod_revision, object, previous })
    }

    /// The event of a deletion at a revision.
    pub fn deletion(previous: Arc<Object>, revision: Revision) -> Arc<Event> {
        debug_assert!(previous.mod_revision < revision, "{} is deleted before it was written", previous.key);
        let object = Arc::new(previous.at(revision));
        Arc::new(Event { kind: EventKind::Deleted, revision, object, previous: Some(previous) })
    }

    /// The event that shows an object of an initial state.
    pub fn initial(object: Arc<Object>) -> Arc<Event> {
        Arc::new(Event { kind: EventKind::Added, revision: object.mod_revision, object, previous: None })
    }

    /// The bytes by which the current objects grew, and by which they shrank.
    pub fn growth(&self) -> (usize, usize) {
        let grown = if self.kind == EventKind::Deleted { 0 } else { self.object.size() };
        (grown, self.previous_bytes())
    }

    /// The bytes that the event alone keeps alive: its own, and those of the previous state.
    pub fn retained_bytes(&self) -> usize {
        size_of::<Event>() + self.previous_bytes()
    }

    fn previous_bytes(&self) -> usize {
        self.previous.as_ref().map_or(0, |previous| previous.size())
    }
}
