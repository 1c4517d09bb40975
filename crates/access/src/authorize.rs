//! May this user do this? For now: masters may do all, and everyone may read what upstream lets everyone read.

use crate::user::{AUTHENTICATED, MASTERS, User};

/// What a request wants to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `get`, `list`, ...; for paths that are no resources the method in lower case.
    pub verb: &'a str,
    pub is_resource: bool,
    pub path: &'a str,
    pub group: &'a str,
    pub version: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// The reason may be empty.
    Deny(String),
}

/// Decides what users may do.
pub trait Authorizer: Send + Sync {
    fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Decision;
}

/// The group `system:masters` may do all; everyone else may read health, version and discovery.
#[derive(Clone, Copy, Debug, Default)]
pub struct Masters;

/// Upstream's role `system:public-info-viewer`.
const PUBLIC: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

/// Upstream's role `system:discovery`, for all who are authenticated. A star stands for any rest.
const DISCOVERY: [&str; 10] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version*",
];

impl Authorizer for Masters {
    fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Decision {
        let reads = matches!(attributes.verb, "get") && !attributes.is_resource;
        let path = attributes.path;
        let allowed = user.is_in(MASTERS)
            || (reads && PUBLIC.contains(&path))
            || (reads && user.is_in(AUTHENTICATED) && DISCOVERY.iter().any(|pattern| fits(pattern, path)))
            || (user.is_in(AUTHENTICATED) && asks_about_self(attributes));
        if allowed { Decision::Allow } else { Decision::Deny(String::new()) }
    }
}

/// Upstream's role `system:basic-user`: everyone may ask what they themselves may do, and who they are.
fn asks_about_self(attributes: &Attributes<'_>) -> bool {
    attributes.verb == "create"
        && matches!(
            (attributes.group, attributes.resource),
            ("authorization.k8s.io", "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
                | ("authentication.k8s.io", "selfsubjectreviews")
        )
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    }
}

/// Upstream's words for a denial: `User "alice" cannot list resource "pods" in API group "" at the cluster scope`.
pub fn denial(user: &User, attributes: &Attributes<'_>, reason: &str) -> String {
    let quote = pintle_object::field::quote;
    let name = quote(&user.name);
    let verb = attributes.verb;
    let mut text = if attributes.is_resource {
        let resource = match attributes.subresource {
            "" => String::from(attributes.resource),
            subresource => format!("{}/{subresource}", attributes.resource),
        };
        let place = match attributes.namespace {
            "" => String::from("at the cluster scope"),
            namespace => format!("in the namespace {}", quote(namespace)),
        };
        format!(
            "User {name} cannot {verb} resource {} in API group {} {place}",
            quote(&resource),
            quote(attributes.group)
        )
    } else {
        format!("User {name} cannot {verb} path {}", quote(attributes.path))
    };
    if !reason.is_empty() {
        text.push_str(": ");
        text.push_str(reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(groups: &[&str], verb: &str, path: &str) -> bool {
        let user = User {
            name: "u".into(),
            groups: groups.iter().map(ToString::to_string).collect(),
            ..User::default()
        };
        let attributes = Attributes { verb, path, ..Attributes::default() };
        Masters.authorize(&user, &attributes) == Decision::Allow
    }

    #[test]
    fn only_masters_do_all() {
        assert!(decide(&[MASTERS], "delete", "/anything"));
        for (group, path, allowed) in [
            ("system:unauthenticated", "/readyz", true),
            ("system:unauthenticated", "/version/", true),
            ("system:unauthenticated", "/api", false),
            ("system:unauthenticated", "/readyz/ping", false),
            (AUTHENTICATED, "/apis/apps/v1", true),
            (AUTHENTICATED, "/openapi/v3", true),
            (AUTHENTICATED, "/metrics", false),
            (AUTHENTICATED, "/", false),
        ] {
            assert_eq!(decide(&[group], "get", path), allowed, "{group} {path}");
            assert!(!decide(&[group], "post", path), "{group} {path}");
        }
    }

    #[test]
    fn denials_read_as_upstream() {
        let user = User { name: "alice".into(), ..User::default() };
        let attributes = Attributes {
            verb: "get",
            is_resource: true,
            resource: "deployments",
            subresource: "scale",
            group: "apps",
            namespace: "ns",
            ..Attributes::default()
        };
        assert_eq!(
            denial(&user, &attributes, ""),
            "User \"alice\" cannot get resource \"deployments/scale\" in API group \"apps\" in the namespace \"ns\""
        );
    }
}
