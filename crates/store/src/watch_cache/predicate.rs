//! Predicates: the objects that a watcher follows.

use crate::object::Object;
use crate::watch_cache::event::Event;
use pintle_object::Text;
use std::fmt;
use std::sync::Arc;

/// Conditions of a watched object. An event is dispatched when the object or its previous state matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchPredicate {
    pub namespace: Option<Text>,
    pub name: Option<Text>,
    /// A selectable field, by its index in `Attrs::fields`, and the value it must have.
    pub field: Option<(usize, Text)>,
    /// The condition that is left besides.
    pub selector: Option<Selector>,
}

/// A condition on an object. Two with the same text are the same: it is evaluated once for all their watchers.
#[derive(Clone)]
pub struct Selector {
    pub text: Text,
    pub matches: Arc<dyn Fn(&Object) -> bool + Send + Sync>,
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Selector) -> bool {
        self.text == other.text
    }
}

impl Eq for Selector {}

impl WatchPredicate {
    pub fn matches(&self, object: &Object) -> bool {
        let attrs = &object.attrs;
        self.namespace.as_ref().is_none_or(|namespace| *namespace == attrs.namespace)
            && self.name.as_ref().is_none_or(|name| *name == attrs.name)
            && self.field.as_ref().is_none_or(|(index, value)| attrs.fields.get(*index) == Some(value))
            && self.selector.as_ref().is_none_or(|selector| (selector.matches)(object))
    }

    /// Whether the object of an event matches, or did before.
    pub fn matches_event(&self, event: &Event) -> bool {
        self.matches(&event.object) || event.previous.as_ref().is_some_and(|previous| self.matches(previous))
    }
}
