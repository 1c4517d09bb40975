//! What a path and method ask for, by the rules of upstream's RequestInfo.

use crate::query::Query;

/// A request's meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    pub is_resource: bool,
    /// `get`, `list`, `watch`, `create`, ...; the method in lower case for paths that are no resources.
    pub verb: String,
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub resource: String,
    pub subresource: String,
    pub name: String,
    /// The parts of the path from the resource on.
    pub parts: Vec<String>,
}

/// Subresources of a namespace, which are not resources in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Resolves a request. `path` is as it came, with its escapes.
///
/// ```text
/// GET  /api/v1/namespaces/ns/pods/p/log   get pods/log p in ns
/// GET  /apis/apps/v1/deployments          list deployments everywhere
/// GET  /version                           no resource
/// ```
pub fn parse(method: &str, path: &str, query: &Query) -> Info {
    let verb = method.to_ascii_lowercase();
    let parts: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|part| crate::query::decode(part, false).unwrap_or_else(|| part.into()))
        .collect();
    let mut rest = parts.as_slice();
    let (group, version) = match rest {
        [prefix, version, after @ ..] if prefix == "api" && !after.is_empty() => {
            rest = after;
            ("", version)
        }
        [prefix, group, version, after @ ..] if prefix == "apis" && !after.is_empty() => {
            rest = after;
            (group.as_str(), version)
        }
        _ => return Info { verb, ..Info::default() },
    };
    let mut info = Info {
        is_resource: true,
        verb: verb_of(method).into(),
        group: group.into(),
        version: version.clone(),
        ..Info::default()
    };
    // The old way to ask for a watch.
    if let [first, after @ ..] = rest
        && first == "watch"
        && !after.is_empty()
    {
        info.verb = String::from("watch");
        rest = after;
    }
    if let [first, after @ ..] = rest
        && first == "namespaces"
        && let [namespace, after @ ..] = after
    {
        info.namespace = namespace.clone();
        if let [next, ..] = after
            && !NAMESPACE_SUBRESOURCES.contains(&next.as_str())
        {
            rest = after;
        }
    }
    info.parts = rest.to_vec();
    let part = |index: usize| rest.get(index).cloned().unwrap_or_default();
    info.resource = part(0);
    info.name = part(1);
    info.subresource = part(2);
    refine_verb(&mut info, query);
    info
}

fn verb_of(method: &str) -> &'static str {
    match method {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

/// Without a name, a get is a list or watch, and a delete is one of a collection.
fn refine_verb(info: &mut Info, query: &Query) {
    if !info.name.is_empty() {
        return;
    }
    match info.verb.as_str() {
        "get" => {
            let is_watch = query.get("watch").is_some_and(is_true);
            info.verb = String::from(if is_watch { "watch" } else { "list" });
        }
        "delete" => info.verb = String::from("deletecollection"),
        _ => {}
    }
    if matches!(info.verb.as_str(), "list" | "watch") {
        info.name = name_selected(query.text("fieldSelector"));
    }
}

/// A flag of a query: given without a value it is set.
pub fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "0" | "false")
}

/// A list of one name is authorized as access to that name.
fn name_selected(selector: &str) -> String {
    let mut names = selector.split(',').filter_map(|term| term.strip_prefix("metadata.name="));
    let name = names.next().unwrap_or("").trim_start_matches('=');
    if name.contains(['%', '/', '\\']) { String::new() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, query: &str, expected: &str) {
        let info = parse(method, path, &Query::parse(query));
        let shown = format!(
            "{} {}/{} ns={} {}/{} {}",
            info.verb, info.group, info.version, info.namespace, info.resource, info.subresource, info.name
        );
        assert_eq!(shown, expected, "{method} {path}?{query}");
    }

    #[test]
    fn paths_are_resolved() {
        check("GET", "/api/v1/namespaces/ns/pods/p/log", "", "get /v1 ns=ns pods/log p");
        check("GET", "/api/v1/pods", "watch=1", "watch /v1 ns= pods/ ");
        check("GET", "/api/v1/pods", "watch=false", "list /v1 ns= pods/ ");
        check("GET", "/api/v1/watch/namespaces/ns/pods", "", "watch /v1 ns=ns pods/ ");
        check("PUT", "/api/v1/namespaces/ns/finalize", "", "update /v1 ns=ns namespaces/finalize ns");
        check("GET", "/api/v1/namespaces/ns", "", "get /v1 ns=ns namespaces/ ns");
        check("POST", "/apis/apps/v1/namespaces/ns/deployments", "", "create apps/v1 ns=ns deployments/ ");
        check(
            "DELETE",
            "/apis/apps/v1/namespaces/ns/deployments",
            "",
            "deletecollection apps/v1 ns=ns deployments/ ",
        );
        check("GET", "/api/v1/pods", "fieldSelector=metadata.name%3Dx", "list /v1 ns= pods/ x");
        for path in ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/x/y/z"] {
            assert!(!parse("GET", path, &Query::default()).is_resource, "{path}");
        }
    }
}
