//! NamespaceLifecycle: objects live in namespaces that exist and are not being deleted.

use crate::plugin::Plugin;
use crate::request::{Request, not_found};
use pintle_engine::admission::Operation;
use pintle_object::{Cause, Status, Value};

/// These namespaces may not be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub struct NamespaceLifecycle;

impl Plugin for NamespaceLifecycle {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if request.attributes.operation == Operation::Delete || is_exempt(request) {
            return Ok(());
        }
        let name = request.namespace();
        let Some(phase) = request.view.field("", "namespaces", "", name, "status.phase") else {
            return Err(not_found("", "namespaces", name));
        };
        if request.is_create() && phase == "Terminating" {
            return Err(terminating(request, object, name));
        }
        Ok(())
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let is_delete = request.attributes.operation == Operation::Delete;
        if is_delete
            && request.is_object("", "namespaces")
            && IMMORTAL.contains(&request.attributes.target.name)
        {
            return Err(request.forbidden(object, "this namespace may not be deleted"));
        }
        Ok(())
    }
}

/// Objects without a namespace, namespaces themselves, and questions about access.
fn is_exempt(request: &Request<'_>) -> bool {
    request.namespace().is_empty()
        || request.is_resource("", "namespaces")
        || request.is_resource("authorization.k8s.io", "localsubjectaccessreviews")
}

fn terminating(request: &Request<'_>, object: &Value, name: &str) -> Status {
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    let mut status = request.forbidden(object, why);
    if let Some(details) = status.details.as_mut() {
        details.causes.push(Cause {
            reason: "NamespaceTerminating".into(),
            message: format!("namespace {name} is being terminated"),
            field: "metadata.namespace".into(),
        });
    }
    status
}
