//! `ObjectRef`: the object or collection of a request.

use super::served::ServedResource;
use pintle_object::field::quote;
use pintle_object::{GroupVersionKind, Status};
use pintle_schema::TypeId;

/// The object or collection of a request: served resource, subresource, namespace and name.
#[derive(Clone, Copy)]
pub struct ObjectRef<'a> {
    pub served: &'a ServedResource,
    /// `status`, `scale`, ...; empty for the object itself.
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl ObjectRef<'_> {
    /// A name of a path must be one segment of a key.
    pub fn check_name(&self) -> Result<(), Status> {
        let why = match self.name {
            "." => "may not be '.'",
            ".." => "may not be '..'",
            name if name.contains('/') => "may not contain '/'",
            name if name.contains('%') => "may not contain '%'",
            _ => return Ok(()),
        };
        let quoted = quote(self.name);
        Err(Status::bad_request(format!("Name parameter invalid: {quoted}: {why}")))
    }

    pub fn key(&self) -> String {
        self.served.key(self.namespace, self.name)
    }

    /// The kind of the bodies of requests, and its type.
    pub fn body_kind(&self) -> (TypeId, GroupVersionKind) {
        let resource = &self.served.resource;
        match resource.subresource(self.subresource) {
            Some(sub) => {
                let kind = GroupVersionKind::new(sub.group.as_ref(), sub.version.as_ref(), sub.kind.as_ref());
                (sub.ty.unwrap_or(resource.ty), kind)
            }
            None => (resource.ty, self.served.gvk()),
        }
    }

    /// 404 about the object.
    pub fn missing(&self) -> Status {
        Status::not_found(&self.served.group_resource(), self.name)
    }
}
