//! A resource as it is served, and one object of it.

use crate::custom::Custom;
use pintle_kinds::{KindFacts, Strategy};
use pintle_object::{GroupKind, GroupResource, GroupVersionKind, Status, Value};
use pintle_schema::decode::Pick;
use pintle_schema::resource::Selectable;
use pintle_schema::{Resource, TypeId, Verb};
use pintle_store::CollectionId;
use std::ops::Deref;

/// Every key of upstream's store begins with this.
const REGISTRY: &str = "/registry";

/// A resource as it is served: its table, where its objects are kept, and the strategy of its kind.
pub struct ServedResource {
    pub resource: Resource,
    /// Absent for resources that are answered, not stored: reviews, bindings, componentstatuses.
    pub collection: Option<CollectionId>,
    pub strategy: OwnStrategy,
    pub facts: KindFacts,
    /// The kind that objects are stored as, and its type.
    pub storage: GroupVersionKind,
    pub storage_ty: TypeId,
    /// The fields that attributes hold, in their order: those of the first resource of the collection.
    pub fields: Vec<Selectable>,
    /// The part of stored messages that the values of these fields are read from; all of it for custom resources.
    pub(crate) selected: Pick,
    pub(crate) is_stored: bool,
    /// Place of this resource's JSON among an object's encoded forms: resources that share a collection have
    /// their own.
    pub(crate) form: usize,
    /// What a custom resource has besides; none for built-in kinds.
    pub custom: Option<Custom>,
}

/// The strategy of a kind: those of built-in kinds are part of the program.
pub enum OwnStrategy {
    Builtin(&'static dyn Strategy),
    Custom(Box<dyn Strategy>),
}

impl Deref for OwnStrategy {
    type Target = dyn Strategy;

    fn deref(&self) -> &(dyn Strategy + 'static) {
        match self {
            OwnStrategy::Builtin(strategy) => *strategy,
            OwnStrategy::Custom(strategy) => strategy.as_ref(),
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy)]
pub struct ObjectRef<'a> {
    pub served: &'a ServedResource,
    /// `status`, `scale`, ...; empty for the object itself.
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl ServedResource {
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.resource.group.as_ref(), self.resource.plural.as_ref())
    }

    pub fn gvk(&self) -> GroupVersionKind {
        let resource = &self.resource;
        GroupVersionKind::new(resource.group.as_ref(), resource.version.as_ref(), resource.kind.as_ref())
    }

    pub fn group_kind(&self) -> GroupKind {
        self.gvk().group_kind()
    }

    pub fn api_version(&self) -> String {
        self.gvk().group_version().to_string()
    }

    /// `/registry/pods/` for all objects, `/registry/pods/ns/` for those of a namespace.
    pub fn prefix(&self, namespace: &str) -> String {
        let root = &self.resource.key_prefix;
        if self.resource.namespaced && !namespace.is_empty() {
            return format!("{REGISTRY}/{root}/{namespace}/");
        }
        format!("{REGISTRY}/{root}/")
    }

    pub fn key(&self, namespace: &str, name: &str) -> String {
        let mut key = self.prefix(namespace);
        key.push_str(name);
        key
    }

    pub fn is_converted(&self) -> bool {
        self.storage.group != self.resource.group.as_ref()
            || self.storage.version != self.resource.version.as_ref()
    }

    /// What an update replaces, as rules and admission see it, from the tree in the version of the request. `None` where
    /// that is in another version than the stored one.
    pub(crate) fn previous(&self, mut current: Value) -> Option<Value> {
        if self.is_converted() && self.custom.is_none() {
            return None;
        }
        current.remove(&["kind"]);
        current.remove(&["apiVersion"]);
        Some(current)
    }

    pub(crate) fn has_conversion_webhook(&self) -> bool {
        self.custom.as_ref().is_some_and(|custom| custom.webhook.is_some())
    }

    pub fn has(&self, verb: Verb) -> bool {
        self.resource.verbs.has(verb)
    }
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
        let quoted = pintle_object::field::quote(self.name);
        Err(Status::bad_request(format!("Name parameter invalid: {quoted}: {why}")))
    }

    pub fn key(&self) -> String {
        self.served.key(self.namespace, self.name)
    }

    /// 404 about the object.
    pub fn missing(&self) -> Status {
        Status::not_found(&self.served.group_resource(), self.name)
    }
}
