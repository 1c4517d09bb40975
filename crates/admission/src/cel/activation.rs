//! The variables of expressions: the object before and after, the request, its namespace, parameters, and an authorizer
//! for the user.

use super::Variables;
use crate::request::Request;
use crate::webhook::predicates::Matched;
use crate::webhook::versioned::VersionedAttributes;
use pintle_access::User;
use pintle_access::authorize::Decision as Verdict;
use pintle_cel::{ANY, Bound, Decision, Permissions, Question};
use pintle_engine::ServedResource;
use pintle_engine::admission::Operation;
use pintle_engine::options::{DeleteOptions, FieldValidation, Propagation, WriteOptions};
use pintle_object::{GroupVersionKind, RequestInfo, Value, Verb};
use std::collections::BTreeMap;

pub struct Activation<'a> {
    versioned: &'a VersionedAttributes,
    request: Value,
    namespace: &'a Value,
    params: &'a Value,
    asked: ServerPermissions<'a>,
    resource: Question,
}

impl<'a> Activation<'a> {
    pub fn new(
        request: &'a Request<'a>,
        object: &'a Value,
        versioned: &'a VersionedAttributes,
        matched: &Matched,
        namespace: &'a Value,
        params: &'a Value,
    ) -> Activation<'a> {
        let info = RequestInfo {
            version: "*".into(),
            namespace: request.admission_namespace(object).into(),
            name: request.admission_name(object).into(),
            ..request.asked(Verb::default())
        };
        Activation {
            versioned,
            request: admission_request(request, object, &versioned.kind, matched.served(request)),
            namespace,
            params,
            asked: ServerPermissions(request),
            resource: Question { service_account: None, info },
        }
    }

    /// The variables of expressions; the authorizer is only for some of them.
    pub fn bound<'b>(&'b self, has_authorizer: bool, variables: &'b Variables) -> Vec<(&'b str, Bound<'b>)> {
        let mut bound = vec![
            ("object", tree(&self.versioned.object)),
            ("oldObject", tree(&self.versioned.old)),
            ("request", tree(&self.request)),
            ("namespaceObject", tree(self.namespace)),
            ("params", tree(self.params)),
        ];
        if has_authorizer {
            bound.push(("authorizer", Bound::Permissions(&self.asked)));
            bound.push(("authorizer.requestResource", Bound::Asked(&self.asked, &self.resource)));
        }
        bound.extend(variables.bound());
        bound
    }
}

/// A tree as a variable of any type.
fn tree(of: &Value) -> Bound<'_> {
    Bound::Tree(of, &ANY)
}

/// The namespace of a request, with the fields that policies may see; null without a namespace.
pub fn namespace_object(request: &Request<'_>) -> Option<Value> {
    if request.namespace().is_empty() {
        return Some(Value::Null);
    }
    let mut found = request.view.get("", "namespaces", "", request.namespace())?;
    for field in ["managedFields", "ownerReferences"] {
        found.remove(&["metadata", field]);
    }
    Some(found)
}

