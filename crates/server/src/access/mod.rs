//! Access, wired to the store: the authorizers of the command line, and what they follow.

mod follow;
mod node;
mod objects;
mod rbac;

pub use objects::StoredObjects;

use crate::request::Request;
use node::Node;
use pintle_access::abac::Abac;
use pintle_access::authorize::{AlwaysAllow, AlwaysDeny, Union};
use pintle_access::rbac::Rule;
use pintle_access::{Authorizer, Impersonation, Masters, Permissions, User, impersonate};
use pintle_engine::Engine;
use pintle_object::Status;
use rbac::Rbac;
use std::sync::Arc;

/// One of `--authorization-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Abac,
    AlwaysAllow,
    AlwaysDeny,
    Node,
    Rbac,
}

impl Mode {
    /// The mode of a name, if it is built.
    pub fn parse(name: &str) -> Option<Mode> {
        match name {
            "ABAC" => Some(Mode::Abac),
            "AlwaysAllow" => Some(Mode::AlwaysAllow),
            "AlwaysDeny" => Some(Mode::AlwaysDeny),
            "Node" => Some(Mode::Node),
            "RBAC" => Some(Mode::Rbac),
            _ => None,
        }
    }
}

/// Who may do what, as far as it is not asked of a single request.
pub struct Access {
    authorizer: Arc<Union>,
    rbac: Arc<Rbac>,
    node: Arc<Node>,
    impersonation: Impersonation,
}

impl Access {
    /// Made before the engine, whose admission asks it; until it follows one, only masters may act.
    /// `node_rules`: what every node may do.
    pub fn new(modes: &[Mode], node_rules: Vec<Rule>, abac: Abac) -> Access {
        let rbac = Arc::new(Rbac::default());
        let (node, abac) = (Arc::new(Node::new(node_rules)), Arc::new(abac));
        let mut authorizers: Vec<Arc<dyn Authorizer>> = vec![Arc::new(Masters)];
        for mode in modes {
            match mode {
                Mode::Abac => authorizers.push(abac.clone()),
                Mode::AlwaysAllow => authorizers.push(Arc::new(AlwaysAllow)),
                Mode::AlwaysDeny => authorizers.push(Arc::new(AlwaysDeny)),
                Mode::Node => authorizers.push(node.clone()),
                Mode::Rbac => authorizers.push(rbac.clone()),
            }
        }
        let authorizer = Arc::new(Union::new(authorizers));
        Access { authorizer, rbac, node, impersonation: Impersonation::default() }
    }

    /// Follows the roles and bindings of an engine's store from now on.
    pub fn follow(&self, engine: &Arc<Engine>) {
        self.rbac.follow(engine);
        self.node.follow(engine);
    }

    pub fn authorizer(&self) -> &dyn Authorizer {
        self.authorizer.as_ref()
    }

    /// What admission asks.
    pub fn permissions(&self) -> Permissions {
        Permissions { authorizer: self.authorizer.clone(), grants: self.rbac.clone() }
    }

    /// The user that a request acts as, when it asks for another than its own.
    pub fn act_as(&self, user: &User, request: &Request) -> Result<Option<User>, Status> {
        let headers = request.headers.iter();
        let texts = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("")));
        match impersonate::wanted(texts)? {
            Some(wanted) => {
                let attributes = request.attributes();
                self.impersonation.act_as(self.authorizer(), user, &wanted, &attributes).map(Some)
            }
            None => Ok(None),
        }
    }
}
