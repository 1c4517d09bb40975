//! NamespaceAutoProvision: a namespace is made when the first object is put into it. No `Plugin`, since it writes.

use crate::request::Request;
use pintle_engine::{Target, own};
use pintle_object::{Reason, Status, Value};

pub const NAME: &str = "NamespaceAutoProvision";

/// Makes the namespace of a create that is missing.
pub async fn provide(request: &Request<'_>, object: &Value) -> Result<(), Status> {
    let name = request.namespace();
    let is_exempt = name.is_empty() || request.is_resource("", "namespaces");
    if is_exempt || !request.is_create() || request.attributes.dry_run {
        return Ok(());
    }
    if request.stored_labels("", "namespaces", "", name).is_some() {
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
    let engine = request.engine;
    let Some(served) = engine.find("", "v1", "namespaces") else { return Ok(()) };
    let mut namespace = Value::map();
    namespace.set(&["apiVersion"], "v1");
    namespace.set(&["kind"], "Namespace");
    namespace.set(&["metadata", "name"], name);
    namespace.set(&["metadata", "labels", "kubernetes.io/metadata.name"], name);
    let system = own::user();
    let mut call = engine.own_call(&system, request.attributes.now);
    let target = Target { served: &served, subresource: "", namespace: "", name };
    engine.create(target, namespace, &mut call).await.map(|_| ())
}
