//! Policies and their bindings as they are stored, read once for each revision of them.
//!
//! A compiled policy is kept as long as that revision of the policy is stored and bound: the next state takes over
//! unchanged policies and drops the others.

use super::matching::MatchResources;
use crate::metrics::AdmissionMetrics;
use crate::request::Request;
use crate::view::Configurations;
use pintle_object::Value;
use pintle_object::meta;
use pintle_store::{Object, Snapshot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

/// The number of policies that are kept compiled; others are compiled for each request that they match. Programs take
/// some ten times the memory of their text.
const COMPILED_MAX: usize = 2_000;

/// A policy with its bindings.
pub struct Hook<E> {
    pub policy: Arc<Policy<E>>,
    pub bindings: Vec<Arc<Binding>>,
    is_kept: bool,
}

pub struct Policy<E> {
    pub object: Value,
    pub name: String,
    /// Whether failures are ignored (`failurePolicy: Ignore`).
    pub is_lenient: bool,
    pub constraints: Option<MatchResources>,
    stored: Arc<Object>,
    evaluator: OnceLock<Arc<E>>,
}

pub struct Binding {
    pub object: Value,
    pub name: String,
    policy: String,
    pub resources: Option<MatchResources>,
    stored: Arc<Object>,
}

impl<E> Hook<E> {
    /// The compiled policy.
    pub fn evaluator(&self, compile: fn(&Value) -> E, metrics: &AdmissionMetrics) -> Arc<E> {
        let compile = || {
            let begin = Instant::now();
            let evaluator = Arc::new(compile(&self.policy.object));
            metrics.compiled(begin.elapsed());
            evaluator
        };
        match self.is_kept {
            true => self.policy.evaluator.get_or_init(compile).clone(),
            false => compile(),
        }
    }
}

/// The hooks of one kind of policies.
pub struct PolicySource<E> {
    policies: &'static str,
    bindings: &'static str,
    state: Mutex<Arc<PolicySourceState<E>>>,
}

struct PolicySourceState<E> {
    of: Option<(Snapshot, Snapshot)>,
    policies: BTreeMap<String, Arc<Policy<E>>>,
    bindings: BTreeMap<String, Arc<Binding>>,
    hooks: Arc<Vec<Hook<E>>>,
}

impl<E> Default for PolicySourceState<E> {
    fn default() -> PolicySourceState<E> {
        PolicySourceState {
            of: None,
            policies: BTreeMap::new(),
            bindings: BTreeMap::new(),
            hooks: Arc::default(),
        }
    }
}

impl<E> PolicySource<E> {
    pub fn new(policies: &'static str, bindings: &'static str) -> PolicySource<E> {
        PolicySource { policies, bindings, state: Mutex::default() }
    }

    /// All policies that are bound, in the order of their names.
    pub fn hooks(&self, request: &Request<'_>) -> Arc<Vec<Hook<E>>> {
        let (Some(policies), Some(bindings)) =
            (request.view.configurations(self.policies), request.view.configurations(self.bindings))
        else {
            return Arc::default();
        };
        if bindings.snapshot.is_empty() || policies.snapshot.is_empty() {
            // Without policies or bindings no compiled policy is kept.
            let mut state = self.lock();
            if state.of.is_some() {
                *state = Arc::default();
            }
            return state.hooks.clone();
        }
        let known = self.lock().clone();
        let is_known = known.of.as_ref().is_some_and(|(of_policies, of_bindings)| {
            of_policies.is_same(&policies.snapshot) && of_bindings.is_same(&bindings.snapshot)
        });
        if is_known {
            return known.hooks.clone();
        }
        let next = Arc::new(PolicySourceState::after(&known, &policies, &bindings));
        *self.lock() = next.clone();
        next.hooks.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<PolicySourceState<E>>> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<E> PolicySourceState<E> {
    fn after(
        before: &PolicySourceState<E>,
        policies: &Configurations<'_>,
        bindings: &Configurations<'_>,
    ) -> PolicySourceState<E> {
        let mut next = PolicySourceState {
            of: Some((policies.snapshot.clone(), bindings.snapshot.clone())),
            ..PolicySourceState::default()
        };
        for object in bindings.objects() {
            let known =
                before.bindings.get(&*object.attrs.name).filter(|known| Arc::ptr_eq(&known.stored, object));
            let binding = known.cloned().or_else(|| Binding::read(bindings, object).map(Arc::new));
            if let Some(binding) = binding {
                next.bindings.insert(binding.name.clone(), binding);
            }
        }
        let mut bound: BTreeMap<&str, Vec<Arc<Binding>>> = BTreeMap::new();
        for binding in next.bindings.values() {
            bound.entry(&binding.policy).or_default().push(binding.clone());
        }
        let mut hooks = Vec::new();
        for object in policies.objects() {
            let Some(bindings) = bound.remove(&*object.attrs.name) else { continue };
            let known =
                before.policies.get(&*object.attrs.name).filter(|known| Arc::ptr_eq(&known.stored, object));
            let policy = known.cloned().or_else(|| Policy::read(policies, object).map(Arc::new));
            let Some(policy) = policy else { continue };
            let is_kept = hooks.len() < COMPILED_MAX;
            next.policies.insert(policy.name.clone(), policy.clone());
            hooks.push(Hook { policy, bindings, is_kept });
        }
        drop(bound);
        next.hooks = Arc::new(hooks);
        next
    }
}

impl<E> Policy<E> {
    fn read(from: &Configurations<'_>, stored: &Arc<Object>) -> Option<Policy<E>> {
        let object = from.tree(stored)?;
        let constraints = object.at(&["spec", "matchConstraints"]).filter(|of| !of.is_null());
        Some(Policy {
            name: meta::name(&object).to_owned(),
            is_lenient: object.str_at(&["spec", "failurePolicy"]) == "Ignore",
            constraints: constraints.map(MatchResources::from_value),
            stored: stored.clone(),
            evaluator: OnceLock::new(),
            object,
        })
    }
}

impl Binding {
    fn read(from: &Configurations<'_>, stored: &Arc<Object>) -> Option<Binding> {
        let object = from.tree(stored)?;
        let resources = object.at(&["spec", "matchResources"]).filter(|of| !of.is_null());
        Some(Binding {
            name: meta::name(&object).to_owned(),
            policy: object.str_at(&["spec", "policyName"]).to_owned(),
            resources: resources.map(MatchResources::from_value),
            stored: stored.clone(),
            object,
        })
    }
}