/// A request as an AdmissionRequest.
fn admission_request(
    request: &Request<'_>,
    object: &Value,
    kind: &GroupVersionKind,
    matched: &ServedResource,
) -> Value {
    let target = request.attributes.target;
    let mut out = Value::map();
    let own = request.kind_in(target.served);
    for (field, of) in [("kind", kind), ("requestKind", &own)] {
        out.set(&[field, "group"], of.group.to_string());
        out.set(&[field, "version"], of.version.to_string());
        out.set(&[field, "kind"], of.kind.to_string());
    }
    for (field, of) in [("resource", matched), ("requestResource", target.served)] {
        out.set(&[field, "group"], of.resource.group.to_string());
        out.set(&[field, "version"], of.resource.version.to_string());
        out.set(&[field, "resource"], of.resource.plural.to_string());
    }
    // The object is a variable of its own, and the uid is made only for webhooks.
    out.set(&["uid"], "");
    out.set(&["object"], Value::Null);
    out.set(&["oldObject"], Value::Null);
    out.set(&["userInfo"], Value::map());
    let user = request.attributes.user;
    let texts = [
        (&["subResource"][..], target.subresource),
        (&["requestSubResource"], target.subresource),
        (&["name"], request.admission_name(object)),
        (&["namespace"], request.admission_namespace(object)),
        (&["userInfo", "username"], &user.name),
        (&["userInfo", "uid"], &user.uid),
    ];
    for (path, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        out.set(path, text.to_owned());
    }
    out.set(&["operation"], request.attributes.operation.as_str());
    let list = |items: &[String]| Value::List(items.iter().map(|item| Value::from(item.as_str())).collect());
    if !user.groups.is_empty() {
        out.set(&["userInfo", "groups"], list(&user.groups));
    }
    for (name, values) in &user.extra {
        out.set(&["userInfo", "extra", name], list(values));
    }
    out.set(&["dryRun"], request.attributes.dry_run);
    out.set(&["options"], options(request));
    out
}

/// The options of a request as they were given, with their kind.
pub fn options(request: &Request<'_>) -> Value {
    let attributes = &request.attributes;
    let mut out = Value::map();
    let kind = match attributes.operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return Value::Null,
    };
    out.set(&["kind"], kind);
    out.set(&["apiVersion"], "meta.k8s.io/v1");
    if attributes.dry_run {
        out.set(&["dryRun"], Value::List(vec![Value::from("All")]));
    }
    match (attributes.operation, attributes.options, attributes.write_options) {
        (Operation::Delete, Some(given), _) => delete_options(given, &mut out),
        (Operation::Create | Operation::Update, _, Some(given)) => write_options(given, &mut out),
        _ => {}
    }
    out
}

fn write_options(given: &WriteOptions, out: &mut Value) {
    if !given.field_manager.is_empty() {
        out.set(&["fieldManager"], given.field_manager.as_str());
    }
    if given.has_field_validation {
        out.set(
            &["fieldValidation"],
            match given.field_validation {
                FieldValidation::Ignore => "Ignore",
                FieldValidation::Warn => "Warn",
                FieldValidation::Strict => "Strict",
            },
        );
    }
}

fn delete_options(given: &DeleteOptions, out: &mut Value) {
    if let Some(seconds) = given.grace_period_seconds {
        out.set(&["gracePeriodSeconds"], seconds);
    }
    if let Some(uid) = &given.preconditions.uid {
        out.set(&["preconditions", "uid"], uid.as_str());
    }
    if let Some(version) = &given.preconditions.resource_version {
        out.set(&["preconditions", "resourceVersion"], version.as_str());
    }
    if let Some(orphan) = given.orphan_dependents {
        out.set(&["orphanDependents"], orphan);
    }
    if let Some(propagation) = given.propagation {
        out.set(
            &["propagationPolicy"],
            match propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            },
        );
    }
}

/// Asks the server's authorizers.
struct ServerPermissions<'a>(&'a Request<'a>);

impl Permissions for ServerPermissions<'_> {
    fn check(&self, question: &Question) -> Decision {
        let account = question.service_account.as_ref();
        let account = account.map(|(namespace, name)| service_account(namespace, name));
        let user = account.as_ref().unwrap_or(self.0.user());
        match self.0.permissions.authorizer.authorize(user, &question.info) {
            Verdict::Allow(reason) => Decision { is_allowed: true, reason, error: String::new() },
            Verdict::Deny(reason) | Verdict::NoOpinion(reason) => {
                Decision { is_allowed: false, reason, error: String::new() }
            }
            Verdict::Error { reason, .. } => Decision { is_allowed: false, error: reason.clone(), reason },
        }
    }
}

fn service_account(namespace: &str, name: &str) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: String::new(),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        extra: BTreeMap::new(),
    }
}
