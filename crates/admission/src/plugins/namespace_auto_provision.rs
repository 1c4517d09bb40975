//! NamespaceAutoProvision: a namespace is made when the first object is put into it.

use crate::plugin::{Outcome, Plugin};
use crate::policy::Reinvocation;
use crate::request::Request;
use pintle_object::{Reason, Status, Value};

pub struct NamespaceAutoProvision;

impl Plugin for NamespaceAutoProvision {
    fn admit<'a>(
        &'a self,
        request: &'a Request<'a>,
        object: &'a mut Value,
        _: &'a mut Reinvocation,
    ) -> Outcome<'a> {
        Outcome::later(provide(request, object))
    }
}

/// Makes the namespace of a create that is missing.
async fn provide(request: &Request<'_>, object: &Value) -> Result<(), Status> {
    let name = request.namespace();
    let is_exempt = name.is_empty() || request.is_resource("", "namespaces");
    if is_exempt || !request.is_create() || request.attributes.dry_run {
        return Ok(());
    }
    if request.view.labels("", "namespaces", "", name).is_some() {
        return Ok(());
    }
    match make(request, name).await {
        Err(status) if status.reason != Reason::AlreadyExists => {
            Err(request.forbidden(object, status.message))
        }
        _ => Ok(()),
    }
}

async fn make(request: &Request<'_>, name: &str) -> Result<(), Status> {
    let mut namespace = Value::map();
    namespace.set(&["apiVersion"], "v1");
    namespace.set(&["kind"], "Namespace");
    namespace.set(&["metadata", "name"], name);
    namespace.set(&["metadata", "labels", "kubernetes.io/metadata.name"], name);
    request.view.create(("", "v1", "namespaces"), namespace, request.attributes.now).await
}
