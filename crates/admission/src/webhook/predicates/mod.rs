//! Which requests a webhook or a policy is about: rules of resources, selectors of namespaces and of objects.

pub mod namespace;
pub mod object;
pub mod rules;

use crate::request::Request;
use pintle_engine::Served;
use pintle_object::GroupVersionKind;
use rules::{Matcher, RuleWithOperations};
use std::sync::Arc;

/// The resource by which a request was matched.
#[derive(Clone)]
pub enum Matched {
    /// That of the request.
    Requested,
    /// Another that shows the same object, which the rule names instead.
    Equivalent(Arc<Served>),
}

impl Matched {
    pub fn served<'a>(&'a self, request: &Request<'a>) -> &'a Served {
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
    if !is_equivalent || rules.is_empty() {
        return None;
    }
    let table = request.engine.table();
    let subresource = attributes.subresource;
    let equivalents: Vec<&Arc<Served>> = table
        .equivalents(request.attributes.target.served)
        .filter(|other| subresource.is_empty() || other.resource.subresource(subresource).is_some())
        .collect();
    let found = rules.iter().find_map(|rule| {
        equivalents.iter().find(|other| {
            let resource = &other.resource;
            let attributes = rules::Attributes {
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
