//! The webhooks of all stored configurations of a kind, read once for each state of them.

use super::accessor::Webhook;
use crate::metrics::AdmissionStep;
use crate::request::Request;
use crate::view::Configurations;
use pintle_object::meta;
use pintle_store::{Object, Snapshot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub struct WebhookSource {
    plural: &'static str,
    step: AdmissionStep,
    state: Mutex<WebhookSourceState>,
}

#[derive(Clone, Default)]
struct WebhookSourceState {
    of: Option<Snapshot>,
    configurations: BTreeMap<String, (Arc<Object>, Vec<Arc<Webhook>>)>,
    webhooks: Arc<Vec<Arc<Webhook>>>,
}

impl WebhookSource {
    pub fn new(plural: &'static str, step: AdmissionStep) -> WebhookSource {
        WebhookSource { plural, step, state: Mutex::default() }
    }

    /// In the order of the names of configurations, and of webhooks in each.
    pub fn webhooks(&self, request: &Request<'_>) -> Arc<Vec<Arc<Webhook>>> {
        let Some(stored) = request.view.configurations(self.plural) else { return Arc::default() };
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

    fn lock(&self) -> MutexGuard<'_, WebhookSourceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn after(&self, before: &WebhookSourceState, stored: &Configurations<'_>) -> WebhookSourceState {
        let mut next =
            WebhookSourceState { of: Some(stored.snapshot.clone()), ..WebhookSourceState::default() };
        let mut all = Vec::new();
        for object in stored.objects() {
            let name = object.attrs.name.to_string();
            let known = before.configurations.get(&name).filter(|(known, _)| Arc::ptr_eq(known, object));
            let webhooks = match known {
                Some((_, webhooks)) => webhooks.clone(),
                None => read(self.step, stored, object),
            };
            all.extend(webhooks.iter().cloned());
            next.configurations.insert(name, (object.clone(), webhooks));
        }
        next.webhooks = Arc::new(all);
        next
    }
}

/// The webhooks of one configuration.
fn read(step: AdmissionStep, stored: &Configurations<'_>, object: &Object) -> Vec<Arc<Webhook>> {
    let Some(tree) = stored.tree(object) else { return Vec::new() };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let webhooks = tree.list_at(&["webhooks"]).iter();
    let webhooks = webhooks.map(|of| {
        let count = counts.entry(of.str_at(&["name"]).to_owned()).or_default();
        *count += 1;
        Arc::new(Webhook::read(step, meta::name(&tree), *count - 1, of))
    });
    webhooks.collect()
}
