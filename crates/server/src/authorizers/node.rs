//! The Node authorizer over the stored pods, volumes and what else nodes have to do with.

use super::follow::{Follower, Lost};
use pintle_access::node::{Graph, POD_FIELDS, What, decide, identity};
use pintle_access::rbac::Rule;
use pintle_access::{Attributes, Authorizer, Decision, Rules, User};
use pintle_engine::Engine;
use pintle_object::Value;
use pintle_store::Object;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

/// Decides by a graph that it brings up to date before each decision about a node.
pub struct Node {
    /// What every node may do.
    rules: Vec<Rule>,
    engine: OnceLock<Weak<Engine>>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    graph: Graph,
    followers: Vec<(What, Follower)>,
}

const FOLLOWED: [(What, &str, &str); 5] = [
    (What::Pod, "", "pods"),
    (What::Volume, "", "persistentvolumes"),
    (What::Attachment, "storage.k8s.io", "volumeattachments"),
    (What::ResourceSlice, "resource.k8s.io", "resourceslices"),
    (What::PodCertificateRequest, "certificates.k8s.io", "podcertificaterequests"),
];

impl Node {
    pub fn new(rules: Vec<Rule>) -> Node {
        Node { rules, engine: OnceLock::new(), state: RwLock::default() }
    }

    pub fn follow(&self, engine: &Arc<Engine>) {
        let _ = self.engine.set(Arc::downgrade(engine));
        self.renew(engine);
    }

    fn catch_up(&self) {
        if !self.state.read().unwrap_or_else(PoisonError::into_inner).is_behind() {
            return;
        }
        let Some(engine) = self.engine.get().and_then(Weak::upgrade) else { return };
        let caught_up = self.state.write().unwrap_or_else(PoisonError::into_inner).catch_up(&engine);
        if caught_up.is_err() {
            self.renew(&engine);
        }
    }

    fn renew(&self, engine: &Engine) {
        let mut state = State::default();
        for (what, group, plural) in FOLLOWED {
            let follower = Follower::new(engine, group, plural);
            let follower = follower.map(|follower| match what {
                // There are many, and they are large.
                What::Pod => follower.only(engine, &POD_FIELDS),
                _ => follower,
            });
            state.graph.has_pod_certificates |= what == What::PodCertificateRequest && follower.is_some();
            state.followers.extend(follower.map(|follower| (what, follower)));
        }
        // A store that closes meanwhile leaves a graph without relations.
        if state.catch_up(engine).is_err() {
            state = State::default();
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl State {
    fn is_behind(&self) -> bool {
        self.followers.iter().any(|(_, follower)| follower.is_behind())
    }

    fn catch_up(&mut self, engine: &Engine) -> Result<(), Lost> {
        let graph = &mut self.graph;
        for (what, follower) in &mut self.followers {
            follower.catch_up(engine, |object, tree| set(graph, *what, object, tree.as_ref()))?;
        }
        Ok(())
    }
}

fn set(graph: &mut Graph, what: What, object: &Object, tree: Option<&Value>) {
    let (namespace, name) = (&object.attrs.namespace, &object.attrs.name);
    match what {
        What::Pod => graph.set_pod(namespace, name, tree),
        What::Volume => graph.set_volume(name, tree),
        what => {
            graph.set_owner(what, namespace, name, tree.map_or("", |tree| tree.str_at(&["spec", "nodeName"])))
        }
    }
}

impl Authorizer for Node {
    fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Decision {
        if identity(user).is_none() {
            return Decision::NoOpinion(String::new());
        }
        self.catch_up();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        decide(&state.graph, &self.rules, user, attributes)
    }

    fn list_rules(&self, user: &User, _: &str, found: &mut Rules) {
        if identity(user).is_some() {
            found.is_incomplete = true;
            found.errors.push("node authorizer does not support user rule resolution".into());
        }
    }
}
