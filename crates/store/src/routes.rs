//! Which watchers want what: an event is looked up by what it is, so that it costs only those who want it.

use crate::lane::Lane;
use crate::object::Object;
use crate::watch::{Event, Interest};
use pintle_object::Text;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

type Lanes = Vec<Arc<Lane>>;

/// Lanes by the most selective thing that they ask for: a name, then a field, then a namespace.
#[derive(Default)]
pub(crate) struct Routes {
    /// By name, then by namespace, which is empty for all namespaces.
    names: HashMap<Text, HashMap<Text, Lanes>>,
    /// By the field's place, then by its value.
    fields: HashMap<usize, HashMap<Text, Lanes>>,
    /// By namespace, which is empty for all namespaces.
    namespaces: HashMap<Text, Lanes>,
}

impl Routes {
    /// The lane of an interest, which is made when nobody else has it.
    pub fn lane(&mut self, interest: &Interest) -> Arc<Lane> {
        let namespace = interest.namespace.clone().unwrap_or_default();
        let lanes = match (&interest.name, &interest.field) {
            (Some(name), _) => self.names.entry(name.clone()).or_default().entry(namespace).or_default(),
            (None, Some((place, value))) => {
                self.fields.entry(*place).or_default().entry(value.clone()).or_default()
            }
            (None, None) => self.namespaces.entry(namespace).or_default(),
        };
        if let Some(lane) = lanes.iter().find(|lane| lane.interest == *interest) {
            return lane.clone();
        }
        let lane = Arc::new(Lane::new(interest.clone()));
        lanes.push(lane.clone());
        lane
    }

    pub fn remove(&mut self, lane: &Arc<Lane>) {
        let Interest { namespace, name, field, .. } = &lane.interest;
        let namespace = namespace.as_deref().unwrap_or_default();
        match (name, field) {
            (Some(name), _) => remove_below(&mut self.names, name.as_str(), namespace, lane),
            (None, Some((place, value))) => remove_below(&mut self.fields, place, value, lane),
            (None, None) => remove(&mut self.namespaces, namespace, lane),
        }
    }

    /// Puts an event, by its place in the log, on the lanes of those who want it. `silent` are the lanes whose
    /// watchers have to be told.
    pub fn deliver(&self, event: &Event, place: u64, log_start: u64, silent: &mut Lanes) {
        let mut push = |lanes: Option<&Lanes>| {
            for lane in lanes.into_iter().flatten().filter(|lane| lane.interest.wants(event)) {
                if lane.push(place, log_start) {
                    silent.push(lane.clone());
                }
            }
        };
        let digest = &event.object.digest;
        // The previous state has the same key, hence the same name and namespace.
        for namespace in spellings(&digest.namespace) {
            push(self.namespaces.get(namespace));
        }
        if let Some(named) = self.names.get(&digest.name) {
            spellings(&digest.namespace).for_each(|namespace| push(named.get(namespace)));
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

    pub fn lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        let named = self.names.values().flat_map(HashMap::values);
        let by_field = self.fields.values().flat_map(HashMap::values);
        named.chain(by_field).chain(self.namespaces.values()).flatten()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.fields.is_empty() && self.namespaces.is_empty()
    }
}

/// A namespace, and all of them.
fn spellings(namespace: &str) -> impl Iterator<Item = &str> {
    std::iter::once(namespace).filter(|namespace| !namespace.is_empty()).chain([""])
}

fn field_of(object: &Object, place: usize) -> Option<&Text> {
    object.digest.fields.get(place)
}

fn remove<K: Borrow<Q> + Eq + Hash, Q: ?Sized + Eq + Hash>(
    map: &mut HashMap<K, Lanes>,
    key: &Q,
    lane: &Arc<Lane>,
) {
    let Some(lanes) = map.get_mut(key) else { return };
    lanes.retain(|other| !Arc::ptr_eq(other, lane));
    if lanes.is_empty() {
        map.remove(key);
    }
}

fn remove_below<K: Borrow<Q> + Eq + Hash, Q: ?Sized + Eq + Hash>(
    map: &mut HashMap<K, HashMap<Text, Lanes>>,
    key: &Q,
    below: &str,
    lane: &Arc<Lane>,
) {
    let Some(inner) = map.get_mut(key) else { return };
    remove(inner, below, lane);
    if inner.is_empty() {
        map.remove(key);
    }
}
