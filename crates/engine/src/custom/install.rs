//! From a CustomResourceDefinition to the resources that are served for it.

use super::conversion::ConversionWebhook;
use super::path::Path;
use super::rules::{Column, CustomRules};
use super::stability::by_stability;
use super::{Custom, Scale};
use crate::engine::Engine;
use crate::resource::{OwnStrategy, ServedResource};
use crate::storage::encoding;
use pintle_kinds::KindFacts;
use pintle_object::meta;
use pintle_object::{GroupVersionKind, Value};
use pintle_schema::custom::{Custom as Schema, types};
use pintle_schema::resource::Selectable;
use pintle_schema::{Column as Heading, Life, Resource, Str, Subresource, Verb, Verbs};
use pintle_store::{CollectionId, Object};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What all versions of a definition have in common.
struct Shared<'a> {
    engine: &'a Engine,
    definition: &'a Value,
    collection: CollectionId,
    storage: GroupVersionKind,
    schemas: Arc<BTreeMap<String, Arc<Schema>>>,
    fields: Vec<Selectable>,
}

/// What a definition becomes.
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
                let custom = Custom {
                    schema: shared.schemas.get(name).cloned().unwrap_or_default(),
                    versions: shared.schemas.clone(),
                    webhook: ConversionWebhook::of(definition),
                    deprecation: deprecation(definition, version),
                    terminating: AtomicBool::new(meta::is_deleting(definition)),
                    types: all.clone(),
                    version_types: version_types.clone(),
                    ty,
                    scale: Scale::of(version),
                    generation: definition.int_at(&["metadata", "generation"]).unwrap_or(0),
                    identity: identity(definition),
                };
                Arc::new(shared.serve(version, custom, form))
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
    /// Reads the attributes of a definition's stored objects anew: other fields may be selected by now.
    pub async fn reindex(&self, stored: &Arc<ServedResource>) {
        let Some(collection) = stored.collection else { return };
        let (api, stored) = (self.api.clone(), stored.clone());
        let attrs = move |object: &Object| encoding::attrs_of_bytes(&api, &stored, &object.value);
        self.store.reindex(collection, attrs).await;
    }

    /// The `openAPIV3Schema` of a served version, from its stored definition: it is not kept in memory.
    pub fn custom_schema(&self, served: &ServedResource) -> Option<Value> {
        let definitions = self.find_any("apiextensions.k8s.io", "customresourcedefinitions")?;
        let name = format!("{}.{}", served.resource.plural, served.resource.group);
        let object = self.store.get(definitions.collection?, &definitions.key("", &name))?;
        let definition = self.storage_tree(&definitions, &object).ok()?;
        let versions = definition.list_at(&["spec", "versions"]);
        let own = versions.iter().find(|version| served.resource.version == version.str_at(&["name"]))?;
        document(own).cloned()
    }
}

impl Shared<'_> {
    fn serve(&self, version: &Value, custom: Custom, form: usize) -> ServedResource {
        let resource = self.resource(version);
        let has_status = version.at(&["subresources", "status"]).is_some();
        let strategy = CustomRules {
            gvk: GroupVersionKind::new(
                resource.group.as_ref(),
                resource.version.as_ref(),
                resource.kind.as_ref(),
            ),
            has_status,
            schema: custom.schema.clone(),
            columns: columns(version),
            scale: custom.scale.clone(),
        };
        ServedResource {
            selected: Default::default(),
            is_stored: true,
            fields: self.fields.clone(),
            form,
            collection: Some(self.collection),
            strategy: OwnStrategy::Custom(Box::new(strategy)),
            facts: KindFacts { needs_version: true, ..KindFacts::default() },
            storage_ty: self.engine.api.any,
            storage: self.storage.clone(),
            custom: Some(custom),
            resource,
        }
    }

    fn resource(&self, version: &Value) -> Resource {
        let definition = self.definition;
        let spec = |path: &[&str]| text(definition.get("spec").map_or("", |spec| spec.str_at(path)));
        let name = |field: &str| text(definition.str_at(&["status", "acceptedNames", field]));
        let names = |field: &str| {
            let list = definition.list_at(&["status", "acceptedNames", field]);
            list.iter().filter_map(|name| name.as_str().map(text)).collect::<Vec<Str>>()
        };
        let plural = spec(&["names", "plural"]);
        let group = spec(&["group"]);
        Resource {
            key_prefix: Str::Owned(format!("{group}/{plural}")),
            version: text(version.str_at(&["name"])),
            singular: name("singular"),
            kind: name("kind"),
            list_kind: name("listKind"),
            namespaced: spec(&["scope"]) == "Namespaced",
            verbs: Verbs::all(),
            short_names: names("shortNames"),
            categories: names("categories"),
            ty: self.engine.api.any,
            list_ty: None,
            storage_group: group.clone(),
            storage_version: text(&self.storage.version),
            subresources: subresources(self.engine, definition, version),
            columns: headings(version),
            selectable: selectable(std::slice::from_ref(version)),
            life: Life::default(),
            plural,
            group,
        }
    }
}

