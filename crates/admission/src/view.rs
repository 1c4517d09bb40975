//! `View`: as much of the stored objects as plugins may see and write.

use pintle_engine::UpdateSource;
use pintle_engine::{Conversions, Engine, ObjectRef, ServedResource, own};
use pintle_object::selector::LabelSelector;
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Map, Status, Value, Verb, meta};
use pintle_patch::typed::merge_configuration;
use pintle_schema::decode;
use pintle_schema::resource::Subresource;
use pintle_store::{Object, Snapshot};
use std::sync::Arc;

/// Read access to stored objects, in any version. Nothing here has to be waited for.
#[derive(Clone, Copy)]
pub struct View<'a>(&'a Engine);

impl<'a> View<'a> {
    pub fn new(engine: &'a Engine) -> View<'a> {
        View(engine)
    }

    /// A stored object of a built-in resource, in the version that it is stored in.
    pub fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let (served, object) = self.found(group, plural, namespace, name)?;
        self.0.storage_tree(&served, &object).ok()
    }

    /// The labels of a stored object, without reading the object itself.
    pub fn labels(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Map> {
        let (_, object) = self.found(group, plural, namespace, name)?;
        let labels = object.attrs.labels.iter();
        Some(labels.map(|(key, value)| (key.clone(), Value::Text(value.clone()))).collect())
    }

    /// A selectable field of a stored object, without reading the object itself.
    pub fn field(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
        label: &str,
    ) -> Option<String> {
        let (served, object) = self.found(group, plural, namespace, name)?;
        let place = served.fields.iter().position(|field| field.label == label)?;
        object.attrs.fields.get(place).map(ToString::to_string)
    }

    fn found(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Option<(Arc<ServedResource>, Arc<Object>)> {
        let served = self.0.find_any(group, plural)?;
        let object = self.0.store.get(served.collection()?, &served.key(namespace, name))?;
        Some((served, object))
    }

    /// The stored objects of a built-in resource by name; those of one namespace when it is not empty.
    pub fn list(&self, group: &str, plural: &str, namespace: &str) -> Vec<Value> {
        let Some(served) = self.0.find_any(group, plural) else { return Vec::new() };
        let Some(collection) = served.collection() else { return Vec::new() };
        let snapshot = self.0.store.snapshot(collection);
        let prefix = served.prefix(namespace);
        snapshot.range(&prefix, None).filter_map(|object| self.0.storage_tree(&served, object).ok()).collect()
    }

    /// Whether a namespace has objects of a built-in resource.
    pub fn has_any(&self, group: &str, plural: &str, namespace: &str) -> bool {
        let Some(served) = self.0.find_any(group, plural) else { return false };
        let Some(collection) = served.collection() else { return false };
        let snapshot = self.0.store.snapshot(collection);
        snapshot.range(&served.prefix(namespace), None).next().is_some()
    }

    /// All stored objects of a resource of admission, to be read one by one.
    pub fn configurations(&self, plural: &str) -> Option<Configurations<'a>> {
        let served = self.0.find_any(GROUP, plural)?;
        let snapshot = self.0.store.snapshot(served.collection()?);
        Some(Configurations { engine: self.0, served, snapshot })
    }

    /// The resource that is served for a kind.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<Arc<ServedResource>> {
        let is_it =
            |one: &&Arc<ServedResource>| one.api_version() == api_version && *one.resource.kind == *kind;
        self.0.table().served().iter().find(is_it).cloned()
    }

    /// The other resources that show the same objects.
    pub fn equivalents(&self, served: &ServedResource) -> Vec<Arc<ServedResource>> {
        self.0.table().equivalents(served).cloned().collect()
    }

    /// An object of a served resource, in the version of that.
    pub fn show(&self, served: &ServedResource, namespace: &str, name: &str) -> Option<Value> {
        let object = self.0.store.get(served.collection()?, &served.key(namespace, name))?;
        self.0.tree(served, &object).ok()
    }

    /// The objects of a namespace whose labels a selector selects; others are not read.
    pub fn select(&self, served: &ServedResource, namespace: &str, selector: &LabelSelector) -> Vec<Value> {
        let Some(collection) = served.collection() else { return Vec::new() };
        let snapshot = self.0.store.snapshot(collection);
        let prefix = served.prefix(namespace);
        let objects = snapshot.range(&prefix, None);
        let selected = objects.filter(|object| selector.matches(&*object.attrs.labels));
        selected.filter_map(|object| self.0.tree(served, object).ok()).collect()
    }

    /// Waits for conversions that were missed; false when none was.
    pub async fn learns(&self, conversions: &Conversions, served: &ServedResource) -> bool {
        self.0.learn(conversions, served).await
    }

    /// A draft in the version of a resource that shows it, with kind and apiVersion.
    pub fn shown_as(&self, served: &ServedResource, draft: Value) -> Result<Value, Status> {
        self.0.shown_as(served, draft)
    }

