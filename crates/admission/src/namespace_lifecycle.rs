//! NamespaceLifecycle: nothing new in a namespace that is not there or is going, and some namespaces stay.

use crate::Plugin;
use pintle_engine::Engine;
use pintle_engine::admission::{Attributes, Operation, Verdict};
use pintle_object::{Cause, GroupResource, Status, Value};

pub struct NamespaceLifecycle;

/// Namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn mutate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        _: &'a mut Value,
        _: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(std::future::ready(decide(engine, &attributes)))
    }
}

fn decide(engine: &Engine, attributes: &Attributes<'_>) -> Result<(), Status> {
    let target = &attributes.target;
    let resource = target.served.group_resource();
    if resource == namespaces() {
        if attributes.operation == Operation::Delete && IMMORTAL.contains(&target.name) {
            return Err(Status::forbidden(&resource, target.name, "this namespace may not be deleted"));
        }
        return Ok(());
    }
    let concerns_namespace = match attributes.operation {
        Operation::Create | Operation::Connect => true,
        Operation::Update | Operation::Delete => false,
    };
    if target.namespace.is_empty() || !concerns_namespace || is_access_review(&resource) {
        return Ok(());
    }
    let phase =
        phase(engine, target.namespace).ok_or_else(|| Status::not_found(&namespaces(), target.namespace))?;
    if attributes.operation == Operation::Create && phase == "Terminating" {
        return Err(terminating(&resource, target.name, target.namespace));
    }
    Ok(())
}

/// A review must answer alike whether the namespace exists or not, or it would tell.
fn is_access_review(resource: &GroupResource) -> bool {
    resource.group == "authorization.k8s.io" && resource.resource == "localsubjectaccessreviews"
}

fn namespaces() -> GroupResource {
    GroupResource::new("", "namespaces")
}

/// `status.phase` of a namespace; `None` when there is no such namespace.
fn phase(engine: &Engine, name: &str) -> Option<String> {
    let served = engine.find("", "v1", "namespaces")?;
    let object = engine.store.get(served.collection?, &served.key("", name))?;
    let place = served.fields.iter().position(|field| field.label == "status.phase")?;
    object.digest.fields.get(place).map(ToString::to_string)
}

fn terminating(resource: &GroupResource, name: &str, namespace: &str) -> Status {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = Status::forbidden(resource, name, &why);
    let mut details = status.details.map(|details| *details).unwrap_or_default();
    details.causes.push(Cause {
        reason: String::from("NamespaceTerminating"),
        message: format!("namespace {namespace} is being terminated"),
        field: String::from("metadata.namespace"),
    });
    status.details = Some(Box::new(details));
    status
}
