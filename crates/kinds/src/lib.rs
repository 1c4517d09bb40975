//! Code of kinds, where tables do not do: one file and one `Strategy` per kind; shared checks in `validation/`.
//!
//! This crate is pure: no store, no I/O, no clock. The pools of addresses and ports are behind `Allocator`.

pub mod access_review;
pub mod allocation_record;
pub mod allocator;
pub mod api_service;
mod autoscaler_v1;
pub mod binding;
pub mod cells;
mod certificate_signing_request;
mod cluster_trust_bundle;
mod component_status;
pub mod conditions;
mod config_map;
mod controller_revision;
mod convert;
mod cron_job;
mod csi_driver;
mod csi_node;
mod csi_storage_capacity;
pub mod custom_resource;
pub mod custom_resource_definition;
mod daemon_set;
mod deployment;
mod device_class;
mod device_v1beta1;
mod endpoint_slice;
mod endpoints;
mod event;
pub mod eviction;
mod facts;
mod flow_schema;
pub mod gated_fields;
mod horizontal_pod_autoscaler;
mod ingress;
mod ingress_class;
mod ip_address;
mod job;
mod lease;
mod limit_range;
mod mutating_admission_policy;
mod namespace;
mod network_policy;
mod node;
mod own_strategy;
mod owned_fields;
mod persistent_volume;
mod persistent_volume_claim;
mod plain;
mod pod;
mod pod_certificate_request;
mod pod_disruption_budget;
mod pod_template;
mod policy_binding;
mod priority_class;
mod priority_level_configuration;
mod replica_set;
mod replication_controller;
mod resource_claim;
mod resource_claim_template;
mod resource_quota;
mod resource_slice;
mod role;
mod role_binding;
mod runtime_class;
mod secret;
mod service;
mod service_account;
mod service_cidr;
mod stateful_set;
mod storage_class;
mod stored_versions;
mod table;
mod template_warnings;
pub mod token_request;
mod validating_admission_policy;
pub mod validation;
mod volume_attachment;
mod volume_attributes_class;
mod webhook_configuration;

pub use allocation_record::AllocationRecord;
pub use allocator::{Allocations, Allocator};
pub use convert::{from_storage, is_convertible, to_storage};
pub use facts::{Dependents, KindFacts, deprecation, facts, stored_label, unknown_label};
pub use own_strategy::OwnStrategy;
pub use owned_fields::{OwnedFields, owned_fields, owned_fields_of_custom};
pub use stored_versions::is_stored_alike;
pub use table::strategy;

use crate::validation::{NameRule, meta};
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{FieldErrors, GroupVersionKind, Map, Status, Text, Value};

/// Facts about a request, besides its object, that rules may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The time of the request, in seconds since 1970-01-01T00:00:00Z.
    pub now_seconds: i64,
    /// `status`, `scale`, `resize`, ...; empty on the object itself.
    pub subresource: &'a str,
    /// Whether the body of a create came with labels, before defaults.
    pub has_labels: bool,
    /// The user of the request.
    pub user: &'a User,
}

/// The strategy of one kind (upstream: `rest.RESTCreateStrategy` and its siblings), on objects in canonical form in the version that the kind is stored in.
///
/// The default of every method is the behaviour of a plain kind, so that a kind's file has only its differences.
/// Methods run in the order in which they are declared.
pub trait Strategy: Send + Sync {
    /// Defaults that the tables cannot say: one field's default that depends on another.
    /// Runs on every decoded body after the tables' defaults, and on every patched object.
    fn default(&self, object: &mut Value) {
        let _ = object;
    }

    /// Warnings about a new object that its preparation corrects.
    fn prepare_warnings(&self, object: &Value, out: &mut Vec<String>) {
        let _ = (object, out);
    }

