//! The webhooks of all stored configurations of a kind, read once for each state of them.

use super::Kind;
use super::accessor::Webhook;
use crate::request::Request;
use crate::view::Configurations;
use pintle_engine::meta;
use pintle_store::{Object, Snapshot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub struct Source {
    kind: Kind,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    of: Option<Snapshot>,
    configurations: BTreeMap<String, (Arc<Object>, Vec<Arc<Webhook>>)>,
    webhooks: Arc<Vec<Arc<Webhook>>>,
}

impl Source {
    pub fn new(kind: Kind) -> Source {
        Source { kind, state: Mutex::default() }
    }

    /// In the order of the names of configurations, and of webhooks in each.
    pub fn webhooks(&self, request: &Request<'_>) -> Arc<Vec<Arc<Webhook>>> {
        let Some(stored) = request.view.configurations(self.kind.plural) else { return Arc::default() };
        let known = self.lock();
        if known.of.as_ref().is_some_and(|of| of.is_same(&stored.snapshot)) {
            return known.webhooks.clone();
        }
        let before = known.clone();
        drop(known);
        let next = self.after(&before, &stored);
        let webhooks = next.webhooks.clone();
        *self.lock() = next;
        webhooks
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn after(&self, before: &State, stored: &Configurations<'_>) -> State {
        let mut next = State { of: Some(stored.snapshot.clone()), ..State::default() };
        let mut all = Vec::new();
        for object in stored.objects() {
            let name = object.attrs.name.to_string();
            let known = before.configurations.get(&name).filter(|(known, _)| Arc::ptr_eq(known, object));
            let webhooks = match known {
                Some((_, webhooks)) => webhooks.clone(),
                None => self.read(stored, object),
            };
            all.extend(webhooks.iter().cloned());
            next.configurations.insert(name, (object.clone(), webhooks));
        }
        next.webhooks = Arc::new(all);
        next
    }

    fn read(&self, stored: &Configurations<'_>, object: &Object) -> Vec<Arc<Webhook>> {
        let Some(tree) = stored.tree(object) else { return Vec::new() };
        let webhooks = tree.list_at(&["webhooks"]).iter();
        webhooks.map(|of| Arc::new(Webhook::read(self.kind, meta::name(&tree), of))).collect()
    }
}
