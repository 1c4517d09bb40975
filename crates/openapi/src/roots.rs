//! Documents of paths that are no resources.

use super::operation;
use super::schema::Components;
use crate::parts::{capital, object, reference, spoken_group, texts};
use pintle_object::{Map, Value};

/// Paths under `/openapi/v3/` besides those of groups.
pub(super) const PATHS: [&str; 5] =
    [".well-known/openid-configuration", "api", "apis", "openid/v1/jwks", "version"];

/// Fields of `/version`, and whether they are required.
const VERSION: [(&str, bool); 13] = [
    ("major", true),
    ("minor", true),
    ("emulationMajor", false),
    ("emulationMinor", false),
    ("minCompatibilityMajor", false),
    ("minCompatibilityMinor", false),
    ("gitVersion", true),
    ("gitCommit", true),
    ("gitTreeState", true),
    ("buildDate", true),
    ("goVersion", true),
    ("compiler", true),
    ("platform", true),
];
const VERSION_TYPE: &str = "io.k8s.apimachinery.pkg.version.Info";

/// The paths of a document that is no group's.
pub(super) fn paths(path: &str, components: &mut Components<'_>) -> Option<Map> {
    let item = match path {
        "api" => operation::discovery(
            "core",
            "get available API versions",
            "getCoreAPIVersions",
            "APIVersions",
            components,
        ),
        "apis" => operation::discovery(
            "apis",
            "get available API versions",
            "getAPIVersions",
            "APIGroupList",
            components,
        ),
        "version" => version(components),
        ".well-known/openid-configuration" => text(
            "WellKnown",
            "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
            "getServiceAccountIssuerOpenIDConfiguration",
            "application/json",
        ),
        "openid/v1/jwks" => text(
            "openid",
            "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
            "getServiceAccountIssuerOpenIDKeyset",
            "application/jwk-set+json",
        ),
        _ => return None,
    };
    Some([(format!("/{path}/"), item)].into_iter().collect())
}

/// `/apis/apps/`
pub(super) fn group(group: &str, components: &mut Components<'_>) -> Map {
    let tag = spoken_group(group);
    let id = format!("get{}APIGroup", capital(&tag));
    let item = operation::discovery(&tag, "get information of a group", &id, "APIGroup", components);
    [(format!("/apis/{group}/"), item)].into_iter().collect()
}

fn version(components: &mut Components<'_>) -> Value {
    let mut properties = Map::new();
    for (name, always) in VERSION {
        let mut property = object([("type", "string".into())]);
        if always {
            property.set(&["default"], "");
        }
        if let Some(text) = components.tables.descriptions.of_field(VERSION_TYPE, name) {
            property.set(&["description"], text);
        }
        properties.insert(name, property);
    }
    let required = texts(VERSION.iter().filter(|(_, always)| *always).map(|(name, _)| *name));
    let schema =
        object([("type", "object".into()), ("required", required), ("properties", properties.into())]);
    components.add(VERSION_TYPE, schema);
    let description = "get the version information for this server";
    let answer = reference(VERSION_TYPE);
    operation::get("version", description, "getCodeVersion", &["application/json"], answer)
}

fn text(tag: &str, description: &str, id: &str, media: &'static str) -> Value {
    operation::get(tag, description, id, &[media], object([("type", "string".into())]))
}
