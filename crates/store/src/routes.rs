//! Which watchers want what: an event is looked up by what it is, so that it costs only those who want it.

use crate::object::Object;
use crate::watch::{Event, Interest};
use pintle_object::Text;
use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Events that may wait for one selective watcher; one that is further behind is told to begin anew.
const WAITING_MAX: usize = 4096;

type Queues = Vec<Arc<Queue>>;

/// Selective watchers by the most selective thing that they ask for: a name, then a field, then a namespace.
#[derive(Default)]
pub(crate) struct Routes {
    /// By name, then by namespace, which is empty for all namespaces.
    names: HashMap<Text, HashMap<Text, Queues>>,
    /// By the field's place, then by its value.
    fields: HashMap<usize, HashMap<Text, Queues>>,
    namespaces: HashMap<Text, Queues>,
}

/// What waits for one selective watcher: places in the log, so that a slow watcher keeps no objects alive.
pub(crate) struct Queue {
    pub interest: Interest,
    waiting: Mutex<Waiting>,
    pub notify: Notify,
}

#[derive(Default)]
pub(crate) struct Waiting {
    pub places: VecDeque<u64>,
    pub is_too_slow: bool,
}

impl Routes {
    pub fn add(&mut self, queue: &Arc<Queue>) {
        let Interest { namespace, name, field } = queue.interest.clone();
        let namespace = namespace.unwrap_or_default();
        let queues = match (name, field) {
            (Some(name), _) => self.names.entry(name).or_default().entry(namespace).or_default(),
            (None, Some((place, value))) => self.fields.entry(place).or_default().entry(value).or_default(),
            (None, None) => self.namespaces.entry(namespace).or_default(),
        };
        queues.push(queue.clone());
    }

    pub fn remove(&mut self, queue: &Arc<Queue>) {
        let Interest { namespace, name, field } = &queue.interest;
        let namespace = namespace.as_deref().unwrap_or_default();
        match (name, field) {
            (Some(name), _) => remove_below(&mut self.names, name.as_str(), namespace, queue),
            (None, Some((place, value))) => remove_below(&mut self.fields, place, value, queue),
            (None, None) => remove(&mut self.namespaces, namespace, queue),
        }
    }

    /// Tells those who want an event where in the log it stands.
    pub fn deliver(&self, event: &Event, place: u64) {
        let push = |queues: Option<&Queues>| {
            queues
                .into_iter()
                .flatten()
                .filter(|queue| queue.interest.wants(event))
                .for_each(|queue| queue.push(place));
        };
        let digest = &event.object.digest;
        // The previous state has the same key, hence the same name and namespace.
        if let Some(named) = self.names.get(&digest.name) {
            push(named.get(&digest.namespace));
            if !digest.namespace.is_empty() {
                push(named.get(""));
            }
        }
        push(self.namespaces.get(&digest.namespace));
        for (field, values) in &self.fields {
            let value = field_of(&event.object, *field);
            let previous = event.previous.as_deref().and_then(|previous| field_of(previous, *field));
            push(value.and_then(|value| values.get(value)));
            if previous != value {
                push(previous.and_then(|previous| values.get(previous)));
            }
        }
    }

    /// Tells everybody to begin anew.
    pub fn fail(&self) {
        let named = self.names.values().flat_map(HashMap::values);
        let by_field = self.fields.values().flat_map(HashMap::values);
        for queue in named.chain(by_field).chain(self.namespaces.values()).flatten() {
            queue.waiting().fail();
            queue.notify.notify_one();
        }
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.fields.is_empty() && self.namespaces.is_empty()
    }
}

fn field_of(object: &Object, place: usize) -> Option<&Text> {
    object.digest.fields.get(place)
}

fn remove<K: Borrow<Q> + Eq + Hash, Q: ?Sized + Eq + Hash>(
    map: &mut HashMap<K, Queues>,
    key: &Q,
    queue: &Arc<Queue>,
) {
    let Some(queues) = map.get_mut(key) else { return };
    queues.retain(|other| !Arc::ptr_eq(other, queue));
    if queues.is_empty() {
        map.remove(key);
    }
}

fn remove_below<K: Borrow<Q> + Eq + Hash, Q: ?Sized + Eq + Hash>(
    map: &mut HashMap<K, HashMap<Text, Queues>>,
    key: &Q,
    below: &str,
    queue: &Arc<Queue>,
) {
    let Some(inner) = map.get_mut(key) else { return };
    remove(inner, below, queue);
    if inner.is_empty() {
        map.remove(key);
    }
}

impl Waiting {
    /// From now on the watcher is told nothing but that it is too slow.
    pub fn fail(&mut self) {
        *self = Waiting { is_too_slow: true, ..Waiting::default() };
    }
}

impl Queue {
    pub fn new(interest: Interest) -> Queue {
        Queue { interest, waiting: Mutex::default(), notify: Notify::new() }
    }

    pub fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, place: u64) {
        let mut waiting = self.waiting();
        if waiting.places.len() >= WAITING_MAX {
            waiting.fail();
        }
        if !waiting.is_too_slow {
            waiting.places.push_back(place);
        }
        drop(waiting);
        self.notify.notify_one();
    }
}
