//! Selectors of the namespace that a request is in.

use crate::request::{Request, not_found};
use pintle_object::selector::LabelSelector;
use pintle_object::{Map, Status, Value};

/// Decides by the labels of the request's namespace.
pub struct NamespaceMatcher {
    selector: Result<LabelSelector, String>,
}

impl NamespaceMatcher {
    /// The matcher of a `namespaceSelector`; without one every namespace matches.
    pub fn new(selector: Option<&Value>) -> NamespaceMatcher {
        NamespaceMatcher { selector: super::object::parsed(selector) }
    }

    /// Whether the selector selects the namespace. What is in none is never exempt, but for namespaces themselves.
    pub fn matches(&self, request: &Request<'_>, object: &Value) -> Result<bool, Status> {
        let is_namespace = request.attributes.target.served.resource.plural == "namespaces";
        if request.namespace().is_empty() && !is_namespace {
            return Ok(true);
        }
        let selector = self.selector.as_ref().map_err(|why| Status::internal(why.clone()))?;
        if selector.is_everything() {
            return Ok(true);
        }
        let is_written =
            is_namespace && request.subresource().is_empty() && (request.is_create() || request.is_update());
        if is_written {
            return Ok(selector.matches(&labels(object)));
        }
        let name = request.admission_namespace(object);
        let stored = request.view.labels("", "namespaces", "", name);
        let stored = stored.ok_or_else(|| not_found("", "namespaces", name))?;
        Ok(selector.matches(&stored))
    }
}

pub fn labels(of: &Value) -> Map {
    of.map_at(&["metadata", "labels"]).cloned().unwrap_or_default()
}
