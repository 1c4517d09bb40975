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
mod path;
mod rules;
pub mod stability;

use path::Path;
use pintle_object::{Text, Value};
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

/// Where a scale is in an object.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    pub wanted: Vec<Text>,
    pub current: Vec<Text>,
    /// Empty when there is none.
    pub selector: Vec<Text>,
    /// `.spec.replicas`, as it is written in the definition.
    pub wanted_text: String,
}

impl Scale {
    pub(crate) fn of(version: &Value) -> Option<Scale> {
        let scale = version.at(&["subresources", "scale"])?;
        let steps = |name: &str| Path::parse(scale.str_at(&[name])).and_then(|path| path.fields());
        Some(Scale {
            wanted: steps("specReplicasPath")?,
            current: steps("statusReplicasPath")?,
            selector: steps("labelSelectorPath").unwrap_or_default(),
            wanted_text: scale.str_at(&["specReplicasPath"]).into(),
        })
    }
}

/// The value at a path of fields.
pub(crate) fn at<'a>(object: &'a Value, path: &[Text]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, step| value.get(step))
}