    /// Clears and sets the fields that a create may not choose: most kinds drop `status`. `metadata.generation` is 1
    /// already where the kind has generations.
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        let _ = context;
        if let Some(map) = object.as_map_mut() {
            map.remove("status");
        }
    }

    /// Keeps the fields that an update of the object itself may not change: most kinds keep the old `status`.
    fn prepare_update(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        let _ = context;
        keep(new, old, "status");
    }

    /// Keeps the fields that an update through `status` may not change: everything but the status and parts of the
    /// metadata.
    fn prepare_status(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        let _ = context;
        keep(new, old, "spec");
    }

    /// Keeps the fields that an update through a subresource other than `status` may not change: `finalize`,
    /// `approval`, `ephemeralcontainers`, `resize`. The context names it.
    fn prepare_subresource(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        self.prepare_status(new, old, context);
    }

    /// Whether this update raises `metadata.generation`; by default a change of `spec` does.
    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("spec") != old.get("spec")
    }

    /// Whether objects of this kind carry `metadata.generation` at all.
    fn has_generation(&self) -> bool {
        false
    }

    /// The form of names of this kind.
    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }

    /// All errors of a new object, its metadata included, in upstream's order.
    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, self.name_rule(), errors);
    }

    /// Errors of a new object that depend on the namespace it is in, whose labels `labels` reads.
    fn validate_in_namespace(
        &self,
        object: &Value,
        labels: &dyn Fn() -> Option<Map>,
        errors: &mut FieldErrors,
    ) {
        let _ = (object, labels, errors);
    }

    /// All errors of a new object by the version that it was written in, for the kind whose versions differ.
    fn validate_as(&self, served: &GroupVersionKind, object: &Value, errors: &mut FieldErrors) {
        let _ = served;
        self.validate(object, errors);
    }

    /// `validate_update` by the version that the update was written in.
    fn validate_update_as(
        &self,
        served: &GroupVersionKind,
        new: &Value,
        old: &Value,
        errors: &mut FieldErrors,
    ) {
        let _ = served;
        self.validate_update(new, old, errors);
    }

    /// All errors of an update of the object itself, the new object's own included. What every update of every
    /// kind is checked for (`validation::meta::validate_common_update`) has run before. Most kinds repeat it, as upstream's
    /// do: where it found something, that is told again; where it found nothing, nothing is looked at again.
    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
    }

    /// All errors of an update through `status`.
    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        let _ = (new, old, errors);
    }

    /// All errors of an update through a subresource other than `status`.
    fn validate_subresource(&self, new: &Value, old: &Value, subresource: &str, errors: &mut FieldErrors) {
        let _ = subresource;
        self.validate_status(new, old, errors);
    }

    /// Sets the defaults that upstream adds when it reads the stored object back: they see the results of preparation
    /// and admission, and are not validated.
    fn complete(&self, object: &mut Value) {
        let _ = object;
    }

    /// Texts of `Warning` headers for a create (`old` is `None`) or an update.
    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let _ = (new, old, out);
    }

    /// Texts of `Warning` headers for an update through `status`. Other subresources have none.
    fn status_warnings(&self, new: &Value, out: &mut Vec<String>) {
        let _ = (new, out);
    }

    /// The cells of `kubectl get`, one per column of the kind's table.
    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let _ = now_seconds;
        vec![cells::name(object), cells::text(object, &["metadata", "creationTimestamp"])]
    }

    /// The condition that a row of the table shows besides its cells.
    fn row_condition(&self, object: &Value) -> Option<Value> {
        let _ = object;
        None
    }

    /// The sort key of a row in a list's table, before the name. `None` for kinds whose tables are in the order of
    /// their lists.
    fn row_order(&self, object: &Value) -> Option<i64> {
        let _ = object;
        None
    }

    /// The value of a selectable field that is not simply the text, number or flag at its path.
    fn selectable(&self, label: &str, object: &Value) -> Option<Text> {
        let _ = (label, object);
        None
    }

    /// Annotations for fields that the kind has in upstream's internal form only.
    fn field_annotations(&self) -> &'static [&'static str] {
        &[]
    }

    /// Refuses a decoded body that its type allows and the kind does not.
    fn refuse(&self, object: &Value) -> Result<(), String> {
        let _ = object;
        Ok(())
    }

    /// Whether objects of this kind hold a share of the server's pools, or have records kept beside them.
    fn allocates(&self) -> bool {
        false
    }

    /// Allocates addresses and ports for a new object (`old` is `None`) or a new version, before it is prepared.
    fn allocate(
        &self,
        new: &mut Value,
        old: Option<&Value>,
        allocator: &mut dyn Allocator,
    ) -> Result<(), Status> {
        let _ = (new, old, allocator);
        Ok(())
    }

    /// The addresses and ports of the pools that a stored object holds.
    fn allocations(&self, object: &Value) -> Allocations {
        let _ = object;
        Allocations::default()
    }

    /// The objects that the server keeps beside a stored one.
    fn allocation_records(&self, object: &Value) -> Vec<AllocationRecord> {
        let _ = object;
        Vec::new()
    }

    /// The grace period of a deletion in seconds, of which `requested` is the client's wish; `None` for kinds that are
    /// deleted at once.
    fn grace_seconds(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let _ = (object, requested);
        None
    }

    /// The reason why the object of this name cannot be deleted.
    fn undeletable(&self, name: &str) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// Whether a deleted object without finalizers may go; a namespace has finalizers of its own in its spec.
    fn may_go(&self, object: &Value) -> bool {
        let _ = object;
        true
    }

    /// Changes an object at the moment its deletion begins, for the kinds whose first delete only marks: a
    /// namespace becomes Terminating. False for the others.
    fn begin_deletion(&self, object: &mut Value, now: Time) -> bool {
        let _ = (object, now);
        false
    }

    /// Restores fields that protobuf does not keep, whenever an object is read from the store. False for kinds that
    /// lose none.
    fn restore(&self, object: &mut Value) -> bool {
        let _ = object;
        false
    }
}

/// Puts the old object's top-level field in the place of the new one's.
pub fn keep(new: &mut Value, old: &Value, field: &str) {
    let Some(map) = new.as_map_mut() else { return };
    match old.get(field) {
        Some(value) => {
            map.insert(field, value.clone());
        }
        None => {
            map.remove(field);
        }
    }
}

/// Keeps all metadata that an update through `status` may not change in kinds that are strict about it.
pub fn keep_metadata(new: &mut Value, old: &Value) {
    for field in ["deletionTimestamp", "generation", "labels", "annotations", "finalizers", "ownerReferences"]
    {
        keep_at(new, old, &["metadata", field]);
    }
}

/// Puts the old object's value at a path in the place of the new one's.
pub fn keep_at(new: &mut Value, old: &Value, path: &[&str]) {
    match old.at(path) {
        Some(value) => new.set(path, value.clone()),
        None => {
            new.remove(path);
        }
    }
}

/// Sets a value at a path of existing maps, unless there is one.
pub fn set_default(object: &mut Value, parent: &[&str], field: &str, value: impl Into<Value>) {
    if let Some(map) = object.at_mut(parent).and_then(Value::as_map_mut)
        && map.get(field).is_none_or(Value::is_null)
    {
        map.insert(field, value.into());
    }
}