/// Changes whenever the definition's specification does.
pub fn identity(definition: &Value) -> String {
    let generation = definition.int_at(&["metadata", "generation"]).unwrap_or(0);
    format!("{}/{generation}", definition.str_at(&["metadata", "uid"]))
}

fn text(text: &str) -> Str {
    Str::Owned(text.into())
}

fn document(version: &Value) -> Option<&Value> {
    version.at(&["schema", "openAPIV3Schema"])
}

fn schema(version: &Value) -> Arc<Schema> {
    let open = || {
        let mut props = Value::map();
        props.set(&["type"], "object");
        props.set(&["x-kubernetes-preserve-unknown-fields"], true);
        props
    };
    Arc::new(Schema::compile(&document(version).cloned().unwrap_or_else(open)))
}

/// What a deprecated version is announced with: its own words, or the stablest of the versions to use instead.
fn deprecation(definition: &Value, version: &Value) -> Option<String> {
    if !version.bool_at(&["deprecated"]) {
        return None;
    }
    if let Some(Value::Text(own)) = version.get("deprecationWarning") {
        return Some(own.to_string());
    }
    let (group, name) = (definition.str_at(&["spec", "group"]), version.str_at(&["name"]));
    let kind = definition.str_at(&["spec", "names", "kind"]);
    let others = definition.list_at(&["spec", "versions"]).iter();
    let others = others.filter(|other| other.bool_at(&["served"]) && !other.bool_at(&["deprecated"]));
    let others = others.map(|other| other.str_at(&["name"]));
    let best = others.filter(|other| by_stability(other, name).is_lt()).min_by(|a, b| by_stability(a, b));
    let instead = best.map(|best| format!("; use {group}/{best} {kind}")).unwrap_or_default();
    Some(format!("{group}/{name} {kind} is deprecated{instead}"))
}

fn subresources(engine: &Engine, definition: &Value, version: &Value) -> Vec<Subresource> {
    let verbs = [Verb::Get, Verb::Patch, Verb::Update].into_iter().collect();
    let mut subresources = Vec::new();
    if version.at(&["subresources", "status"]).is_some() {
        subresources.push(Subresource {
            name: "status".into(),
            group: text(definition.str_at(&["spec", "group"])),
            version: text(version.str_at(&["name"])),
            kind: text(definition.str_at(&["status", "acceptedNames", "kind"])),
            verbs,
            ty: Some(engine.api.any),
            has_table: true,
        });
    }
    if version.at(&["subresources", "scale"]).is_some() {
        subresources.push(Subresource {
            name: "scale".into(),
            group: "autoscaling".into(),
            version: "v1".into(),
            kind: "Scale".into(),
            verbs,
            ty: engine.api.kind(&GroupVersionKind::new("autoscaling", "v1", "Scale")),
            has_table: true,
        });
    }
    subresources
}

/// The selectable fields of versions, each once.
fn selectable(versions: &[Value]) -> Vec<Selectable> {
    let mut fields: Vec<Selectable> = Vec::new();
    for field in versions.iter().flat_map(|version| version.list_at(&["selectableFields"])) {
        let path = field.str_at(&["jsonPath"]);
        let label = path.trim_start_matches('.');
        let Some(steps) = Path::parse(path).and_then(|path| path.fields()) else { continue };
        if !fields.iter().any(|known| known.label == label) {
            let path = steps.iter().map(|step| text(step)).collect();
            fields.push(Selectable { label: text(label), path });
        }
    }
    fields
}

fn headings(version: &Value) -> Vec<Heading> {
    let heading = |name: &str, ty: &str, format: &str, priority: i64| Heading {
        name: text(name),
        ty: text(ty),
        format: text(format),
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        description: text(name),
    };
    let mut headings = vec![heading("Name", "string", "name", 0)];
    let own = version.list_at(&["additionalPrinterColumns"]);
    headings.extend(own.iter().map(|column| {
        let part = |name: &str| column.str_at(&[name]);
        let priority = column.int_at(&["priority"]).unwrap_or(0);
        let description = match part("description") {
            "" => {
                format!("Custom resource definition column (in JSONPath format): {}", part("jsonPath"))
            }
            own => own.into(),
        };
        let description = text(&description);
        Heading { description, ..heading(part("name"), part("type"), part("format"), priority) }
    }));
    if own.is_empty() {
        headings.push(heading("Age", "date", "", 0));
    }
    headings
}

fn columns(version: &Value) -> Vec<Column> {
    let own = version.list_at(&["additionalPrinterColumns"]);
    if own.is_empty() {
        return vec![Column { path: Path::parse(".metadata.creationTimestamp"), ty: String::from("date") }];
    }
    let column = |column: &Value| Column {
        path: Path::parse(column.str_at(&["jsonPath"])),
        ty: column.str_at(&["type"]).into(),
    };
    own.iter().map(column).collect()
}
