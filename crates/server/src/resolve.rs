//! From a parsed request to the served resource and the part of it that answers: the choice that upstream's router and
//! handlers of custom resources make. A request that does not resolve is never acted on.

use crate::request::Request;
use hyper::Method;
use pintle_engine::ServedResource;
use pintle_engine::resource_table::Table;
use pintle_object::{RequestInfo, Status, Verb};
use pintle_schema::Subresource;
use std::sync::Arc;

/// Subresources that are proxied to a kubelet, a pod or a service.
pub const CONNECTING: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];
/// Methods besides those of verbs that a proxy passes on.
const PROXIED: [Method; 2] = [Method::HEAD, Method::OPTIONS];

/// The served resource of a request, and the part of it that the path names.
#[derive(Clone)]
pub struct Route {
    pub served: Arc<ServedResource>,
    pub place: Place,
}

/// The part of a resource that a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Objects of a namespace, or of all, or those of a cluster-wide resource.
    Collection,
    Object,
    Subresource,
    /// A subresource whose requests are proxied to another server.
    Connect,
}

/// The reason why a request resolves to nothing.
#[derive(Debug)]
pub enum Unserved {
    /// The path is under no group and version of ours.
    Path,
    /// It is under one of ours, and no resource.
    Resource,
    /// The resource does not take the method there.
    Method,
    /// Another refusal.
    Because(Box<Status>),
}

impl Route {
    /// Whether the body of the request is read before it is dispatched.
    pub fn reads_body(&self, verb: &Verb) -> bool {
        self.place != Place::Connect && !verb.is_read()
    }

    /// Whether the table does not have the resource any more, or has another in its place.
    pub fn is_stale(&self, table: &Table) -> bool {
        let resource = &self.served.resource;
        let found = table.find(&resource.group, &resource.version, &resource.plural);
        found.is_none_or(|found| !Arc::ptr_eq(found, &self.served))
    }
}

/// Resolves a request about a resource. `is_built_in`: whether its group has a router of its own.
pub fn resolve(table: &Table, request: &Request, is_built_in: bool) -> Result<Route, Unserved> {
    let info = &request.info;
    let missing = || if is_built_in { Unserved::Resource } else { Unserved::Path };
    if info.path.starts_with("//") {
        return Err(Unserved::Path);
    }
    if !table.serves(&info.group, &info.version) {
        return Err(missing());
    }
    let found = table.find(&info.group, &info.version, &info.resource);
    let served = found.ok_or_else(|| {
        // Only a group of built-in kinds has a router of its own.
        let is_custom =
            |served: &Arc<ServedResource>| !served.is_typed() && served.resource.group == info.group;
        if table.served().iter().any(is_custom) { Unserved::Path } else { Unserved::Resource }
    })?;
    let place = match served.is_typed() {
        true => built_in(request, served)?,
        false => custom(info, served)?,
    };
    let is_named = !request.resource_path.name().is_empty();
    let needs_name = match place {
        Place::Collection => false,
        Place::Object | Place::Subresource | Place::Connect => true,
    };
    if needs_name && !is_named {
        return Err(because(Status::bad_request("name must be provided")));
    }
    if needs_name && served.resource.namespaced && info.namespace.is_empty() {
        return Err(because(Status::bad_request("Namespace parameter required.")));
    }
    Ok(Route { served: served.clone(), place })
}

fn because(status: Status) -> Unserved {
    Unserved::Because(Box::new(status))
}

