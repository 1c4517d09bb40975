//! The dispatcher: finds the watch groups of an event by its object, so that an event costs only those it is for.

use crate::object::Object;
use crate::watch_cache::event::Event;
use crate::watch_cache::predicate::WatchPredicate;
use crate::watch_cache::watch_group::WatchGroup;
use pintle_object::Text;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

type Groups = Vec<Arc<WatchGroup>>;

/// Groups by the most selective part of their predicate: a name, then a field, then a namespace.
#[derive(Default)]
pub(crate) struct Dispatcher {
    /// By name, then by namespace, which is empty for all namespaces.
    names: HashMap<Text, HashMap<Text, Groups>>,
    /// By the field's index, then by its value.
    fields: HashMap<usize, HashMap<Text, Groups>>,
    /// By namespace, which is empty for all namespaces.
    namespaces: HashMap<Text, Groups>,
}

impl Dispatcher {
    /// The group of a predicate, which is made for the first watcher.
    pub fn group(&mut self, predicate: &WatchPredicate) -> Arc<WatchGroup> {
        let namespace = predicate.namespace.clone().unwrap_or_default();
        let groups = match (&predicate.name, &predicate.field) {
            (Some(name), _) => self.names.entry(name.clone()).or_default().entry(namespace).or_default(),
            (None, Some((index, value))) => {
                self.fields.entry(*index).or_default().entry(value.clone()).or_default()
            }
            (None, None) => self.namespaces.entry(namespace).or_default(),
        };
        if let Some(group) = groups.iter().find(|group| group.predicate == *predicate) {
            return group.clone();
        }
        let group = Arc::new(WatchGroup::new(predicate.clone()));
        groups.push(group.clone());
        group
    }

    pub fn remove(&mut self, group: &Arc<WatchGroup>) {
        let WatchPredicate { namespace, name, field, .. } = &group.predicate;
        let namespace = namespace.as_deref().unwrap_or_default();
        match (name, field) {
            (Some(name), _) => remove_below(&mut self.names, name.as_str(), namespace, group),
            (None, Some((index, value))) => remove_below(&mut self.fields, index, value, group),
            (None, None) => remove(&mut self.namespaces, namespace, group),
        }
    }

    /// Adds an event, by its place in the log, to the groups that it matches. Those whose watchers have to be woken
    /// are added to `to_notify`.
    pub fn dispatch(&self, event: &Event, place: u64, log_start: u64, to_notify: &mut Groups) {
        let mut push = |groups: Option<&Groups>| {
            for group in groups.into_iter().flatten().filter(|group| group.predicate.matches_event(event)) {
                if group.push(place, log_start) {
                    to_notify.push(group.clone());
                }
            }
        };
        let attrs = &event.object.attrs;
        // The previous state has the same key, hence the same name and namespace.
        for namespace in scopes(&attrs.namespace) {
            push(self.namespaces.get(namespace));
        }
        if let Some(named) = self.names.get(&attrs.name) {
            scopes(&attrs.namespace).for_each(|namespace| push(named.get(namespace)));
        }
        for (field, values) in &self.fields {
            let value = field_of(&event.object, *field);
            let previous = event.previous.as_deref().and_then(|previous| field_of(previous, *field));
            push(value.and_then(|value| values.get(value)));
            if previous != value {
                push(previous.and_then(|previous| values.get(previous)));
            }
        }
    }

    pub fn groups(&self) -> impl Iterator<Item = &Arc<WatchGroup>> {
        let named = self.names.values().flat_map(HashMap::values);
        let by_field = self.fields.values().flat_map(HashMap::values);
        named.chain(by_field).chain(self.namespaces.values()).flatten()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.fields.is_empty() && self.namespaces.is_empty()
    }
}

/// A namespace, and the empty one, which means all.
fn scopes(namespace: &str) -> impl Iterator<Item = &str> {
    std::iter::once(namespace).filter(|namespace| !namespace.is_empty()).chain([""])
}

fn field_of(object: &Object, index: usize) -> Option<&Text> {
    object.attrs.fields.get(index)
}

fn remove<K: Borrow<Q> + Eq + Hash, Q: ?Sized + Eq + Hash>(
    map: &mut HashMap<K, Groups>,
    key: &Q,
    group: &Arc<WatchGroup>,
) {
    let Some(groups) = map.get_mut(key) else { return };
    groups.retain(|other| !Arc::ptr_eq(other, group));
    if groups.is_empty() {
        map.remove(key);
    }
}

fn remove_below<K: Borrow<Q> + Eq + Hash, Q: ?Sized + Eq + Hash>(
    map: &mut HashMap<K, HashMap<Text, Groups>>,
    key: &Q,
    below: &str,
    group: &Arc<WatchGroup>,
) {
    let Some(inner) = map.get_mut(key) else { return };
    remove(inner, below, group);
    if inner.is_empty() {
        map.remove(key);
    }
}
