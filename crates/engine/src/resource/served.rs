//! A resource as it is served, and the codec of its objects.

use crate::custom::facts::CustomFacts;
use crate::custom::webhook::ConversionWebhook;
use crate::request::body::Body;
use crate::request::options::FieldValidation;
use crate::storage::unreadable;
use bytes::Bytes;
use pintle_kinds::custom_resource::Scale;
use pintle_kinds::{KindFacts, OwnStrategy, OwnedFields};
use pintle_object::{GroupKind, GroupResource, GroupVersionKind, Status, Value, Verb, meta};
use pintle_schema::decode::{Decoded, Empty, Pick};
use pintle_schema::resource::Selectable;
use pintle_schema::{Resource, Schema, TypeId};
use pintle_store::{Attrs, CollectionId, Object};
use std::collections::BTreeMap;

/// Every key of upstream's store begins with this.
const REGISTRY: &str = "/registry";

/// The Go type of an object of a custom resource.
pub const UNSTRUCTURED: &str = "*unstructured.Unstructured";

/// A resource as it is served: its table, where its objects are kept, and the strategy of its kind.
pub struct ServedResource {
    pub resource: Resource,
    pub backing: Backing,
    pub strategy: OwnStrategy,
    pub facts: KindFacts,
    /// The kind that objects are stored as, and its type.
    pub storage: GroupVersionKind,
    pub storage_ty: TypeId,
    /// The fields that attributes hold, in their order: those of the first resource of the collection.
    pub fields: Vec<Selectable>,
    /// The part of stored messages that the values of these fields are read from; all of it for custom resources.
    pub(crate) selected: Pick,
    /// Place of this resource's JSON among an object's encoded forms: resources that share a collection have
    /// their own.
    pub(crate) form: usize,
    pub(crate) codec: Box<dyn Codec>,
    /// The state of a custom resource's definition; none for built-in kinds.
    pub custom: Option<CustomFacts>,
}

/// The place of a resource's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    Stored(CollectionId),
    /// They are answered, not stored: reviews, bindings, componentstatuses.
    Virtual,
}

/// A kind that a body must be of, and its type.
pub(crate) struct Expected {
    pub ty: TypeId,
    pub kind: GroupVersionKind,
}

/// Converts a resource's objects between requests, rules and the store. Built-in and custom resources are told apart
/// here: the former have types in the tables, the latter schemas in their definitions.
///
/// Nothing here waits. Objects that a webhook has to convert are converted before (`storage/converted.rs`).
pub(crate) trait Codec: Send + Sync {
    /// Reads a body; findings of strict decoding become warnings or a refusal.
    fn decode(
        &self,
        body: Body<'_>,
        expected: &Expected,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
        empties: &mut Vec<Empty>,
    ) -> Result<Value, Status>;

    /// Reads a patched object. `text` is its JSON; none for a strategic merge.
    ///
    /// # Errors
    /// It is no object of the kind.
    fn read_patched(&self, expected: &Expected, tree: Value, text: Option<&str>) -> Result<Decoded, String>;

    /// Reads the result of an apply.
    fn read_applied(&self, ty: TypeId, tree: Value) -> Result<Value, String>;

    /// Fills in the defaults of an object in the version of the request: those of its schema, then those of its kind.
    /// Those of a definition may be more than an object can hold.
    fn default(&self, served: &ServedResource, tree: &mut Value) -> Result<(), Status>;

    /// Drops fields that the schema does not know. Types do that when they are decoded.
    fn prune(&self, tree: &mut Value);

    /// Brings an object from the version of the request to that of rules and admission, without kind and apiVersion.
    fn to_storage(&self, served: &ServedResource, tree: Value) -> Result<Value, Status>;

    /// Brings an object from the version of rules and admission to that of the request.
    fn show(&self, served: &ServedResource, tree: Value) -> Result<Value, Status>;

    /// Whether the two differ.
    fn converts_for_rules(&self, served: &ServedResource) -> bool;

    /// Reads stored bytes in the version of rules and admission.
    fn read_stored(&self, served: &ServedResource, value: &[u8]) -> Result<Value, Status>;

    /// Encodes an object in the version of rules and admission as it is stored.
    fn to_stored(&self, served: &ServedResource, tree: &mut Value) -> Bytes;

    /// Stored bytes as they would be stored now, where another version was stored that can be converted.
    fn upgraded(&self, _served: &ServedResource, _value: &[u8]) -> Option<Bytes> {
        None
    }

    /// The attributes of stored bytes, of which no more is decoded than it takes.
    fn attrs(&self, served: &ServedResource, value: &[u8]) -> Option<Attrs>;

    /// Writes the JSON of an object as an item of a list.
    fn write_item(&self, served: &ServedResource, object: &Object, out: &mut Vec<u8>) -> Result<(), Status>;

    /// Writes the JSON of a tree that was shown, of the resource or one of its subresources.
    fn write_tree(&self, ty: TypeId, tree: &Value, out: &mut Vec<u8>);

    /// The schema and the type by which an object in the version of the request is patched and managed.
    fn types(&self, served: &ServedResource, subresource: &str) -> (&Schema, TypeId);

    /// The fields that managers of writes through a subresource can own.
    fn owned_fields(&self, served: &ServedResource, subresource: &str) -> OwnedFields;

