//! From path, method and query to a `RequestInfo`, by upstream's rules: authorization, limits, metrics and dispatch all
//! use this one reading of a request.

use pintle_object::query::decode;
use pintle_object::selector::{FieldSelector, LabelSelector};
use pintle_object::{Query, RequestInfo, Text, Verb};
use std::fmt;

/// The path of a request about a resource, from the resource on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePath {
    /// Whether the path says the verb: `/api/v1/watch/...`, `/api/v1/proxy/...`.
    pub is_by_prefix: bool,
    /// Whether the resource is below a namespace: `namespaces/ns/pods`, but not `namespaces/ns/status`.
    pub is_in_namespace: bool,
    pub parts: Vec<Text>,
}

/// The error of a path that ends after `watch` or `proxy`, without a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresolved;

/// Subresources of a namespace, which are not resources in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];
/// Verbs whose selectors are part of the `RequestInfo`.
const SELECTING: [Verb; 3] = [Verb::List, Verb::Watch, Verb::DeleteCollection];

/// Parses a request into a `RequestInfo`, and its path if it is about a resource. `path` has no escapes, so that every
/// reader sees the same path.
///
/// ```text
/// GET  /api/v1/namespaces/ns/pods/p/log   get pods/log p in ns
/// GET  /apis/apps/v1/deployments          list deployments everywhere
/// GET  /version                           no resource
/// ```
pub fn parse(method: &str, path: &str, query: &Query) -> Result<(RequestInfo, ResourcePath), Unresolved> {
    let mut info = RequestInfo { path: path.into(), ..RequestInfo::default() };
    let mut resource_path = ResourcePath::default();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut rest = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => {
            info.version = (*version).into();
            rest
        }
        ["apis", group, version, rest @ ..] if !rest.is_empty() => {
            (info.group, info.version) = ((*group).into(), (*version).into());
            rest
        }
        _ => {
            info.verb = Verb::named(&method.to_ascii_lowercase());
            return Ok((info, resource_path));
        }
    };
    info.is_resource = true;
    info.verb = verb_of(method);
    if let Some(verb) = prefix(rest) {
        info.verb = verb;
        resource_path.is_by_prefix = true;
        rest = rest.get(1..).filter(|rest| !rest.is_empty()).ok_or(Unresolved)?;
    }
    if let ["namespaces", namespace, after @ ..] = rest {
        info.namespace = (*namespace).into();
        if after.first().is_some_and(|next| !NAMESPACE_SUBRESOURCES.contains(next)) {
            resource_path.is_in_namespace = true;
            rest = after;
        }
    }
    resource_path.parts = rest.iter().map(|part| Text::from(*part)).collect();
    read_parts(&mut info, rest);
    refine(&mut info, query, resource_path.is_by_prefix);
    Ok((info, resource_path))
}

impl ResourcePath {
    /// The name in the path, which is the only one that an object is looked up by.
    pub fn name(&self) -> &str {
        self.parts.get(1).map_or("", Text::as_str)
    }
}

fn read_parts(info: &mut RequestInfo, parts: &[&str]) {
    let part = |index: usize| parts.get(index).copied().map(Text::from).unwrap_or_default();
    (info.resource, info.name) = (part(0), part(1));
    // The path behind a proxy in the old form belongs to the proxied server, and names no subresource.
    if info.verb != Verb::Proxy {
        info.subresource = part(2);
    }
}

/// Without a name, a get is a list or watch, and a delete is one of a collection.
fn refine(info: &mut RequestInfo, query: &Query, is_by_prefix: bool) {
    if info.name.is_empty() {
        match info.verb {
            Verb::Get => {
                let is_watch = query.flag("watch") == Some(true);
                info.verb = if is_watch { Verb::Watch } else { Verb::List };
                info.name = selected_name(query).unwrap_or_default();
            }
            Verb::Delete => info.verb = Verb::DeleteCollection,
            _ => {}
        }
    }
    if !is_by_prefix && SELECTING.contains(&info.verb) {
        info.field_selector = query.text("fieldSelector").into();
        info.label_selector = query.text("labelSelector").into();
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unable to determine kind and namespace from url")
    }
}

/// The path of a URL without its escapes; none when one of them is invalid.
pub fn unescaped(path: &str) -> Option<String> {
    decode(path, false)
}

/// The verb before the resource in legacy paths of watches and proxies.
fn prefix(rest: &[&str]) -> Option<Verb> {
    match rest.first() {
        Some(&"watch") => Some(Verb::Watch),
        Some(&"proxy") => Some(Verb::Proxy),
        _ => None,
    }
}

fn verb_of(method: &str) -> Verb {
    match method {
        "POST" => Verb::Create,
        "GET" | "HEAD" => Verb::Get,
        "PUT" => Verb::Update,
        "PATCH" => Verb::Patch,
        "DELETE" => Verb::Delete,
        _ => Verb::default(),
    }
}

