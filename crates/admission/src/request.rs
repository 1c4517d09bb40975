//! `Request`: the view of a request that plugins get: its attributes, and the stored objects around it.

use crate::metrics::AdmissionMetrics;
use crate::notes::Notes;
use crate::view::View;
use pintle_access::{Asking, Permissions, User};
use pintle_engine::admission::{Attributes, Operation};
use pintle_engine::{Conversions, ServedResource};
use pintle_object::audit::Latency;
use pintle_object::meta;
use pintle_object::{GroupResource, GroupVersionKind, Reason, RequestInfo, Status, Value, Verb};
use std::borrow::Cow;
use std::time::Instant;

/// The user that the server's own writes are made as.
const OWN_USER: &str = "system:apiserver";

/// A request as the plugins see it; the object itself is passed beside it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The stored objects around it.
    pub view: View<'a>,
    pub attributes: Attributes<'a>,
    pub permissions: &'a Permissions,
    /// Whether an authorizer has to be waited for, or a webhook that converts.
    pub waits: bool,
    /// The answers of authorizers that have to be waited for.
    pub asking: Option<&'a Asking>,
    /// Objects that conversion webhooks converted to other versions.
    pub conversions: &'a Conversions,
    pub notes: &'a Notes,
    pub metrics: &'a AdmissionMetrics,
}

impl<'a> Request<'a> {
    /// Whether a webhook converts the objects between their versions.
    fn is_converted(&self) -> bool {
        self.attributes.target.served.has_conversion_webhook()
    }

    /// A tree in the version of one resource in that of another that shows the same objects, for custom resources
    /// with kind and apiVersion where a webhook has to convert it.
    ///
    /// # Errors
    /// The conversion is not known yet: `settled` waits for it. Or it failed.
    pub fn converted<'t>(
        &self,
        from: &ServedResource,
        to: &ServedResource,
        tree: &'t Value,
    ) -> Result<Cow<'t, Value>, Status> {
        if from.resource.version == to.resource.version || !self.is_converted() {
            return Ok(Cow::Borrowed(tree));
        }
        let mut tree = tree.clone();
        tree.set(&["apiVersion"], from.api_version());
        tree.set(&["kind"], from.resource.kind.as_ref());
        self.conversions.of(tree, &to.api_version()).map(Cow::Owned).map_err(Status::internal)
    }

    /// The result of something that decides at once: it runs again with each answer that had to be waited for.
    pub async fn settled<R>(&self, mut run: impl FnMut() -> R) -> R {
        loop {
            let mark = self.notes.mark();
            let result = run();
            let is_asked = match self.asking {
                Some(asking) => asking.learns().await,
                None => false,
            };
            let is_converted = self.is_converted()
                && self.view.learns(self.conversions, self.attributes.target.served).await;
            if !is_asked && !is_converted {
                return result;
            }
            self.notes.reset(mark);
        }
    }

    /// Adds the time that a part of the server took to the audit.
    pub fn took(&self, part: Latency, clock: Instant) {
        if let Some(audit) = self.attributes.audit {
            audit.add_latency(part, clock.elapsed());
        }
    }

    /// The user of the request.
    pub fn user(&self) -> &'a User {
        self.attributes.user
    }

    /// Whether the request is for objects of a resource, not for one of their subresources.
    pub fn is_object(&self, group: &str, plural: &str) -> bool {
        self.subresource().is_empty() && self.is_resource(group, plural)
    }

    pub fn is_resource(&self, group: &str, plural: &str) -> bool {
        let resource = &self.attributes.target.served.resource;
        resource.plural == plural && resource.group == group
    }

    /// Whether the request creates an object of a resource.
    pub fn creates(&self, group: &str, plural: &str) -> bool {
        self.is_create() && self.is_object(group, plural)
    }

    pub fn is_create(&self) -> bool {
        self.attributes.operation == Operation::Create
    }

    pub fn is_update(&self) -> bool {
        self.attributes.operation == Operation::Update
    }

    pub fn subresource(&self) -> &'a str {
        self.attributes.target.subresource
    }

    pub fn namespace(&self) -> &'a str {
        self.attributes.target.namespace
    }

    /// The attributes for authorizing a request of this verb for the same object.
    pub fn asked(&self, verb: Verb) -> RequestInfo {
        let target = self.attributes.target;
        let resource = &target.served.resource;
        RequestInfo {
            verb,
            is_resource: true,
            group: resource.group.as_ref().into(),
            version: resource.version.as_ref().into(),
            resource: resource.plural.as_ref().into(),
            subresource: target.subresource.into(),
            namespace: target.namespace.into(),
            name: target.name.into(),
            ..RequestInfo::default()
        }
    }

    pub fn resource(&self) -> GroupResource {
        self.attributes.target.served.group_resource()
    }

    /// The namespace as webhooks and policies see it: a namespace is in itself.
    pub fn admission_namespace(&self, object: &'a Value) -> &'a str {
        if self.is_resource("", "namespaces") { self.known_name(object) } else { self.namespace() }
    }

    /// The name as webhooks and policies see it: empty if the server generated it.
    pub fn admission_name(&self, object: &'a Value) -> &'a str {
        if self.attributes.has_generated_name { "" } else { self.known_name(object) }
    }

    /// Whether the server writes on its own behalf: such writes must not depend on objects that do not exist yet.
    pub fn is_own(&self) -> bool {
        self.attributes.user.name == OWN_USER
    }

    /// The kind of the body of such a request, as a resource that shows the object has it.
    pub fn kind_in(&self, served: &ServedResource) -> GroupVersionKind {
        match served.resource.subresource(self.subresource()) {
            Some(sub) => GroupVersionKind::new(sub.group.as_ref(), sub.version.as_ref(), sub.kind.as_ref()),
            None => served.gvk(),
        }
    }

    /// The refusal of the request.
    pub fn forbidden(&self, object: &Value, why: impl std::fmt::Display) -> Status {
        Status::forbidden(&self.resource(), &self.name(object), &why.to_string())
    }

    /// The name of the object, as far as it is known: a generated name is not, yet.
    pub fn known_name(&self, object: &'a Value) -> &'a str {
        let name = self.attributes.target.name;
        if name.is_empty() { meta::name(object) } else { name }
    }

    /// The name for refusals: the base of a name that is still to be generated.
    fn name(&self, object: &Value) -> String {
        let candidates =
            [self.attributes.target.name, meta::name(object), object.str_at(&["metadata", "generateName"])];
        candidates.into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown!").to_string()
    }
}

/// The 404 of an object that a plugin looked for.
pub fn not_found(group: &str, plural: &str, name: &str) -> Status {
    Status::not_found(&GroupResource::new(group, plural), name)
}

/// An error without a reason, whose message clients see unchanged: upstream's `fmt.Errorf` in a plugin.
pub fn plain(message: impl Into<String>) -> Status {
    Status::new(500, Reason::Unknown, message)
}

/// Whether a text is one of Go's spellings of true.
pub fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}
