//! The Node authorizer over the stored pods, volumes and other objects of its graph.

use super::informer::{Informer, Lagged};
use pintle_access::node::{Graph, NodeSource, POD_FIELDS, authorize, identity};
use pintle_access::rbac::Rule;
use pintle_access::{Authorizer, Decision, Rules, User};
use pintle_engine::Engine;
use pintle_object::{RequestInfo, Value};
use pintle_store::Object;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

/// Decides by a graph that it brings up to date before each decision about a node.
pub struct NodeAuthorizer {
    /// Source every node may do.
    rules: Vec<Rule>,
    engine: OnceLock<Weak<Engine>>,
    state: RwLock<GraphState>,
}

#[derive(Default)]
struct GraphState {
    graph: Graph,
    informers: Vec<(NodeSource, Informer)>,
}

const FOLLOWED: [(NodeSource, &str, &str); 5] = [
    (NodeSource::Pod, "", "pods"),
    (NodeSource::Volume, "", "persistentvolumes"),
    (NodeSource::Attachment, "storage.k8s.io", "volumeattachments"),
    (NodeSource::ResourceSlice, "resource.k8s.io", "resourceslices"),
    (NodeSource::PodCertificateRequest, "certificates.k8s.io", "podcertificaterequests"),
];

impl NodeAuthorizer {
    pub fn new(rules: Vec<Rule>) -> NodeAuthorizer {
        NodeAuthorizer { rules, engine: OnceLock::new(), state: RwLock::default() }
    }

    pub fn follow(&self, engine: &Arc<Engine>) {
        let _ = self.engine.set(Arc::downgrade(engine));
        self.renew(engine);
    }

    fn advance(&self) {
        if !self.state.read().unwrap_or_else(PoisonError::into_inner).is_behind() {
            return;
        }
        let Some(engine) = self.engine.get().and_then(Weak::upgrade) else { return };
        let caught_up = self.state.write().unwrap_or_else(PoisonError::into_inner).advance(&engine);
        if caught_up.is_err() {
            self.renew(&engine);
        }
    }

    fn renew(&self, engine: &Engine) {
        let mut state = GraphState::default();
        for (what, group, plural) in FOLLOWED {
            let informer = Informer::new(engine, group, plural);
            let informer = informer.map(|informer| match what {
                // There are many, and they are large.
                NodeSource::Pod => informer.only(engine, &POD_FIELDS),
                _ => informer,
            });
            state.graph.has_pod_certificates |=
                what == NodeSource::PodCertificateRequest && informer.is_some();
            state.informers.extend(informer.map(|informer| (what, informer)));
        }
        // A store that closes meanwhile leaves a graph without relations.
        if state.advance(engine).is_err() {
            state = GraphState::default();
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl GraphState {
    fn is_behind(&self) -> bool {
        self.informers.iter().any(|(_, informer)| informer.is_behind())
    }

    fn advance(&mut self, engine: &Engine) -> Result<(), Lagged> {
        let graph = &mut self.graph;
        for (what, informer) in &mut self.informers {
            informer.advance(engine, |object, tree| set(graph, *what, object, tree.as_ref()))?;
        }
        Ok(())
    }
}

fn set(graph: &mut Graph, what: NodeSource, object: &Object, tree: Option<&Value>) {
    let (namespace, name) = (&object.attrs.namespace, &object.attrs.name);
    match what {
        NodeSource::Pod => graph.set_pod(namespace, name, tree),
        NodeSource::Volume => graph.set_volume(name, tree),
        what => {
            graph.set_owner(what, namespace, name, tree.map_or("", |tree| tree.str_at(&["spec", "nodeName"])))
        }
    }
}

impl Authorizer for NodeAuthorizer {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        if identity(user).is_none() {
            return Decision::NoOpinion(String::new());
        }
        self.advance();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        authorize(&state.graph, &self.rules, user, info)
    }

    fn list_rules(&self, user: &User, _: &str, found: &mut Rules) {
        if identity(user).is_some() {
            found.is_incomplete = true;
            found.errors.push("node authorizer does not support user rule resolution".into());
        }
    }
}
