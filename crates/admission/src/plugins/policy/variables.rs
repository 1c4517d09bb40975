//! What the expressions of policies may look at: the object before and after, the request, its namespace, and what
//! the user may do.

use super::compiled::tree;
use crate::request::Request;
use pintle_access::authorize::Decision as Verdict;
use pintle_access::{Attributes, User};
use pintle_cel::{Bound, Decision, Permissions, Question};
use pintle_engine::admission::Operation;
use pintle_object::Value;
use std::collections::BTreeMap;

pub struct Input<'a> {
    object: Value,
    old: Value,
    request: Value,
    namespace: Value,
    params: Value,
    asked: Asked<'a>,
    resource: Question,
}

impl<'a> Input<'a> {
    pub fn new(request: &'a Request<'a>, object: &Value, params: Value) -> Input<'a> {
        let target = request.attributes.target;
        let resource = &target.served.resource;
        Input {
            object: shown(request, object),
            old: request.attributes.old.map(|old| shown(request, old)).unwrap_or_default(),
            request: described(request, object),
            namespace: namespace(request),
            params,
            asked: Asked(request),
            resource: Question {
                group: resource.group.to_string(),
                resource: resource.plural.to_string(),
                subresource: target.subresource.to_owned(),
                namespace: target.namespace.to_owned(),
                name: request.known_name(object).to_owned(),
                ..Question::default()
            },
        }
    }

    pub fn bound(&self) -> Vec<(&str, Bound<'_>)> {
        vec![
            ("object", tree(&self.object)),
            ("oldObject", tree(&self.old)),
            ("request", tree(&self.request)),
            ("namespaceObject", tree(&self.namespace)),
            ("params", tree(&self.params)),
            ("authorizer", Bound::Permissions(&self.asked)),
            ("authorizer.requestResource", Bound::Asked(&self.asked, &self.resource)),
        ]
    }
}

/// An object as clients see it.
fn shown(request: &Request<'_>, object: &Value) -> Value {
    let mut shown = object.clone();
    if !shown.is_null() && shown.get("kind").is_none() {
        let served = request.attributes.target.served;
        shown.set(&["apiVersion"], served.api_version());
        shown.set(&["kind"], served.resource.kind.to_string());
    }
    shown
}

/// The namespace of the request, as far as policies may see it.
fn namespace(request: &Request<'_>) -> Value {
    if request.namespace().is_empty() {
        return Value::Null;
    }
    let stored = request.stored("", "namespaces", "", request.namespace());
    let mut found = stored.unwrap_or_default();
    found.remove(&["metadata", "managedFields"]);
    found
}

/// The request as an AdmissionRequest.
fn described(request: &Request<'_>, object: &Value) -> Value {
    let target = request.attributes.target;
    let resource = &target.served.resource;
    let mut out = Value::map();
    for (field, last, value) in [("kind", "kind", &resource.kind), ("resource", "resource", &resource.plural)]
    {
        for field in [field.to_owned(), format!("request{}{}", field[..1].to_uppercase(), &field[1..])] {
            out.set(&[&field, "group"], resource.group.to_string());
            out.set(&[&field, "version"], resource.version.to_string());
            out.set(&[&field, last], value.to_string());
        }
    }
    let user = request.user();
    let texts = [
        (&["subResource"][..], target.subresource),
        (&["requestSubResource"], target.subresource),
        (&["name"], request.known_name(object)),
        (&["namespace"], target.namespace),
        (&["operation"], request.attributes.operation.as_str()),
        (&["userInfo", "username"], &user.name),
        (&["userInfo", "uid"], &user.uid),
    ];
    for (path, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        out.set(path, text.to_owned());
    }
    let list = |items: &[String]| Value::List(items.iter().map(|item| Value::from(item.as_str())).collect());
    if !user.groups.is_empty() {
        out.set(&["userInfo", "groups"], list(&user.groups));
    }
    for (name, values) in &user.extra {
        out.set(&["userInfo", "extra", name], list(values));
    }
    out.set(&["dryRun"], request.attributes.dry_run);
    let options = match request.attributes.operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return out,
    };
    out.set(&["options", "apiVersion"], "meta.k8s.io/v1");
    out.set(&["options", "kind"], options);
    out
}

/// Asks the server's authorizers.
struct Asked<'a>(&'a Request<'a>);

impl Permissions for Asked<'_> {
    fn check(&self, question: &Question) -> Decision {
        let user = match &question.service_account {
            Some((namespace, name)) => service_account(namespace, name),
            None => self.0.user(),
        };
        let asked = Attributes {
            verb: &question.verb,
            is_resource: question.path.is_none(),
            path: question.path.as_deref().unwrap_or(""),
            group: &question.group,
            version: if question.path.is_none() { "*" } else { "" },
            resource: &question.resource,
            subresource: &question.subresource,
            namespace: &question.namespace,
            name: &question.name,
            field_selector: &question.field_selector,
            label_selector: &question.label_selector,
        };
        match self.0.permissions.authorizer.authorize(&user, &asked) {
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
