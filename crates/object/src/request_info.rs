//! `RequestInfo`: the meaning of a request, or of a question about one. It is the one record that authorization, audit,
//! fairness, metrics and dispatch go by (upstream's `RequestInfo` and `authorizer.Attributes`).

use crate::{Text, Verb};

/// The action of a request, and its object or path. Short texts are stored inline, so that copies are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestInfo {
    pub is_resource: bool,
    /// The method in lower case for a path that is no resource.
    pub verb: Verb,
    /// The path without its escapes.
    pub path: Text,
    pub group: Text,
    pub version: Text,
    pub resource: Text,
    pub subresource: Text,
    /// Empty for all namespaces, and for cluster-scoped resources.
    pub namespace: Text,
    /// The object's name: that of the path, or the one that a list or watch is restricted to by its selector.
    pub name: Text,
    /// The selectors as they were asked, of verbs that honor them; empty when absent.
    pub field_selector: Text,
    pub label_selector: Text,
}

impl RequestInfo {
    /// The same request with another verb, which it needs leave for too.
    pub fn with_verb(&self, verb: Verb) -> RequestInfo {
        RequestInfo { verb, ..self.clone() }
    }
}
