//! The token subresource of service accounts: finds the account and the object that the token is bound to; the caller
//! signs it.

use crate::engine::Engine;
use crate::request::write_context::WriteContext;
use crate::resource::{ObjectRef, ServedResource};
use pintle_kinds::token_request::{self, DEFAULT_SECONDS};
use pintle_object::meta;
use pintle_object::{GroupResource, GroupVersion, GroupVersionKind, Status, Value};

/// Settings of tokens from the server's flags.
#[derive(Clone, Debug)]
pub struct TokenTerms {
    pub api_audiences: Vec<String>,
    /// Zero: no maximum.
    pub expiration_seconds_max: i64,
}

type Bound = (&'static str, Value);
type Node = (String, String);

/// A request that may be granted.
#[derive(Clone, Debug)]
pub struct TokenGrant {
    /// The answer, but for its status.
    pub object: Value,
    pub account: Value,
    /// The object that the token goes with, by its kind.
    pub bound: Option<Bound>,
    /// Name and uid of the node that a bound pod is on; the uid is empty when there is no such node.
    pub pod_node: Option<Node>,
    pub expiration_seconds: i64,
}

/// Objects that tokens can be bound to, by kind and plural.
const BOUND: [(&str, &str); 3] = [("Pod", "pods"), ("Secret", "secrets"), ("Node", "nodes")];

impl Engine {
    /// Judges the TokenRequest in `body` for the service account of `target`.
    pub async fn request_token(
        &self,
        target: ObjectRef<'_>,
        mut body: Value,
        terms: &TokenTerms,
        context: &mut WriteContext<'_>,
    ) -> Result<TokenGrant, Status> {
        if body.int_at(&["spec", "expirationSeconds"]).is_none() {
            body.set(&["spec", "expirationSeconds"], DEFAULT_SECONDS);
        }
        meta::ensure_namespace(&mut body, target.namespace)?;
        let kind = GroupVersionKind::new("authentication.k8s.io", "v1", "TokenRequest");
        self.track_body(&kind, "token", &mut body, context);
        self.complete_posted(target, &mut body, context).await?;
        token_request::check_name(&body, target.name)?;
        let account = self.token_object(target.served, target.namespace, target.name)?;
        token_request::complete(&mut body, &account, &terms.api_audiences, context.now)?;
        token_request::validate(&body)?;
        self.judge_posted(target, &body, context).await?;

        let (bound, pod_node) = self.bound(&target, &body)?;
        let mut seconds = body.int_at(&["spec", "expirationSeconds"]).unwrap_or(DEFAULT_SECONDS);
        let max = terms.expiration_seconds_max;
        if max > 0 && seconds > max {
            let text = format!("requested expiration of {seconds} seconds shortened to {max} seconds");
            context.warnings.push(text);
            seconds = max;
            body.set(&["spec", "expirationSeconds"], seconds);
        }
        Ok(TokenGrant { object: body, account, bound, pod_node, expiration_seconds: seconds })
    }

    /// The object that a token is to be bound to, and the node of a pod.
    fn bound(&self, target: &ObjectRef<'_>, body: &Value) -> Result<(Option<Bound>, Option<Node>), Status> {
        let Some(reference) = body.at(&["spec", "boundObjectRef"]).filter(|value| !value.is_null()) else {
            return Ok((None, None));
        };
        let text = |field| reference.str_at(&[field]);
        let version = GroupVersion::parse(text("apiVersion")).unwrap_or_else(|| GroupVersion::new("", ""));
        let known = BOUND.into_iter().find(|(kind, _)| version.group.is_empty() && *kind == text("kind"));
        let Some((kind, plural)) = known else {
            let shown = format!("{}/{}, Kind={}", version.group, version.version, text("kind"));
            return Err(Status::bad_request(format!("cannot bind token to object of type {shown}")));
        };
        let served = self.find_any("", plural).ok_or_else(|| Status::internal("not served"))?;
        let namespace = if served.resource.namespaced { target.namespace } else { "" };
        let object = self.token_object(&served, namespace, text("name"))?;
        let mut node = None;
        if kind == "Pod" {
            token_request::check_account(&object, target.name)?;
            node = self.node_of(&object);
        }
        if !text("uid").is_empty() && text("uid") != meta::uid(&object) {
            let why = format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might \
                 have been deleted and then recreated",
                text("uid")
            );
            return Err(Status::conflict(&GroupResource::new("", kind), text("name"), &why));
        }
        Ok((Some((kind, object)), node))
    }

    fn token_object(&self, served: &ServedResource, namespace: &str, name: &str) -> Result<Value, Status> {
        if name.is_empty() {
            return Err(Status::bad_request("Name parameter required."));
        }
        let missing = || Status::not_found(&served.group_resource(), name);
        let collection = served.collection().ok_or_else(missing)?;
        let stored = self.store.get(collection, &served.key(namespace, name)).ok_or_else(missing)?;
        self.storage_tree(served, &stored)
    }

    fn node_of(&self, pod: &Value) -> Option<Node> {
        let name = pod.str_at(&["spec", "nodeName"]);
        if name.is_empty() {
            return None;
        }
        let nodes = self.find_any("", "nodes")?;
        let stored = self.store.get(nodes.collection()?, &nodes.key("", name));
        Some((name.into(), stored.map_or_else(String::new, |node| node.attrs.uid.to_string())))
    }
}
