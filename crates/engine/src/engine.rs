//! `Engine`: the served resources on top of the store.

use crate::generate::Generator;
use crate::kinds::{self, Rules};
use pintle_object::{GroupKind, GroupResource, GroupVersionKind};
use pintle_schema::{Builtin, Resource, TypeId, Verbs};
use pintle_store::{CollectionId, Store};
use std::collections::HashMap;
use std::sync::Arc;

/// Every key of upstream's store begins with this.
const REGISTRY: &str = "/registry";

pub struct Engine {
    pub api: Arc<Builtin>,
    pub store: Store,
    pub generator: Generator,
    served: Vec<Arc<Served>>,
    /// Positions in `served` by plural name: few resources share one.
    by_plural: HashMap<String, Vec<usize>>,
}

/// A resource as it is served: its table, where its objects are kept, and the rules of its kind.
pub struct Served {
    pub resource: Resource,
    /// Absent for resources that are answered, not stored: reviews, bindings, componentstatuses.
    pub collection: Option<CollectionId>,
    pub rules: &'static dyn Rules,
    /// The kind that objects are stored as, and its type.
    pub storage: GroupVersionKind,
    pub storage_ty: TypeId,
    /// Place of this resource's encoded forms in an object: resources that share a collection have their own.
    pub(crate) form_offset: usize,
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
        self.storage.group != self.resource.group.as_ref() || self.storage.version != self.resource.version.as_ref()
    }

    pub fn has(&self, verb: Verbs) -> bool {
        self.resource.verbs.has(verb)
    }
}

impl Target<'_> {
    pub fn key(&self) -> String {
        self.served.key(self.namespace, self.name)
    }
}

/// The prefixes of all collections, in the order of their ids, and the resources on top of them.
pub(crate) struct Layout {
    pub prefixes: Vec<String>,
    pub served: Vec<Served>,
}

impl Layout {
    pub fn of(api: &Builtin) -> Layout {
        let mut prefixes: Vec<String> = Vec::new();
        let mut served: Vec<Served> = Vec::new();
        for resource in &api.resources.all {
            let storage = GroupVersionKind::new(
                resource.storage_group.as_ref(),
                resource.storage_version.as_ref(),
                resource.kind.as_ref(),
            );
            let is_stored = resource.verbs.has(Verbs::UPDATE);
            let prefix = format!("{REGISTRY}/{}/", resource.key_prefix);
            let shares = prefixes.contains(&prefix);
            if is_stored && !shares {
                prefixes.push(prefix.clone());
            }
            let place = prefixes.iter().position(|known| *known == prefix);
            served.push(Served {
                resource: resource.clone(),
                collection: place.filter(|_| is_stored).map(|place| CollectionId(place as u32)),
                rules: kinds::rules(&storage.group, &storage.kind),
                storage_ty: api.kind(&storage).unwrap_or(resource.ty),
                storage,
                form_offset: if shares { crate::encoding::FORMS_PER_VERSION } else { 0 },
            });
        }
        Layout { prefixes, served }
    }
}

impl Engine {
    /// Puts the engine on an opened store, whose collections are those of the layout.
    pub(crate) fn new(api: Arc<Builtin>, served: Vec<Arc<Served>>, store: Store) -> Engine {
        let mut by_plural: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, served) in served.iter().enumerate() {
            by_plural.entry(served.resource.plural.to_string()).or_default().push(place);
        }
        Engine { api, store, generator: Generator::system(), served, by_plural }
    }

    pub fn served(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.served.iter()
    }

    /// The resource of a path, if it is served.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Served>> {
        let places = self.by_plural.get(plural)?;
        places
            .iter()
            .filter_map(|place| self.served.get(*place))
            .find(|served| served.resource.group == group && served.resource.version == version)
    }

    /// The resource of a group in whatever version is served.
    pub fn find_any(&self, group: &str, plural: &str) -> Option<&Arc<Served>> {
        let places = self.by_plural.get(plural)?;
        places.iter().filter_map(|place| self.served.get(*place)).find(|served| served.resource.group == group)
    }
}