/// Custom resources are dispatched by the verb alone, whatever the method, and without the router: its refusals have
/// other texts here.
fn custom(info: &RequestInfo, served: &ServedResource) -> Result<Place, Unserved> {
    let in_namespace = !info.namespace.is_empty();
    let is_everywhere = matches!(info.verb, Verb::List | Verb::Watch);
    let fits = served.resource.namespaced == in_namespace || (served.resource.namespaced && is_everywhere);
    if !fits {
        return Err(Unserved::Path);
    }
    let refuse = || because(Status::method_not_supported(&served.group_resource(), info.verb.as_str()));
    if info.subresource.is_empty() {
        return match info.verb {
            Verb::Get | Verb::Update | Verb::Patch | Verb::Delete => Ok(Place::Object),
            // A name does not keep a create from being one.
            Verb::List | Verb::Watch | Verb::Create | Verb::DeleteCollection => Ok(Place::Collection),
            Verb::Proxy | Verb::Other(_) => Err(refuse()),
        };
    }
    if served.resource.subresource(&info.subresource).is_none() {
        return Err(because(Status::not_found(&served.group_resource(), &info.name)));
    }
    match info.verb {
        Verb::Get | Verb::Update | Verb::Patch => Ok(Place::Subresource),
        _ => Err(refuse()),
    }
}

/// The router's choice, by path and method.
///
/// ```text
/// GET    /api/v1/namespaces/ns/pods         of a namespaced resource in a namespace: everything
/// GET    /api/v1/pods                       outside of one: lists and watches
/// PATCH  /api/v1/nodes/n                    of a cluster-wide resource: everything, and never below a namespace
/// GET    /api/v1/watch/nodes                the old way to watch: no other method
/// ```
fn built_in(request: &Request, served: &ServedResource) -> Result<Place, Unserved> {
    let (method, info, path) = (&request.method, &request.info, &request.resource_path);
    let is_at_home = served.resource.namespaced == path.is_in_namespace;
    if path.is_by_prefix {
        return watch_path(request, served, is_at_home);
    }
    match path.parts.len() {
        1 if is_at_home => collection(method, info, served),
        1 if served.resource.namespaced && served.has(&Verb::List) => match info.verb {
            Verb::List | Verb::Watch if method == Method::GET => Ok(Place::Collection),
            _ => Err(Unserved::Method),
        },
        2 if is_at_home => object(method, info, served),
        3.. if is_at_home => subresource(request, served),
        _ => Err(Unserved::Resource),
    }
}

fn watch_path(request: &Request, served: &ServedResource, is_at_home: bool) -> Result<Place, Unserved> {
    let is_watched = request.info.verb == Verb::Watch && served.has(&Verb::Watch);
    let place = match request.resource_path.parts.len() {
        1 if is_watched && served.has(&Verb::List) && (is_at_home || served.resource.namespaced) => {
            Place::Collection
        }
        2 if is_watched && is_at_home => Place::Object,
        _ => return Err(Unserved::Resource),
    };
    if request.method == Method::GET { Ok(place) } else { Err(Unserved::Method) }
}

fn collection(method: &Method, info: &RequestInfo, served: &ServedResource) -> Result<Place, Unserved> {
    match info.verb {
        // That a resource cannot be watched is said by its list.
        Verb::List | Verb::Watch if method == Method::GET && served.has(&Verb::List) => Ok(Place::Collection),
        Verb::Create | Verb::DeleteCollection if served.has(&info.verb) => Ok(Place::Collection),
        _ => Err(Unserved::Method),
    }
}

fn object(method: &Method, info: &RequestInfo, served: &ServedResource) -> Result<Place, Unserved> {
    let verbs = [Verb::Get, Verb::Update, Verb::Patch, Verb::Delete];
    if !verbs.iter().any(|verb| served.has(verb)) {
        return Err(Unserved::Resource);
    }
    let is_taken = verbs.contains(&info.verb) && served.has(&info.verb) && method != Method::HEAD;
    if is_taken { Ok(Place::Object) } else { Err(Unserved::Method) }
}

fn subresource(request: &Request, served: &ServedResource) -> Result<Place, Unserved> {
    let (method, info) = (&request.method, &request.info);
    let found = served.resource.subresource(&info.subresource);
    let is_proxy = info.subresource == "proxy";
    let subresource =
        found.filter(|_| request.resource_path.parts.len() == 3 || is_proxy).ok_or(Unserved::Resource)?;
    if CONNECTING.contains(&info.subresource.as_str()) {
        let is_taken = (is_proxy && PROXIED.contains(method)) || takes(subresource, method);
        return if is_taken { Ok(Place::Connect) } else { Err(Unserved::Method) };
    }
    if takes(subresource, method) { Ok(Place::Subresource) } else { Err(Unserved::Method) }
}

