//! OpenAPI documents of the built-in API, made from the tables on demand.
//!
//! ```text
//! apis/apps/v1   operations of every resource of the group version, and the types that they refer to
//! apis/apps      the group's own discovery document
//! api, apis, version, .well-known/openid-configuration, openid/v1/jwks
//! ```

pub mod convert;
mod custom;
pub mod descriptions;
mod facts;
mod operation;
mod parameter;
mod parts;
mod resource;
mod roots;
mod schema;
mod swagger;
mod tables;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::parts::{object, prefix};
pub use custom::parts::CustomKind;

pub use descriptions::{Descriptions, NoDescriptions};
use facts::Facts;
use operation::Style;
use pintle_object::{Map, Value};
use pintle_schema::Builtin;
use schema::Components;
use tables::Tables;

/// Makes documents.
pub struct Documents<'a> {
    tables: Tables<'a>,
}

impl<'a> Documents<'a> {
    pub fn new(api: &'a Builtin, descriptions: &'a dyn Descriptions) -> Documents<'a> {
        let facts = Facts::read(api.documents);
        Documents { tables: Tables { api, descriptions, facts, has_enums: true } }
    }

    /// The same without the values that built-in fields may have (OpenAPIEnums).
    pub fn without_enums(self) -> Documents<'a> {
        Documents { tables: Tables { has_enums: false, ..self.tables } }
    }

    /// The paths under `/openapi/v3/`, sorted.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = roots::PATHS.iter().map(|path| String::from(*path)).collect();
        for (group, versions) in self.tables.api.resources.groups() {
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
        swagger::document(paths, schemas, &self.tables.group_versions())
    }

    /// The document of a group version of custom resources.
    pub fn custom(&self, resources: &[CustomKind<'_>]) -> Value {
        custom::document(&self.tables, resources)
    }

    /// Adds custom resources to the document of version 2.
    pub fn add_custom(&self, document: &mut Value, resources: &[CustomKind<'_>]) {
        custom::add_to_v2(&self.tables, resources, document);
    }

    fn content(&self, path: &str) -> Option<(Map, Components<'_>)> {
        let mut components = Components::new(&self.tables, None);
        if let Some(paths) = roots::paths(path, &mut components) {
            components.close();
            return Some((paths, components));
        }
        let (group, version) = group_version(path)?;
        let resources: Vec<_> = self
            .tables
            .api
            .resources
            .all
            .iter()
            .filter(|r| r.group == group && r.version == version)
            .collect();
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
        if group.is_empty() || !self.tables.api.resources.groups().iter().any(|(name, _)| *name == group) {
            return None;
        }
        let paths = roots::group(group, &mut components);
        components.close();
        Some((paths, components))
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

fn group_version(path: &str) -> Option<(&str, &str)> {
    if let Some(version) = path.strip_prefix("api/") {
        return Some(("", version));
    }
    let rest = path.strip_prefix("apis/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}
