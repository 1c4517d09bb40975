//! `WatchEvent`: the change of an object as a selection of objects sees it.

use crate::read::selection::Selection;
use bytes::Bytes;
use pintle_store::{Event, EventKind, Object, Revision};
use std::sync::Arc;

/// An event of a watch: the change of an object.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    Added(Arc<Object>),
    Modified(Arc<Object>),
    /// The last state, at the revision at which the object went or left the selection.
    Deleted(Arc<Object>),
}

/// Bytes that an event takes besides its object, about.
const EVENT_BYTES: usize = 128;

impl WatchEvent {
    pub fn object(&self) -> &Arc<Object> {
        match self {
            WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => object,
        }
    }

    /// The same of another form of the object.
    pub fn with(self, object: Arc<Object>) -> WatchEvent {
        match self {
            WatchEvent::Added(_) => WatchEvent::Added(object),
            WatchEvent::Modified(_) => WatchEvent::Modified(object),
            WatchEvent::Deleted(_) => WatchEvent::Deleted(object),
        }
    }

    /// An event as this selection sees it: a change may bring an object in, or take it out.
    pub fn seen(event: &Event, selection: &Selection) -> Option<WatchEvent> {
        let object = &event.object;
        let is_in = selection.matches(object);
        let was_in = event.previous.as_ref().filter(|previous| selection.matches(previous));
        match (event.kind, is_in, was_in) {
            (EventKind::Deleted, true, _) => Some(WatchEvent::Deleted(object.clone())),
            (EventKind::Deleted, false, _) => None,
            (EventKind::Added | EventKind::Modified, true, Some(_)) => {
                Some(WatchEvent::Modified(object.clone()))
            }
            (EventKind::Added | EventKind::Modified, true, None) => Some(WatchEvent::Added(object.clone())),
            (EventKind::Added | EventKind::Modified, false, Some(previous)) => {
                Some(WatchEvent::Deleted(Arc::new(at_revision(previous, event.revision))))
            }
            (EventKind::Added | EventKind::Modified, false, None) => None,
        }
    }
}

/// The events that a selection sees, as `write` writes them.
pub(super) fn written(
    events: &[Arc<Event>],
    selection: &Selection,
    write: &mut dyn FnMut(&WatchEvent, &mut Vec<u8>),
) -> Bytes {
    let bytes: usize = events.iter().map(|event| event.object.value.len() * 2 + EVENT_BYTES).sum();
    let mut out = Vec::with_capacity(bytes);
    for watch_event in events.iter().filter_map(|event| WatchEvent::seen(event, selection)) {
        write(&watch_event, &mut out);
    }
    Bytes::from(out)
}

/// The state of an object as if it were of a later revision.
fn at_revision(object: &Object, revision: Revision) -> Object {
    Object::new(
        object.key.clone(),
        object.create_revision,
        revision,
        object.value.clone(),
        object.attrs.clone(),
    )
}