/// Without a name, a get or a delete would be another verb: the method says which is meant.
fn takes(subresource: &Subresource, method: &Method) -> bool {
    let verb = match *method {
        Method::GET => Verb::Get,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        _ => return false,
    };
    subresource.verbs.has(&verb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{parse, unescaped};
    use bytes::Bytes;
    use hyper::HeaderMap;
    use pintle_access::User;
    use pintle_engine::Engine;
    use pintle_object::Query;
    use pintle_store::backend::sqlite::Sqlite;

    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "FOO"];
    const SEGMENTS: [&str; 10] =
        ["namespaces", "mine", "pods", "nodes", "watch", "proxy", "status", "log", "a%2Fpods", ""];
    const QUERIES: [&str; 2] = ["", "watch=1&fieldSelector=metadata.name%3Dother"];

    fn table(of: &str) -> Arc<Table> {
        let dir = std::env::temp_dir().join(format!("pintle-resolve-{of}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Sqlite::open(&dir.join("store.db")).unwrap();
        let api = Arc::new(pintle_schema::builtin());
        let engine = Engine::open(api, Box::new(store), pintle_store::Options::default()).unwrap();
        let table = engine.table();
        drop(engine);
        let _ = std::fs::remove_dir_all(dir);
        table
    }

    fn request(method: &str, path: &str, query: &str) -> Option<Request> {
        let path = unescaped(path).unwrap();
        let query = Query::parse(query);
        let (info, resource_path) = parse(method, &path, &query).ok()?;
        Some(Request {
            method: method.parse().unwrap(),
            version: hyper::Version::HTTP_11,
            authority: None,
            uri: path.clone(),
            info: info.into(),
            resource_path,
            query,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            is_read: false,
            user: Arc::new(User::anonymous()),
            received: pintle_object::time::Time { seconds: 0, nanos: 0 },
            deadline: None,
            peer: std::net::SocketAddr::from(([127, 0, 0, 1], 1)),
            audit_id: String::new(),
            audit: Arc::default(),
        })
    }

    /// All paths of up to so many segments.
    fn paths(len_max: usize) -> Vec<String> {
        let mut all = vec![String::from("/api/v1")];
        let mut last = all.clone();
        for _ in 0..len_max {
            last = last
                .iter()
                .flat_map(|path| SEGMENTS.iter().map(move |segment| format!("{path}/{segment}")))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    /// Checks that the action of a resolved request, by its method and route alone, is the one that was authorized.
    fn check(request: &Request, route: &Route) {
        let (info, path, served) = (&request.info, &request.resource_path, &route.served);
        let shown = format!("{} {} {:?}", request.method, info.path, request.query.pairs());
        let reads = request.method == Method::GET;
        let fits = match (&info.verb, route.place) {
            (Verb::Get, Place::Object | Place::Subresource) => reads,
            (Verb::List, Place::Collection) => reads,
            (Verb::Watch, Place::Collection | Place::Object) => reads,
            (Verb::Create, Place::Collection | Place::Subresource) => request.method == Method::POST,
            (Verb::Update, Place::Object | Place::Subresource) => request.method == Method::PUT,
            (Verb::Patch, Place::Object | Place::Subresource) => request.method == Method::PATCH,
            (Verb::Delete, Place::Object) => request.method == Method::DELETE,
            (Verb::DeleteCollection, Place::Collection) => request.method == Method::DELETE,
            (_, Place::Connect) => CONNECTING.contains(&info.subresource.as_str()),
            _ => false,
        };
        assert!(fits, "{shown}: {:?} at {:?}", info.verb, route.place);
        assert_eq!(served.resource.plural, info.resource, "{shown}");
        // The authorized namespace is the one of the object; that of a namespace is the namespace itself.
        let is_namespace = info.resource == "namespaces" && info.namespace == path.name();
        assert!(served.resource.namespaced || info.namespace.is_empty() || is_namespace, "{shown}");
        if route.place == Place::Collection {
            assert!(info.subresource.is_empty() && path.name().is_empty(), "{shown}");
        } else {
            assert!(!path.name().is_empty() && info.name == path.name(), "{shown}");
            assert!(!served.resource.namespaced || !info.namespace.is_empty(), "{shown}");
        }
        if matches!(route.place, Place::Subresource | Place::Connect) {
            assert!(served.resource.subresource(&info.subresource).is_some(), "{shown}");
        } else {
            assert!(info.subresource.is_empty(), "{shown}");
        }
    }

    #[test]
    fn what_is_done_is_what_was_authorized() {
        let table = table("all");
        let mut resolved = 0;
        for path in paths(4) {
            for (method, query) in METHODS.iter().flat_map(|method| QUERIES.map(|query| (method, query))) {
                let Some(request) = request(method, &path, query) else { continue };
                if let Ok(route) = resolve(&table, &request, true) {
                    check(&request, &route);
                    resolved += 1;
                }
            }
        }
        assert!(resolved > 1000, "only {resolved} requests resolved");
    }

    #[test]
    fn paths_and_methods_that_the_router_does_not_know_are_refused() {
        let table = table("some");
        let outcome = |line: &str| {
            let (method, uri) = line.split_once(' ').unwrap();
            let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
            let Some(request) = request(method, path, query) else { return String::from("unresolved") };
            match resolve(&table, &request, true) {
                Ok(route) => format!("{:?}", route.place),
                Err(Unserved::Because(status)) => status.message,
                Err(unserved) => format!("{unserved:?}"),
            }
        };
        for (line, expected) in [
            ("GET /api/v1/namespaces/mine/namespaces/other", "Resource"),
            ("DELETE /api/v1/namespaces/mine/namespaces/other", "Resource"),
            ("PUT /api/v1/namespaces/mine/namespaces/other/finalize", "Resource"),
            ("GET /api/v1/namespaces/mine/nodes/x", "Resource"),
            ("GET /api/v1/pods/x", "Resource"),
            ("POST /api/v1/pods", "Method"),
            ("POST /api/v1/watch/namespaces/mine/pods", "Method"),
            ("DELETE /api/v1/watch/namespaces/mine/pods/x", "Method"),
            ("GET /api/v1/watch/namespaces/mine/pods/x", "Object"),
            ("GET /api/v1/watch/namespaces/mine/pods/x/status", "Resource"),
            ("GET /api/v1/watch/componentstatuses", "Resource"),
            ("GET /api/v1/proxy/namespaces/mine/pods/x", "Resource"),
            ("HEAD /api/v1/namespaces/mine/pods/x", "Method"),
            ("HEAD /api/v1/namespaces/mine/pods/x/proxy/y/z", "Connect"),
            ("OPTIONS /api/v1/nodes/x/proxy", "Connect"),
            ("OPTIONS /api/v1/nodes/x", "Method"),
            ("GET /api/v1/namespaces/mine/pods/x/status/y", "Resource"),
            ("DELETE /api/v1/namespaces/mine/pods/x/status", "Method"),
            ("GET /api/v1/namespaces//pods/", "Collection"),
            ("GET /api/v1/namespaces//pods/x", "Namespace parameter required."),
            (
                "GET /api/v1/namespaces/mine/pods//log?fieldSelector=metadata.name%3Dx",
                "name must be provided",
            ),
            ("GET //api/v1/pods", "Path"),
            ("GET /api/v1//pods", "Resource"),
            ("GET /api/v1/watch/", "unresolved"),
        ] {
            assert_eq!(outcome(line), expected, "{line}");
        }
    }
}
