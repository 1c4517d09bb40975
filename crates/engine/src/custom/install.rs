//! From a CustomResourceDefinition to the resources that are served for it.

use super::codec::CustomCodec;
use super::facts::CustomFacts;
use super::webhook::ConversionWebhook;
use crate::engine::Engine;
use crate::resource::{Backing, ServedResource};
use pintle_kinds::custom_resource::{
    CustomResource, Scale, deprecation, document, resource, schema, selectable,
};
use pintle_kinds::{KindFacts, OwnStrategy};
use pintle_object::meta;
use pintle_object::{GroupVersionKind, Value};
use pintle_schema::custom::{Custom as Schema, types};
use pintle_schema::resource::Selectable;
use pintle_store::{CollectionId, Object};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The common part of all versions of a definition.
struct Shared<'a> {
    engine: &'a Engine,
    definition: &'a Value,
    collection: CollectionId,
    storage: GroupVersionKind,
    schemas: Arc<BTreeMap<String, Arc<Schema>>>,
    fields: Vec<Selectable>,
}

/// The served resources of a definition.
pub struct Versions {
    pub served: Vec<Arc<ServedResource>>,
    /// The version that objects are stored in, served or not.
    pub stored: Arc<ServedResource>,
}

impl Engine {
    /// The versions of a definition in canonical form, as they are in its accepted names.
    pub fn versions_of(&self, definition: &Value) -> Option<Versions> {
        let versions = definition.list_at(&["spec", "versions"]);
        let stored = versions.iter().find(|version| version.bool_at(&["storage"]))?;
        let group = definition.str_at(&["spec", "group"]);
        let kind = definition.str_at(&["status", "acceptedNames", "kind"]);
        let plural = definition.str_at(&["spec", "names", "plural"]);
        let shared = Shared {
            engine: self,
            definition,
            collection: self.store.add_collection(&format!("/registry/{group}/{plural}/")),
            storage: GroupVersionKind::new(group, stored.str_at(&["name"]), kind),
            schemas: Arc::new(
                versions.iter().map(|one| (one.str_at(&["name"]).into(), schema(one))).collect(),
            ),
            fields: selectable(versions),
        };
        let documents: Vec<Option<&Value>> = versions.iter().map(document).collect();
        let (all, ids) = types(&self.api.schema, &documents);
        let all = Arc::new(all);
        let names = versions.iter().map(|version| version.str_at(&["name"]).to_string());
        let version_types = Arc::new(names.zip(ids.iter().copied()).collect::<BTreeMap<_, _>>());
        let all_versions = versions.iter().zip(ids).enumerate();
        let all_versions: Vec<Arc<ServedResource>> = all_versions
            .map(|(form, (version, ty))| {
                let name = version.str_at(&["name"]);
                let codec = CustomCodec {
                    api: self.api.clone(),
                    schema: shared.schemas.get(name).cloned().unwrap_or_default(),
                    versions: shared.schemas.clone(),
                    webhook: ConversionWebhook::of(definition),
                    types: all.clone(),
                    version_types: version_types.clone(),
                    ty,
                    scale: Scale::of(version),
                    generation: definition.int_at(&["metadata", "generation"]).unwrap_or(0).to_be_bytes(),
                };
                Arc::new(shared.serve(version, codec, form))
            })
            .collect();
        let is = |flag: &str| {
            let flags: Vec<bool> = versions.iter().map(|version| version.bool_at(&[flag])).collect();
            let chosen = all_versions.iter().zip(flags).filter(|(_, flag)| *flag);
            chosen.map(|(version, _)| version.clone()).collect::<Vec<_>>()
        };
        Some(Versions { served: is("served"), stored: is("storage").into_iter().next()? })
    }
}

impl Engine {
    /// Reads the attributes of a definition's stored objects again: its selectable fields may have changed.
    pub async fn reindex(&self, stored: &Arc<ServedResource>) {
        let Some(collection) = stored.collection() else { return };
        let stored = stored.clone();
        let attrs = move |object: &Object| stored.codec.attrs(&stored, &object.value);
        self.store.reindex(collection, attrs).await;
    }

    /// The `openAPIV3Schema` of a served version, from its stored definition: it is not kept in memory.
    pub fn custom_schema(&self, served: &ServedResource) -> Option<Value> {
        let definitions = self.find_any("apiextensions.k8s.io", "customresourcedefinitions")?;
        let name = format!("{}.{}", served.resource.plural, served.resource.group);
        let object = self.store.get(definitions.collection()?, &definitions.key("", &name))?;
        let definition = self.storage_tree(&definitions, &object).ok()?;
        let versions = definition.list_at(&["spec", "versions"]);
        let own = versions.iter().find(|version| served.resource.version == version.str_at(&["name"]))?;
        document(own).cloned()
    }
}

impl Shared<'_> {
    fn serve(&self, version: &Value, codec: CustomCodec, form: usize) -> ServedResource {
        let api = &self.engine.api;
        let resource = resource(api, self.definition, version, &self.storage.version);
        let gvk =
            GroupVersionKind::new(resource.group.as_ref(), resource.version.as_ref(), resource.kind.as_ref());
        let strategy = CustomResource::new(version, gvk, codec.schema.clone());
        ServedResource {
            selected: Default::default(),
            fields: self.fields.clone(),
            form,
            backing: Backing::Stored(self.collection),
            strategy: OwnStrategy::Custom(Box::new(strategy)),
            facts: KindFacts { needs_version: true, ..KindFacts::default() },
            storage_ty: api.any,
            storage: self.storage.clone(),
            codec: Box::new(codec),
            custom: Some(CustomFacts {
                deprecation: deprecation(self.definition, version),
                terminating: AtomicBool::new(meta::is_deleting(self.definition)),
                identity: identity(self.definition),
            }),
            resource,
        }
    }
}

/// Changes whenever the definition's specification does.
pub fn identity(definition: &Value) -> String {
    let generation = definition.int_at(&["metadata", "generation"]).unwrap_or(0);
    format!("{}/{generation}", definition.str_at(&["metadata", "uid"]))
}
