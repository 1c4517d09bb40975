//! NamespaceExists: refuses writes and deletes in a namespace that does not exist.

use crate::plugin::Plugin;
use crate::request::{Request, not_found};
use pintle_engine::admission::Operation;
use pintle_object::{Status, Value};

pub struct NamespaceExists;

impl Plugin for NamespaceExists {
    fn validate(&self, request: &Request<'_>, _: &Value) -> Result<(), Status> {
        let name = request.namespace();
        let is_exempt = name.is_empty() || request.is_resource("", "namespaces");
        if is_exempt || request.attributes.operation == Operation::Connect {
            return Ok(());
        }
        match request.view.labels("", "namespaces", "", name) {
            Some(_) => Ok(()),
            None => Err(not_found("", "namespaces", name)),
        }
    }
}
