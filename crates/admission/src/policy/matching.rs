//! Matching of policies and bindings with requests: rules of resources, and selectors.

use crate::request::Request;
use crate::webhook::predicates::rules::RuleWithOperations;
use crate::webhook::predicates::{Matched, Selectors, matched};
use pintle_object::{Status, Value};

/// The `matchConstraints` of a policy, or the `matchResources` of a binding.
pub struct MatchResources {
    resource_rules: Vec<RuleWithOperations>,
    exclude_resource_rules: Vec<RuleWithOperations>,
    is_equivalent: bool,
    selectors: Selectors,
}

impl MatchResources {
    pub fn from_value(of: &Value) -> MatchResources {
        MatchResources {
            resource_rules: RuleWithOperations::list(of.list_at(&["resourceRules"])),
            exclude_resource_rules: RuleWithOperations::list(of.list_at(&["excludeResourceRules"])),
            is_equivalent: of.str_at(&["matchPolicy"]) != "Exact",
            selectors: Selectors::from_value(of),
        }
    }

    /// The resource by which a request matches, if it does. A selector that fails is an error only if everything else
    /// matches.
    pub fn matches(&self, request: &Request<'_>, object: &Value) -> Result<Option<Matched>, Status> {
        let Some(selected) = self.selectors.select(request, object) else { return Ok(None) };
        let name = request.admission_name(object);
        if matched(request, name, &self.exclude_resource_rules, self.is_equivalent).is_some() {
            return Ok(None);
        }
        let found = match self.resource_rules.is_empty() {
            true => Some(Matched::Requested),
            false => matched(request, name, &self.resource_rules, self.is_equivalent),
        };
        if found.is_some() {
            selected?;
        }
        Ok(found)
    }
}