    /// The draft of a tree that `shown_as` made and that was changed since.
    pub fn read_shown(
        &self,
        served: &ServedResource,
        subresource: &str,
        shown: Value,
    ) -> Result<Value, Status> {
        self.0.read_shown(served, subresource, shown)
    }

    /// The Scale of an object.
    pub fn scale(&self, served: &ServedResource, object: &Value) -> Value {
        self.0.scale(served, object)
    }

    /// A tree of `shown_as` with an apply configuration merged into it.
    pub fn configured(
        &self,
        served: &ServedResource,
        subresource: &str,
        shown: &Value,
        configuration: &Value,
    ) -> Result<Value, String> {
        let (schema, ty) = self.0.types_of(served, subresource);
        merge_configuration(schema, ty, shown, configuration)
    }

    /// Whether objects of a kind have a type in the documents of their group and version: some resource there takes
    /// them.
    pub fn has_type(&self, kind: &GroupVersionKind) -> bool {
        self.0.table().served().iter().any(|served| {
            let resource = &served.resource;
            let is_body = |sub: &Subresource| {
                sub.group == *kind.group
                    && sub.version == *kind.version
                    && sub.kind == *kind.kind
                    && is_written(sub)
            };
            resource.group == *kind.group
                && resource.version == *kind.version
                && (resource.kind == *kind.kind || resource.subresources.iter().any(is_body))
        })
    }

    /// Whether anything is served in a group and version.
    pub fn serves(&self, kind: &GroupVersionKind) -> bool {
        self.0.table().serves(&kind.group, &kind.version)
    }

    /// A tree as an object of a built-in kind reads it; none for a kind that there is not.
    pub fn read_as(&self, kind: &GroupVersionKind, tree: &Value) -> Option<Result<Value, String>> {
        let ty = self.0.api.kind(kind)?;
        Some(
            decode::json::normalise(&self.0.api.schema, ty, tree)
                .map(|read| read.value)
                .map_err(|why| why.to_string()),
        )
    }

    /// Writes the JSON of a tree of `shown_as`, in the field order of its type.
    pub fn write_shown(&self, served: &ServedResource, subresource: &str, shown: &Value, out: &mut Vec<u8>) {
        self.0.write_shown(served, subresource, shown, out);
    }

    /// A tree of `shown_as` that a webhook has patched: as decoded, and as a draft.
    pub fn read_patched(
        &self,
        served: &ServedResource,
        subresource: &str,
        shown: Value,
    ) -> Result<(Value, Value), Status> {
        self.0.read_by_webhook(served, subresource, shown)
    }

    /// The identifier of a review.
    pub fn random_uid(&self) -> String {
        self.0.generator.uid()
    }

    /// A name that nothing has, on a base.
    pub fn random_name(&self, base: &str) -> String {
        self.0.generator.name(base)
    }

    /// Creates an object of a built-in resource, as the server itself.
    pub async fn create(
        &self,
        (group, version, plural): (&str, &str, &str),
        object: Value,
        now: Time,
    ) -> Result<(), Status> {
        let Some(served) = self.0.find(group, version, plural) else { return Ok(()) };
        let (namespace, name) = (meta::namespace(&object).to_owned(), meta::name(&object).to_owned());
        let target = ObjectRef { served: &served, subresource: "", namespace: &namespace, name: &name };
        let system = own::user();
        self.0.create(target, object, &mut self.0.own_call(&system, now)).await.map(drop)
    }

    /// Writes the status of an object of a built-in resource, as the server itself.
    pub async fn write_status(
        &self,
        (group, plural): (&str, &str),
        (namespace, name): (&str, &str),
        now: Time,
        change: &(dyn Fn(&mut Value) -> Result<(), Status> + Sync),
    ) -> Result<(), Status> {
        let Some(served) = self.0.find_any(group, plural) else { return Ok(()) };
        let target = ObjectRef { served: &served, subresource: "status", namespace, name };
        let system = own::user();
        let next = |current: Option<&Value>, _: &mut Vec<String>| {
            let mut object = current.cloned().unwrap_or_default();
            change(&mut object)?;
            Ok(object)
        };
        let mut context = self.0.own_call(&system, now);
        self.0.replace(target, UpdateSource::Patch(&next), false, &mut context).await.map(drop)
    }
}

/// Whether a subresource takes bodies.
fn is_written(sub: &Subresource) -> bool {
    [Verb::Create, Verb::Update, Verb::Patch].into_iter().any(|verb| sub.verbs.has(&verb))
        && !CONNECTIONS.contains(&sub.name.as_ref())
}

/// Subresources whose kinds are options of connections.
const CONNECTIONS: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

/// The stored objects of one resource at one moment.
pub struct Configurations<'a> {
    engine: &'a Engine,
    served: Arc<ServedResource>,
    pub snapshot: Snapshot,
}

impl Configurations<'_> {
    /// In the order of their names.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.snapshot.range("", None)
    }

    /// The tree of an object; None for one that cannot be read.
    pub fn tree(&self, object: &Object) -> Option<Value> {
        self.engine.storage_tree(&self.served, object).ok()
    }
}

pub const GROUP: &str = "admissionregistration.k8s.io";
