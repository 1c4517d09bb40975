//! Predicates of webhooks and policies for requests: rules of resources, selectors of namespaces and of objects.

pub mod namespace;
pub mod object;
pub mod rules;
mod selector;

use crate::request::Request;
use pintle_engine::ServedResource;
use pintle_engine::admission::Attributes;
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

    /// None if a selector does not match. A selector that fails is an error, which counts only if the rules match.
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
    let (own, subresource) = (request.attributes.target.served, request.subresource());
    let of_own = |rule| matcher(request, name, rule, own);
    if rules.iter().any(|rule| of_own(rule).matches() && rule.has_name(name)) {
        return Some(Matched::Requested);
    }
    // Most rules are for other resources in any version.
    if !is_equivalent || !rules.iter().any(|rule| of_own(rule).may_match_equivalent()) {
        return None;
    }
    let equivalents: Vec<Arc<ServedResource>> = request
        .view
        .equivalents(own)
        .into_iter()
        .filter(|other| subresource.is_empty() || other.resource.subresource(subresource).is_some())
        .collect();
    let found = rules.iter().find_map(|rule| {
        let mut others = equivalents.iter();
        others.find(|other| matcher(request, name, rule, other).matches() && rule.has_name(name))
    });
    found.map(|served| Matched::Equivalent(Arc::clone(served)))
}

/// A rule beside the request as another resource shows it.
fn matcher<'a>(
    request: &Request<'a>,
    name: &'a str,
    rule: &'a RuleWithOperations,
    served: &'a ServedResource,
) -> Matcher<'a> {
    let Attributes { operation, target, .. } = request.attributes;
    let namespace = if request.is_resource("", "namespaces") { name } else { target.namespace };
    Matcher { rule, operation, resource: &served.resource, subresource: target.subresource, namespace }
}
