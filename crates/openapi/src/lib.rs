//! OpenAPI documents of the built-in API, made from the tables when they are asked for.
//!
//! ```text
//! apis/apps/v1   operations of every resource of the group version, and the types that they refer to
//! apis/apps      the group's own discovery document
//! api, apis, version, .well-known/openid-configuration, openid/v1/jwks
//! ```

mod custom;
pub mod descriptions;
mod facts;
mod operation;
mod parameter;
mod resource;
mod roots;
mod schema;
mod swagger;
#[cfg(test)]
mod tests;
pub mod wire;

pub use custom::Custom;
use facts::Facts;
use operation::Style;
use pintle_object::{Map, Value};
use pintle_schema::Builtin;
use schema::Components;

/// Where prose comes from: descriptions of types and fields by their OpenAPI names.
pub trait Descriptions {
    /// `io.k8s.api.core.v1.Pod`
    fn of_type(&self, name: &str) -> Option<&str>;
    fn of_field(&self, ty: &str, field: &str) -> Option<&str>;
}

/// Documents without prose.
pub struct NoDescriptions;

impl Descriptions for NoDescriptions {
    fn of_type(&self, _name: &str) -> Option<&str> {
        None
    }

    fn of_field(&self, _ty: &str, _field: &str) -> Option<&str> {
        None
    }
}

/// Makes documents.
pub struct Documents<'a> {
    api: &'a Builtin,
    descriptions: &'a dyn Descriptions,
    facts: Facts,
    has_enums: bool,
}

impl<'a> Documents<'a> {
    pub fn new(api: &'a Builtin, descriptions: &'a dyn Descriptions) -> Documents<'a> {
        Documents { api, descriptions, facts: Facts::read(api.documents), has_enums: true }
    }

    /// The same without the values that built-in fields may have (OpenAPIEnums).
    pub fn without_enums(self) -> Documents<'a> {
        Documents { has_enums: false, ..self }
    }

    /// The paths under `/openapi/v3/`, sorted.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = roots::PATHS.iter().map(|path| String::from(*path)).collect();
        for (group, versions) in self.api.resources.groups() {
            if !group.is_empty() {
                paths.push(format!("apis/{group}"));
            }
            paths.extend(versions.iter().map(|version| prefix(group, version)));
        }
        paths.sort();
        paths
    }

    /// Whether there is a document at a path under `/openapi/v3/`.
    pub fn has(&self, path: &str) -> bool {
        self.paths().iter().any(|have| have == path)
    }

    /// The document at a path under `/openapi/v3/`; none where nothing is served.
    pub fn v3(&self, path: &str) -> Option<Value> {
        let (paths, components) = self.content(path)?;
        Some(document(paths, components.into_value()))
    }

    /// The one document of version 2: everything that the documents of version 3 hold.
    pub fn v2(&self) -> Value {
        let mut paths = Map::new();
        let mut schemas = Map::new();
        for path in self.paths() {
            let Some((items, components)) = self.content(&path) else { continue };
            for (name, item) in items.iter() {
                paths.insert(name, item.clone());
            }
            for (name, schema) in components.schemas {
                schemas.insert(name, schema);
            }
        }
        swagger::document(paths, schemas, &self.group_versions())
    }

    /// The document of a group version of custom resources.
    pub fn custom(&self, resources: &[Custom<'_>]) -> Value {
        custom::document(self, resources)
    }

    /// Adds custom resources to the document of version 2.
    pub fn add_custom(&self, document: &mut Value, resources: &[Custom<'_>]) {
        custom::add_to_v2(self, resources, document);
    }

    fn content(&self, path: &str) -> Option<(Map, Components<'_>)> {
        let mut components = Components::new(self, None);
        if let Some(paths) = roots::paths(path, &mut components) {
            components.close();
            return Some((paths, components));
        }
        let (group, version) = group_version(path)?;
        let resources: Vec<_> =
            self.api.resources.all.iter().filter(|r| r.group == group && r.version == version).collect();
        if resources.is_empty() {
            return self.group(path, components);
        }
        components.own = Some((String::from(group), String::from(version)));
        let mut operations = resource::Operations::new(Style::BUILTIN, group, version);
        let mut paths = operations.root(&mut components);
        for resource in resources {
            operations.add(resource, &mut paths, &mut components);
        }
        components.close();
        Some((paths, components))
    }

    /// `apis/apps`
    fn group<'b>(&'b self, path: &str, mut components: Components<'b>) -> Option<(Map, Components<'b>)> {
        let group = path.strip_prefix("apis/")?;
        if group.is_empty() || !self.api.resources.groups().iter().any(|(name, _)| *name == group) {
            return None;
        }
        let paths = roots::group(group, &mut components);
        components.close();
        Some((paths, components))
    }

    /// Every group and version that has kinds, sorted.
    fn group_versions(&self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = self
            .api
            .kinds
            .keys()
            .map(|kind| (kind.group.to_string(), kind.version.to_string()))
            .filter(|(group, version)| {
                (!group.is_empty() && group != "apidiscovery.k8s.io") || version == "v1"
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

fn document(paths: Map, components: Value) -> Value {
    object([
        ("openapi", "3.0.0".into()),
        ("info", object([("title", "Kubernetes".into()), ("version", "1.36".into())])),
        ("paths", paths.into()),
        ("components", components),
    ])
}

/// `api/v1` or `apis/apps/v1`
fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn group_version(path: &str) -> Option<(&str, &str)> {
    if let Some(version) = path.strip_prefix("api/") {
        return Some(("", version));
    }
    let rest = path.strip_prefix("apis/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    entries.into_iter().collect::<Map>().into()
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    texts.into_iter().map(Value::text).collect::<Vec<_>>().into()
}

fn reference(name: &str) -> Value {
    object([("$ref", format!("#/components/schemas/{name}").into())])
}

/// The name of a type in documents: `k8s.io.api.core.v1.Pod` is `io.k8s.api.core.v1.Pod`.
fn type_name(name: &str) -> String {
    let rest = name.strip_prefix("k8s.io.").unwrap_or(name);
    format!("io.k8s.{}", rest.replace('_', "-"))
}
