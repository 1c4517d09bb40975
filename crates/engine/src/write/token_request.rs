//! The token subresource of service accounts: checks what is asked for; the token itself is signed by the caller.

use crate::engine::Engine;
use crate::request::admission::Operation;
use crate::request::write_context::WriteContext;
use crate::resource::{ObjectRef, ServedResource};
use pintle_object::meta;
use pintle_object::{
    FieldErrors, GroupKind, GroupResource, GroupVersion, GroupVersionKind, Path, Status, Text, Value,
};

/// What the server's flags say about tokens.
#[derive(Clone, Debug)]
pub struct TokenTerms {
    pub api_audiences: Vec<String>,
    /// Zero: there is none.
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

const DEFAULT_SECONDS: i64 = 60 * 60;
const SECONDS_MIN: i64 = 10 * 60;
const SECONDS_MAX: i64 = 1 << 32;

/// What tokens can be bound to, by kind and plural.
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
        let attributes = context.attributes(Operation::Create, target, None, None);
        self.admission().mutate(self, attributes, &mut body, &mut context.warnings).await?;
        check_name(&body, target.name)?;
        let account = self.token_object(target.served, target.namespace, target.name)?;
        complete(&mut body, &target, &account, terms, context)?;
        validate(&body)?;
        let attributes = context.attributes(Operation::Create, target, None, None);
        self.admission().validate(self, attributes, &body, &mut context.warnings).await?;

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
            check_account(&object, target.name)?;
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
        let collection = served.collection.ok_or_else(missing)?;
        let stored = self.store.get(collection, &served.key(namespace, name)).ok_or_else(missing)?;
        self.storage_tree(served, &stored)
    }

    fn node_of(&self, pod: &Value) -> Option<Node> {
        let name = pod.str_at(&["spec", "nodeName"]);
        if name.is_empty() {
            return None;
        }
        let nodes = self.find_any("", "nodes")?;
        let stored = self.store.get(nodes.collection?, &nodes.key("", name));
        Some((name.into(), stored.map_or_else(String::new, |node| node.attrs.uid.to_string())))
    }
}

fn kind() -> GroupKind {
    GroupKind::new("authentication.k8s.io", "TokenRequest")
}

fn check_name(body: &Value, account: &str) -> Result<(), Status> {
    if meta::name(body).is_empty() || meta::name(body) == account {
        return Ok(());
    }
    let mut errors = FieldErrors::new();
    let path = Path::root("metadata");
    let why = "must match the service account name if specified";
    errors.invalid(&path.child("name"), meta::name(body), why);
    Err(Status::invalid(&kind(), account, errors))
}

fn check_account(pod: &Value, account: &str) -> Result<(), Status> {
    if pod.str_at(&["spec", "serviceAccountName"]) == account {
        return Ok(());
    }
    let account = pintle_object::field::quote(account);
    Err(Status::bad_request(format!(
        "cannot bind token for serviceaccount {account} to pod running with different serviceaccount name."
    )))
}

/// Fills in what the account and the server know; what a client says about the answer is dropped.
fn complete(
    body: &mut Value,
    target: &ObjectRef<'_>,
    account: &Value,
    terms: &TokenTerms,
    context: &WriteContext<'_>,
) -> Result<(), Status> {
    let (own, wanted) = (meta::uid(account), meta::uid(body));
    if !wanted.is_empty() && wanted != own {
        let why = format!(
            "the UID in the token request ({wanted}) does not match the UID of the service account ({own})"
        );
        let resource = GroupResource::new("authentication.k8s.io", "TokenRequest");
        return Err(Status::conflict(&resource, target.name, &why));
    }
    body.set(&["status"], Value::map());
    body.set(&["status", "token"], "");
    body.set(&["status", "expirationTimestamp"], Value::Null);
    meta::set(body, "name", target.name);
    meta::set(body, "namespace", target.namespace);
    meta::set(body, "uid", own);
    body.set(&["metadata", "creationTimestamp"], context.now.to_seconds_text());
    if body.list_at(&["spec", "audiences"]).is_empty() {
        let audiences = terms.api_audiences.iter().map(|audience| Value::from(Text::from(audience.as_str())));
        body.set(&["spec", "audiences"], audiences.collect::<Vec<_>>());
    }
    Ok(())
}

fn validate(body: &Value) -> Result<(), Status> {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec");
    let path = path.child("expirationSeconds");
    let seconds = body.int_at(&["spec", "expirationSeconds"]).unwrap_or(0);
    if seconds < SECONDS_MIN {
        errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > SECONDS_MAX {
        errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(&kind(), "", errors)) }
}