/// The one name that a list is restricted to: it is authorized as access to that name. Options that cannot be read name
/// nothing, and are refused later.
fn selected_name(query: &Query) -> Option<Text> {
    let selector = query.first("fieldSelector")?;
    let are_read = query.int("limit").is_ok() && query.int("timeoutSeconds").is_ok();
    if !are_read || LabelSelector::parse(query.text("labelSelector")).is_err() {
        return None;
    }
    let selector = FieldSelector::parse(selector).ok()?;
    let mut terms = selector.terms().iter();
    let name = &terms.find(|term| term.equals && term.field == "metadata.name")?.value;
    let is_segment = !matches!(name.as_str(), "." | "..") && !name.contains(['/', '%']);
    is_segment.then(|| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(method: &str, uri: &str) -> String {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let path = unescaped(path).expect("the path can be read");
        let Ok((info, _)) = parse(method, &path, &Query::parse(query)) else {
            return String::from("unresolved");
        };
        let RequestInfo { group, version, namespace, resource, subresource, name, .. } = &info;
        if !info.is_resource {
            return format!("{} {}", info.verb.as_str(), info.path);
        }
        format!("{} {group}/{version} ns={namespace} {resource}/{subresource} {name}", info.verb.as_str())
    }

    fn check(method: &str, uri: &str, expected: &str) {
        assert_eq!(shown(method, uri), expected, "{method} {uri}");
    }

    #[test]
    fn paths_are_resolved() {
        check("GET", "/api/v1/namespaces/ns/pods/p/log", "get /v1 ns=ns pods/log p");
        check("GET", "/api/v1/pods?watch=1", "watch /v1 ns= pods/ ");
        check("GET", "/api/v1/pods?watch", "watch /v1 ns= pods/ ");
        check("GET", "/api/v1/pods?watch=False", "list /v1 ns= pods/ ");
        check("HEAD", "/api/v1/pods", "list /v1 ns= pods/ ");
        check("OPTIONS", "/api/v1/pods", " /v1 ns= pods/ ");
        check("PUT", "/api/v1/namespaces/ns/finalize", "update /v1 ns=ns namespaces/finalize ns");
        check("GET", "/api/v1/namespaces/ns", "get /v1 ns=ns namespaces/ ns");
        check("GET", "/api/v1/namespaces/ns/namespaces/o", "get /v1 ns=ns namespaces/ o");
        check("POST", "/apis/apps/v1/namespaces/ns/deployments", "create apps/v1 ns=ns deployments/ ");
        check("DELETE", "/apis/apps/v1/namespaces/ns/r", "deletecollection apps/v1 ns=ns r/ ");
        check("GET", "/api/v1/namespaces//pods/", "list /v1 ns= pods/ ");
        check("GET", "/api/v1/namespaces/a%2Fb/p", "get /v1 ns=a b/ p");
        check("GET", "//api/v1/pods", "list /v1 ns= pods/ ");
        check("GET", "/api/v1//pods", "get /v1 ns= / pods");
    }

    #[test]
    fn paths_that_begin_with_a_verb_are_of_that_verb() {
        check("GET", "/api/v1/watch/namespaces/ns/pods", "watch /v1 ns=ns pods/ ");
        check("POST", "/api/v1/watch/namespaces/ns/pods/p", "watch /v1 ns=ns pods/ p");
        check("DELETE", "/api/v1/proxy/namespaces/ns/pods/p/x", "proxy /v1 ns=ns pods/ p");
        check("GET", "/api/v1/watch/pods?fieldSelector=metadata.name%3Dx", "watch /v1 ns= pods/ ");
        for uri in ["/api/v1/watch", "/api/v1/watch/", "/apis/g/v1/proxy"] {
            check("GET", uri, "unresolved");
        }
    }

    #[test]
    fn lists_of_one_name_are_of_that_name() {
        let check = |query: &str, name: &str| {
            check("GET", &format!("/api/v1/pods?{query}"), &format!("list /v1 ns= pods/ {name}"));
        };
        check("fieldSelector=metadata.name%3Dx", "x");
        check("fieldSelector=a!%3Db,metadata.name%3D%3Dx", "x");
        check("fieldSelector=metadata.name!%3Dx", "");
        check("fieldSelector=metadata.name%3Dx/y", "");
        check("fieldSelector=metadata.name%3D..", "");
        check("fieldSelector=metadata.name%3Dx&limit=a", "");
        check("fieldSelector=metadata.name%3Dx&labelSelector=!!", "");
        check("fieldSelector=metadata.name%3Dx&fieldSelector=metadata.name%3Dy", "x");
    }

    #[test]
    fn other_paths_are_no_resources() {
        for path in ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/x/y/z"] {
            check("GET", path, &format!("get {path}"));
        }
        check("POST", "/version", "post /version");
        check("Foo", "/%76ersion", "foo /version");
        check("WATCH", "/version", "watch /version");
    }
}