    /// Whether objects have types in the tables, as Go has types for them. Others are JSON with sorted keys, which has no
    /// protobuf and no strategic merges.
    fn is_typed(&self) -> bool;

    /// The types of all versions, where they are in one schema.
    fn version_types(&self) -> Option<&BTreeMap<String, TypeId>> {
        None
    }

    /// Warnings about fields of an object that another version's schema would drop.
    fn pruned_in(&self, _version: &str, _tree: &Value) -> Vec<String> {
        Vec::new()
    }

    /// The webhook that converts between the versions, if one must.
    fn webhook(&self) -> Option<&ConversionWebhook> {
        None
    }

    /// Reads stored bytes by the schema of their own version, with kind and apiVersion: the input of a conversion
    /// webhook.
    fn as_stored(&self, served: &ServedResource, value: &[u8]) -> Result<Value, Status> {
        self.read_stored(served, value)
    }

    /// The beginning of kept encodings, which are good for one generation of a definition.
    fn encoding_tag(&self) -> &[u8] {
        &[]
    }

    /// The places of replicas, where a definition names them.
    fn scale(&self) -> Option<&Scale> {
        None
    }
}

impl ServedResource {
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.resource.group.as_ref(), self.resource.plural.as_ref())
    }

    pub fn gvk(&self) -> GroupVersionKind {
        let resource = &self.resource;
        GroupVersionKind::new(resource.group.as_ref(), resource.version.as_ref(), resource.kind.as_ref())
    }

    /// The type of upstream's internal objects of a kind: `*core.ConfigMap`.
    pub fn go_kind(&self, kind: &str) -> String {
        if !self.is_typed() {
            let is_list = kind == self.resource.list_kind;
            return String::from(if is_list { "*unstructured.UnstructuredList" } else { UNSTRUCTURED });
        }
        let package = match self.resource.group.split('.').next() {
            None | Some("") | Some("events") => "core",
            Some("internal") => "apiserverinternal",
            Some(first) => first,
        };
        format!("*{package}.{kind}")
    }

    pub fn group_kind(&self) -> GroupKind {
        self.gvk().group_kind()
    }

    pub fn api_version(&self) -> String {
        let (group, version) = (self.resource.group.as_ref(), self.resource.version.as_ref());
        if group.is_empty() { String::from(version) } else { [group, "/", version].concat() }
    }

    /// `/registry/pods/` for all objects, `/registry/pods/ns/` for those of a namespace.
    pub fn prefix(&self, namespace: &str) -> String {
        self.key(namespace, "")
    }

    pub fn key(&self, namespace: &str, name: &str) -> String {
        let root = &self.resource.key_prefix;
        let namespace = if self.resource.namespaced { namespace } else { "" };
        let mut key = String::with_capacity(REGISTRY.len() + root.len() + namespace.len() + name.len() + 3);
        for part in [REGISTRY, root, namespace] {
            key.push_str(part);
            // Objects of all namespaces have the root alone before them.
            if !part.is_empty() {
                key.push('/');
            }
        }
        key.push_str(name);
        key
    }

    pub fn is_converted(&self) -> bool {
        self.storage.group != self.resource.group.as_ref()
            || self.storage.version != self.resource.version.as_ref()
    }

    /// The collection of its objects; none where they are not stored.
    pub fn collection(&self) -> Option<CollectionId> {
        match self.backing {
            Backing::Stored(collection) => Some(collection),
            Backing::Virtual => None,
        }
    }

    pub fn is_virtual(&self) -> bool {
        self.backing == Backing::Virtual
    }

    /// Whether objects have types in the tables, as Go has types for them.
    pub fn is_typed(&self) -> bool {
        self.codec.is_typed()
    }

    /// Whether a webhook converts objects between the versions.
    pub fn has_conversion_webhook(&self) -> bool {
        self.codec.webhook().is_some()
    }

    /// The object that an update replaces, as rules and admission see it, from the tree in the request's version. `None`
    /// where they see another version.
    pub(crate) fn previous(&self, mut current: Value) -> Option<Value> {
        if self.codec.converts_for_rules(self) {
            return None;
        }
        current.remove(&["kind"]);
        current.remove(&["apiVersion"]);
        Some(current)
    }

    /// The tree of a stored object in the version of the request, without kind and apiVersion.
    pub(crate) fn bare_tree(&self, object: &Object) -> Result<Value, Status> {
        unreadable::check_decrypted(object)?;
        let mut tree = self.codec.read_stored(self, &object.value)?;
        if self.codec.converts_for_rules(self) {
            tree = self.codec.show(self, tree)?;
            tree.remove(&["kind"]);
            tree.remove(&["apiVersion"]);
        }
        if object.mod_revision.0 > 0 {
            meta::set_resource_version(&mut tree, object.mod_revision.0);
        }
        Ok(tree)
    }

    /// The tree of a stored object in the version of the request, with kind, apiVersion and resourceVersion.
    pub(crate) fn tree(&self, object: &Object) -> Result<Value, Status> {
        let mut tree = self.bare_tree(object)?;
        self.set_kind(&mut tree);
        Ok(tree)
    }

    /// Says in an object which kind it is of.
    pub(crate) fn set_kind(&self, tree: &mut Value) {
        tree.set(&["kind"], self.resource.kind.as_ref());
        tree.set(&["apiVersion"], self.api_version());
    }

    pub fn has(&self, verb: &Verb) -> bool {
        self.resource.verbs.has(verb)
    }
}
