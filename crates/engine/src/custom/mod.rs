//! Custom resources: what is served for a CustomResourceDefinition, and how its objects differ from built-in ones.
//!
//! Objects are trees of JSON in which only the metadata has a type; they are stored as JSON, and shown with their
//! keys sorted.

pub mod body;
pub(crate) mod conversion;
mod converted;
pub mod converter;
pub mod install;
pub(crate) mod metrics;
pub(crate) mod object;

use pintle_kinds::custom_resource::Scale;
use pintle_schema::{Schema, TypeId, custom};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one served version of a custom resource has besides what every resource has.
pub struct Custom {
    pub(crate) schema: Arc<custom::Custom>,
    /// The schemas of all versions by name: what is read is pruned and defaulted by that which it was stored in.
    pub(crate) versions: Arc<BTreeMap<String, Arc<custom::Custom>>>,
    /// The webhook that converts between versions, if one must.
    pub(crate) webhook: Option<conversion::ConversionWebhook>,
    /// What clients of a deprecated version are warned with.
    pub deprecation: Option<String>,
    /// Set when the definition is deleted: nothing new is created then.
    pub(crate) terminating: AtomicBool,
    /// Types of all versions, for managed fields, those of each version's objects, and that of this version.
    pub(crate) types: Arc<Schema>,
    pub(crate) version_types: Arc<BTreeMap<String, TypeId>>,
    pub(crate) ty: TypeId,
    pub(crate) scale: Option<Scale>,
    /// Of the definition: encoded forms of objects are good for one generation.
    pub(crate) generation: i64,
    /// Which definition this is of, and which generation of it: its uid and generation.
    pub identity: String,
}

impl Custom {
    /// Whether a webhook converts objects between the versions.
    pub fn has_conversion_webhook(&self) -> bool {
        self.webhook.is_some()
    }

    pub fn is_terminating(&self) -> bool {
        self.terminating.load(Ordering::Relaxed)
    }

    /// Lets nothing new be created: the definition is deleted.
    pub fn terminate(&self) {
        self.terminating.store(true, Ordering::Relaxed);
    }
}
