//! `Access`: the authorizers of the command line, with the stored objects that they depend on.

mod informer;
mod node;
mod objects;
mod rbac;

pub use objects::StoredObjects;

use crate::request::Request;
use arc_swap::ArcSwap;
use node::NodeAuthorizer;
use pintle_access::abac::Abac;
use pintle_access::authorization_webhook::AuthorizationWebhook;
use pintle_access::authorize::{AlwaysAllow, AlwaysDeny, Union, Waiting};
use pintle_access::rbac::Rule;
use pintle_access::{
    Authorizer, Decision, Impersonation, Permissions, PrivilegedGroup, Rules, User, authorize, impersonate,
};
use pintle_engine::Engine;
use pintle_object::{RequestInfo, Status};
use rbac::Rbac;
use std::sync::Arc;

/// One of `--authorization-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Abac,
    AlwaysAllow,
    AlwaysDeny,
    Node,
    Rbac,
    Webhook,
}

/// A configured authorizer of the chain.
pub enum ConfiguredAuthorizer {
    /// Of another mode than Webhook.
    Own(Mode),
    Webhook(Arc<AuthorizationWebhook>),
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
            "Webhook" => Some(Mode::Webhook),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Mode::Abac => "ABAC",
            Mode::AlwaysAllow => "AlwaysAllow",
            Mode::AlwaysDeny => "AlwaysDeny",
            Mode::Node => "Node",
            Mode::Rbac => "RBAC",
            Mode::Webhook => "Webhook",
        }
    }
}

/// The authorizers and impersonation of the server, with the stored objects that they follow.
pub struct Access {
    authorizer: Arc<dyn Authorizer>,
    current: Arc<Current>,
    rbac: Arc<Rbac>,
    node: Arc<NodeAuthorizer>,
    abac: Arc<Abac>,
    impersonation: Impersonation,
}

/// The current authorizers, which may be replaced while the server runs.
struct Current(ArcSwap<Union>);

impl Authorizer for Current {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        self.0.load().authorize(user, info)
    }

    fn at_hand(&self, user: &User, info: &RequestInfo) -> Option<Decision> {
        self.0.load().at_hand(user, info)
    }

    fn waits(&self) -> bool {
        self.0.load().waits()
    }

    fn wait<'a>(&'a self, user: &'a User, info: &'a RequestInfo) -> Option<Waiting<'a>> {
        let union = self.0.load_full();
        union.waits().then(|| -> Waiting<'a> {
            Box::pin(async move {
                match union.wait(user, info) {
                    Some(waiting) => waiting.await,
                    None => union.authorize(user, info),
                }
            })
        })
    }

    fn list_rules(&self, user: &User, namespace: &str, found: &mut Rules) {
        self.0.load().list_rules(user, namespace, found);
    }
}

impl Access {
    /// Made before the engine, whose admission uses it. Until it follows an engine, only `system:masters` may act.
    /// `node_rules`: the rights of every node.
    pub fn new(
        asked: Vec<ConfiguredAuthorizer>,
        node_rules: Vec<Rule>,
        abac: Abac,
        impersonation: Impersonation,
    ) -> Access {
        let current = Arc::new(Current(ArcSwap::from_pointee(Union::default())));
        let access = Access {
            authorizer: current.clone(),
            current,
            rbac: Arc::new(Rbac::default()),
            node: Arc::new(NodeAuthorizer::new(node_rules)),
            abac: Arc::new(abac),
            impersonation,
        };
        access.replace(asked);
        access
    }

    /// Replaces the chain of authorizers.
    pub fn replace(&self, asked: Vec<ConfiguredAuthorizer>) {
        let mut authorizers: Vec<Arc<dyn Authorizer>> = vec![Arc::new(PrivilegedGroup)];
        for asked in asked {
            match asked {
                ConfiguredAuthorizer::Own(Mode::Abac) => authorizers.push(self.abac.clone()),
                ConfiguredAuthorizer::Own(Mode::AlwaysAllow) => authorizers.push(Arc::new(AlwaysAllow)),
                ConfiguredAuthorizer::Own(Mode::AlwaysDeny) => authorizers.push(Arc::new(AlwaysDeny)),
                ConfiguredAuthorizer::Own(Mode::Node) => authorizers.push(self.node.clone()),
                ConfiguredAuthorizer::Own(Mode::Rbac) => authorizers.push(self.rbac.clone()),
                // The mode without a configured webhook.
                ConfiguredAuthorizer::Own(Mode::Webhook) => {}
                ConfiguredAuthorizer::Webhook(webhook) => authorizers.push(webhook),
            }
        }
        self.current.0.store(Arc::new(Union::new(authorizers)));
    }

    /// Authorizes a request.
    pub async fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        authorize(self.authorizer.as_ref(), user, info).await
    }

    /// Follows the roles and bindings of an engine's store from now on.
    pub fn follow(&self, engine: &Arc<Engine>) {
        self.rbac.follow(engine);
        self.node.follow(engine);
    }

    pub fn authorizer(&self) -> &dyn Authorizer {
        self.authorizer.as_ref()
    }

    /// The permissions for admission plugins.
    pub fn permissions(&self) -> Permissions {
        Permissions { authorizer: self.authorizer.clone(), grants: self.rbac.clone() }
    }

    /// The user that a request acts as, when it asks for another than its own, and the verb of the mode that allows it
    /// (empty for the old permission). An impersonation header that cannot be read is an error.
    pub async fn impersonate(
        &self,
        user: &User,
        request: &Request,
    ) -> Result<Option<(User, String)>, Status> {
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let Some(wanted) = impersonate::wanted(headers)? else { return Ok(None) };
        self.impersonation.impersonate(&self.authorizer, user, &wanted, &request.info).await.map(Some)
    }
}
