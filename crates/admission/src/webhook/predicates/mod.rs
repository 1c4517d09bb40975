//! Which requests a webhook or a policy is about: rules of resources, selectors of namespaces and of objects.

pub mod namespace;
pub mod object;
pub mod rules;
mod selector;

use crate::request::Request;
use pintle_engine::ServedResource;
use pintle_object::{GroupVersionKind, Status, Value};
use rules::{Matcher, RuleWithOperations};
use std::sync::Arc;

/// The resource by which a request was matched.
#[derive(Clone)]
pub enum Matched {
    /// That of the request.
    Requested,
    /// Another that shows the same object, which the rule names instead.
    Equivalent(Arc<ServedResource>),
}

impl Matched {
    pub fn served<'a>(&'a self, request: &Request<'a>) -> &'a ServedResource {
        match self {
            Matched::Requested => request.attributes.target.served,
            Matched::Equivalent(served) => served,
        }
    }

    /// The kind of the objects that are shown by it.
    pub fn kind(&self, request: &Request<'_>) -> GroupVersionKind {
        request.kind_in(self.served(request))
    }
}

/// The selectors of a webhook, a policy or a binding.
pub struct Selectors {
    namespace: namespace::NamespaceMatcher,
    object: object::ObjectMatcher,
}

impl Selectors {
    pub fn from_value(of: &Value) -> Selectors {
        Selectors {
            namespace: namespace::NamespaceMatcher::new(of.get("namespaceSelector")),
            object: object::ObjectMatcher::new(of.get("objectSelector")),
        }
    }

    /// Nothing when a selector says no. One that cannot be asked fails, which counts only for what the rules match.
    pub fn select(&self, request: &Request<'_>, object: &Value) -> Option<Result<(), Status>> {
        let in_namespace = self.namespace.matches(request, object);
        if matches!(in_namespace, Ok(false)) {
            return None;
        }
        let is_selected = self.object.matches(request, object);
        if matches!(is_selected, Ok(false)) {
            return None;
        }
        Some(in_namespace.and(is_selected).map(drop))
    }
}

/// The resource by which rules match a request: its own if a rule names it, else the first equivalent of the first
/// rule that names one. `name` is that of the request, for rules that list names.
pub fn matched(
    request: &Request<'_>,
    name: &str,
    rules: &[RuleWithOperations],
    is_equivalent: bool,
) -> Option<Matched> {
    let attributes = request.resource_attributes(name);
    let is_match =
        |rule: &RuleWithOperations, attributes| Matcher { rule, attributes }.matches() && rule.has_name(name);
    if rules.iter().any(|rule| is_match(rule, attributes)) {
        return Some(Matched::Requested);
    }
    // Most rules are about other resources, whatever their versions are.
    let may_match = |rule| Matcher { rule, attributes }.may_match_equivalent();
    if !is_equivalent || !rules.iter().any(may_match) {
        return None;
    }
    let subresource = attributes.subresource;
    let equivalents: Vec<Arc<ServedResource>> = request
        .view
        .equivalents(request.attributes.target.served)
        .into_iter()
        .filter(|other| subresource.is_empty() || other.resource.subresource(subresource).is_some())
        .collect();
    let found = rules.iter().find_map(|rule| {
        equivalents.iter().find(|other| {
            let resource = &other.resource;
            let attributes = rules::RuleAttributes {
                group: &resource.group,
                version: &resource.version,
                resource: &resource.plural,
                ..attributes
            };
            is_match(rule, attributes)
        })
    });
    found.map(|served| Matched::Equivalent(Arc::clone(served)))
}
