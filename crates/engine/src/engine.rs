//! `Engine`: the served resources on top of the store.

use crate::allocate::allocators::Allocators;
use crate::generate::Generator;
use crate::request::admission::Attributes;
use crate::resource::ServedResource;
use crate::storage::builtin::BuiltinCodec;
use pintle_kinds::gated_fields::GatedFields;

use crate::custom::metrics::ConversionMetrics;
use crate::resource_table::Table;
use arc_swap::ArcSwap;
use pintle_metrics::{Histogram, Registry};
use pintle_object::{GatedRules, GroupVersionKind, Status, Value};
use pintle_outbound::Hooks;
use pintle_schema::{Builtin, TypeId};
use pintle_store::Store;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

pub struct Engine {
    pub api: Arc<Builtin>,
    pub store: Store,
    pub generator: Generator,
    /// The field manager that the server's own writes are accounted to.
    pub manager: String,
    pub(crate) builtin: BuiltinCodec,
    admission: Box<dyn Admission>,
    pub(crate) allocators: Allocators,
    table: ArcSwap<Table>,
    /// Notifies of changes of the served custom resources.
    serving: watch::Sender<()>,
    expiry_seconds: Option<u64>,
    /// The clients of conversion webhooks, and the counters of their calls.
    hooks: OnceLock<Arc<Hooks>>,
    conversions: OnceLock<ConversionMetrics>,
    /// The time that finding out takes whether an update changes anything, by the finding: each from the first one on.
    pub(crate) comparisons: [OnceLock<Histogram>; 3],
    /// The fields that each kind, by its stored type, loses with the feature gates that are off.
    gated: HashMap<TypeId, GatedFields>,
    pub(crate) rules: GatedRules,
    /// The registry of metrics of the engine and its helpers.
    metrics: Registry,
    /// Whether unreadable objects may be deleted (AllowUnsafeMalformedObjectDeletion).
    pub deletes_unreadable: bool,
}

impl Engine {
    /// Puts the engine on an opened store, whose collections are those of the layout.
    pub(crate) fn new(api: Arc<Builtin>, served: Vec<Arc<ServedResource>>, store: Store) -> Engine {
        Engine {
            builtin: BuiltinCodec { api: api.clone() },
            api,
            store,
            generator: Generator::system(),
            manager: String::from("kube-apiserver"),
            admission: Box::new(Open),
            allocators: Allocators::new(Vec::new(), pintle_kinds::allocator::port::RANGE),
            table: ArcSwap::from_pointee(Table::new(served)),
            serving: watch::Sender::new(()),
            expiry_seconds: None,
            hooks: OnceLock::new(),
            conversions: OnceLock::new(),
            comparisons: Default::default(),
            gated: HashMap::new(),
            rules: GatedRules::default(),
            metrics: Registry::default(),
            deletes_unreadable: false,
        }
    }

    /// Puts admission before every write; until then, everything is admitted.
    pub fn set_admission(&mut self, admission: Box<dyn Admission>) {
        self.admission = admission;
    }

    pub(crate) fn admission(&self) -> &dyn Admission {
        self.admission.as_ref()
    }

    /// Sets the clients of conversion webhooks; until then, such conversions are refused.
    pub fn set_hooks(&self, hooks: Arc<Hooks>) {
        // Set twice, the first ways stay.
        let _ = self.hooks.set(hooks);
    }

    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.hooks.get().map(Arc::as_ref)
    }

    /// Metrics of conversions, from the first one on.
    pub(crate) fn conversion_metrics(&self) -> &ConversionMetrics {
        self.conversions.get_or_init(|| ConversionMetrics::new(&self.metrics))
    }

    /// The name that the server writes under.
    pub fn set_manager(&mut self, manager: &str) {
        self.manager = manager.into();
    }

    /// Counts in a registry from now on; before pools are set.
    pub fn set_metrics(&mut self, registry: &Registry) {
        self.metrics = registry.clone();
        self.observe_writes();
        self.count_start();
    }

    /// The registry that the server counts in.
    pub fn metrics(&self) -> &Registry {
        &self.metrics
    }

    /// Sets the feature gates: writes drop the fields of those that are off, and validation follows the rules of those
    /// that are on. Until then, all are on. Must come before the pools.
    pub fn set_gates(&mut self, is_on: &dyn Fn(&str) -> bool) {
        let kinds = self.api.resources.all.iter().filter_map(|resource| {
            let (group, version) = (resource.storage_group.as_ref(), resource.storage_version.as_ref());
            let kind = GroupVersionKind::new(group, version, resource.kind.as_ref());
            Some((self.api.kind(&kind)?, GatedFields::of(&resource.kind, is_on)))
        });
        self.deletes_unreadable = is_on("AllowUnsafeMalformedObjectDeletion");
        self.gated = kinds.collect();
        self.rules = GatedRules {
            has_strict_addresses: is_on("StrictIPCIDRValidation"),
            has_relaxed_service_names: is_on("RelaxedServiceNameValidation"),
        };
    }

    /// Drops fields of features that are off, unless the old object uses them.
    pub(crate) fn drop_gated(&self, served: &ServedResource, new: &mut Value, old: Option<&Value>) {
        if let Some(gated) = self.gated.get(&served.storage_ty) {
            gated.drop(new, old);
        }
    }

    /// Objects of kinds that expire (events) live this long.
    pub fn set_expiry(&mut self, seconds: u64) {
        self.expiry_seconds = (seconds > 0).then_some(seconds);
    }

    pub(crate) fn ttl_seconds(&self, served: &ServedResource) -> Option<u64> {
        self.expiry_seconds.filter(|_| served.facts.expires)
    }

    /// Everything that is served now.
    pub fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Replaces the served custom resources; requests in flight end with those that they began with.
    pub fn serve_custom(&self, custom: Vec<Arc<ServedResource>>) {
        self.table.rcu(|table| table.with_custom(custom.clone()));
        self.serving.send_replace(());
    }

    /// Notifies at once, and then of each change of the served custom resources.
    pub fn serving_changes(&self) -> watch::Receiver<()> {
        let mut changes = self.serving.subscribe();
        changes.mark_changed();
        changes
    }

    /// The resource of a path, if it is served.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<ServedResource>> {
        self.table.load().find(group, version, plural).cloned()
    }

    /// The resource of a group in any served version.
    pub fn find_any(&self, group: &str, plural: &str) -> Option<Arc<ServedResource>> {
        self.table.load().find_any(group, plural).cloned()
    }
}

/// The answer of a plugin, some time later.
pub type Verdict<'a> = Pin<Box<dyn Future<Output = Result<(), Status>> + Send + 'a>>;

/// Admission as the engine sees it; the `admission` crate makes one out of ordered plugins.
pub trait Admission: Send + Sync {
    /// Called before the object is prepared and validated; may change it.
    fn mutate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a mut Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a>;

    /// Called with the object as it would be stored; null on delete.
    fn validate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a>;
}

/// Admits everything.
struct Open;

impl Admission for Open {
    fn mutate<'a>(
        &'a self,
        _: &'a Engine,
        _: Attributes<'a>,
        _: &'a mut Value,
        _: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn validate<'a>(
        &'a self,
        _: &'a Engine,
        _: Attributes<'a>,
        _: &'a Value,
        _: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}
