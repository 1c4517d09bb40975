//! `Engine`: the served resources on top of the store.

use crate::admission::{Admission, Open, User};
use crate::allocate::{Pools, port};
use crate::call::Call;
use crate::custom::Custom;
use crate::generate::Generator;
use crate::kinds::gated_fields::GatedFields;
use crate::kinds::{self, Rules, Traits};
use crate::serving::Table;
use arc_swap::ArcSwap;
use pintle_object::time::Time;
use pintle_object::{GroupKind, GroupResource, GroupVersionKind, Status, Value};
use pintle_schema::decode::Pick;
use pintle_schema::resource::Selectable;
use pintle_schema::{Builtin, Resource, TypeId, Verb};
use pintle_store::{CollectionId, Store};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::watch;

/// Every key of upstream's store begins with this.
const REGISTRY: &str = "/registry";

pub struct Engine {
    pub api: Arc<Builtin>,
    pub store: Store,
    pub generator: Generator,
    /// The field manager that the server's own writes are accounted to.
    pub manager: String,
    admission: Box<dyn Admission>,
    pub(crate) pools: Pools,
    table: ArcSwap<Table>,
    /// Tells that other custom resources are served than before.
    serving: watch::Sender<()>,
    expiry_seconds: Option<u64>,
    /// What each kind loses with the feature gates that are off.
    gated: HashMap<String, GatedFields>,
}

/// A resource as it is served: its table, where its objects are kept, and the rules of its kind.
pub struct Served {
    pub resource: Resource,
    /// Absent for resources that are answered, not stored: reviews, bindings, componentstatuses.
    pub collection: Option<CollectionId>,
    pub rules: OwnRules,
    pub traits: Traits,
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

/// The rules of a kind: those of built-in kinds are part of the program.
pub enum OwnRules {
    Builtin(&'static dyn Rules),
    Custom(Box<dyn Rules>),
}

impl Deref for OwnRules {
    type Target = dyn Rules;

    fn deref(&self) -> &(dyn Rules + 'static) {
        match self {
            OwnRules::Builtin(rules) => *rules,
            OwnRules::Custom(rules) => rules.as_ref(),
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub served: &'a Served,
    /// `status`, `scale`, ...; empty for the object itself.
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Served {
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

    pub fn has(&self, verb: Verb) -> bool {
        self.resource.verbs.has(verb)
    }
}

impl Target<'_> {
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
}

/// The resources of an API, before the store is there.
pub(crate) fn layout(api: &Builtin) -> Vec<Served> {
    let mut served: Vec<Served> = Vec::new();
    for resource in &api.resources.all {
        let storage = GroupVersionKind::new(
            resource.storage_group.as_ref(),
            resource.storage_version.as_ref(),
            resource.kind.as_ref(),
        );
        let mut sharing = served.iter().filter(|known| known.resource.key_prefix == resource.key_prefix);
        let owner = sharing.next();
        let fields = owner.map_or(&resource.selectable, |owner| &owner.fields).clone();
        let form = owner.map_or(0, |_| 1 + sharing.count());
        let storage_ty = api.kind(&storage).unwrap_or(resource.ty);
        served.push(Served {
            is_stored: resource.verbs.has(Verb::Update),
            selected: Pick::new(&api.schema, storage_ty, fields.iter().map(|field| field.path.as_slice())),
            fields,
            form,
            collection: None,
            rules: OwnRules::Builtin(kinds::rules(&storage.group, &storage.kind)),
            custom: None,
            traits: kinds::traits(&storage.group, &storage.kind),
            storage_ty,
            storage,
            resource: resource.clone(),
        });
    }
    served
}

impl Engine {
    /// Puts the engine on an opened store, whose collections are those of the layout.
    pub(crate) fn new(api: Arc<Builtin>, served: Vec<Arc<Served>>, store: Store) -> Engine {
        Engine {
            api,
            store,
            generator: Generator::system(),
            manager: String::from("kube-apiserver"),
            admission: Box::new(Open),
            pools: Pools::new(Vec::new(), port::RANGE),
            table: ArcSwap::from_pointee(Table::new(served)),
            serving: watch::Sender::new(()),
            expiry_seconds: None,
            gated: HashMap::new(),
        }
    }

    /// Puts admission before every write; until then, everything is admitted.
    pub fn set_admission(&mut self, admission: Box<dyn Admission>) {
        self.admission = admission;
    }

    pub(crate) fn admission(&self) -> &dyn Admission {
        self.admission.as_ref()
    }

    /// The name that the server writes under.
    pub fn set_manager(&mut self, manager: &str) {
        self.manager = manager.into();
    }

    /// A write of the server's own.
    pub fn own_call<'a>(&self, user: &'a User, now: Time) -> Call<'a> {
        Call::new(user, now, &self.manager)
    }

    /// Lets writes drop the fields of feature gates that are off; until then, all are on.
    pub fn set_gates(&mut self, is_on: &dyn Fn(&str) -> bool) {
        let kinds = self.api.resources.all.iter().map(|resource| resource.kind.to_string());
        self.gated = kinds.map(|kind| (kind.clone(), GatedFields::of(&kind, is_on))).collect();
    }

    /// Drops what belongs to features that are off and that the old object does not use.
    pub(crate) fn drop_gated(&self, served: &Served, new: &mut Value, old: Option<&Value>) {
        if served.custom.is_some() {
            return;
        }
        if let Some(gated) = self.gated.get(&*served.storage.kind) {
            gated.drop(new, old);
        }
    }

    /// Objects of kinds that expire (events) live this long.
    pub fn set_expiry(&mut self, seconds: u64) {
        self.expiry_seconds = (seconds > 0).then_some(seconds);
    }

    pub(crate) fn ttl_seconds(&self, served: &Served) -> Option<u64> {
        self.expiry_seconds.filter(|_| served.traits.expires)
    }

    /// Everything that is served now.
    pub fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Serves other custom resources than before; requests that have begun end with what they began with.
    pub fn serve_custom(&self, custom: Vec<Arc<Served>>) {
        self.table.rcu(|table| table.with_custom(custom.clone()));
        self.serving.send_replace(());
    }

    /// Tells each time that other custom resources are served than before, and of what is served when it is asked for.
    pub fn serving_changes(&self) -> watch::Receiver<()> {
        let mut changes = self.serving.subscribe();
        changes.mark_changed();
        changes
    }

    /// The resource of a path, if it is served.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Served>> {
        self.table.load().find(group, version, plural).cloned()
    }

    /// The resource of a group in whatever version is served.
    pub fn find_any(&self, group: &str, plural: &str) -> Option<Arc<Served>> {
        self.table.load().find_any(group, plural).cloned()
    }
}
