//! From a resolved path to the verb that answers it: one file per verb.

mod call;
mod component_status;
mod connect;
mod create;
mod delete;
mod form;
mod get;
mod list;
mod patch;
mod review;
mod review_selector;
mod subresource;
mod token;
mod update;
mod watch;

use crate::app::App;
use crate::negotiate;
use crate::pipeline;
use crate::request::Request;
use crate::respond::Response;
use hyper::Method;
use pintle_engine::kinds::deprecation;
use pintle_engine::{Served, Target};
use pintle_object::Status;
use pintle_schema::Verbs;
use std::sync::Arc;

/// Answers a request about a resource.
pub async fn dispatch(app: &App, request: &Request) -> Result<Response, Status> {
    let info = &request.info;
    let table = app.engine.table();
    if !table.serves(&info.group, &info.version) {
        if pipeline::is_built_in(app, &request.path) {
            return Err(pipeline::no_such_resource());
        }
        return Ok(pipeline::served_elsewhere(app, request).unwrap_or_else(Response::not_found_page));
    }
    if request.path.starts_with("//") {
        return Ok(Response::not_found_page());
    }
    if request.path.contains("/namespaces//") {
        return Err(Status::bad_request("Namespace parameter required."));
    }
    let Some(served) = table.find(&info.group, &info.version, &info.resource) else {
        // Only a group of built-in kinds has a router of its own.
        let is_custom = |served: &Arc<Served>| served.custom.is_some() && served.resource.group == info.group;
        if table.served().iter().any(is_custom) {
            return Ok(Response::not_found_page());
        }
        return Err(pipeline::no_such_resource());
    };
    let served = served.as_ref();
    if served.custom.is_some() {
        return custom(app, request, served).await;
    }
    let path = Path::of(request, served).ok_or_else(pipeline::no_such_resource)?;
    let warnings = deprecation(&served.resource).map(String::from).into_iter().collect();
    let target = target(request, served);
    let result = act(app, request, target, path).await.ok_or_else(pipeline::method_not_allowed)?;
    call::with_warnings(app, request, warnings, result)
}

/// Custom resources are not behind the router: what it would refuse is refused in other words.
async fn custom(app: &App, request: &Request, served: &Served) -> Result<Response, Status> {
    let Some(path) = Path::of(request, served) else { return Ok(Response::not_found_page()) };
    let target = target(request, served);
    if path == Path::Everywhere && action(request) != Action::Get {
        return Ok(Response::not_found_page());
    }
    if path == Path::Subresource && served.resource.subresource(target.subresource).is_none() {
        return Err(Status::not_found(&served.group_resource(), target.name));
    }
    if negotiate::check_route(request).is_err() {
        return Err(negotiate::not_accepted());
    }
    if path == Path::Collection && matches!(action(request), Action::Update | Action::Patch) {
        return Err(Status::bad_request("name must be provided"));
    }
    // A name does not keep a create from being one.
    let path =
        if path == Path::Object && action(request) == Action::Create { Path::Collection } else { path };
    let refuse = || Status::method_not_supported(&served.group_resource(), &request.info.verb);
    if action(request) == Action::Create
        && served.custom.as_ref().is_some_and(|custom| custom.is_terminating())
    {
        let message = "create not allowed while custom resource definition is terminating";
        return Err(Status { message: message.into(), ..refuse() });
    }
    let result = act(app, request, target, path).await.ok_or_else(refuse)?;
    let deprecation = served.custom.as_ref().and_then(|custom| custom.deprecation.clone());
    call::with_warnings(app, request, deprecation.into_iter().collect(), result)
}

/// Calls the verb of a method on a path; `None` when the path does not take the method.
async fn act(
    app: &App,
    request: &Request,
    target: Target<'_>,
    path: Path,
) -> Option<Result<Response, Status>> {
    let served = target.served;
    let result = match (path, action(request)) {
        (Path::Subresource, action) => subresource::answer(app, request, target, action).await?,
        (Path::Collection | Path::Everywhere, Action::Get)
            if !served.has(Verbs::WATCH) && served.has(Verbs::LIST) =>
        {
            component_status::list(app, request, target)
        }
        (Path::Object, Action::Get) if !served.has(Verbs::WATCH) && served.has(Verbs::GET) => {
            component_status::get(app, request, target)
        }
        (Path::Object, Action::Get) if served.has(Verbs::GET) => {
            if request.info.verb == "watch" && served.has(Verbs::WATCH) {
                return Some(watch::watch(app, request, target).await);
            }
            get::get(app, request, target).await
        }
        (Path::Object, Action::Update) if served.has(Verbs::UPDATE) => {
            update::update(app, request, target).await
        }
        (Path::Object, Action::Patch) if served.has(Verbs::PATCH) => patch::patch(app, request, target).await,
        (Path::Object, Action::Delete) if served.has(Verbs::DELETE) => {
            delete::delete(app, request, target).await
        }
        (Path::Collection | Path::Everywhere, Action::Get) if served.has(Verbs::LIST) => {
            list::list(app, request, target).await
        }
        (Path::Collection, Action::Create) if served.has(Verbs::CREATE) => {
            create::create(app, request, target).await
        }
        (Path::Collection, Action::Delete) if served.has(Verbs::DELETE_COLLECTION) => {
            delete::delete_collection(app, request, target).await
        }
        _ => return None,
    };
    Some(result)
}

fn target<'a>(request: &'a Request, served: &'a Served) -> Target<'a> {
    let info = &request.info;
    let name = info.parts.get(1).map_or("", String::as_str);
    // A namespace is not in itself.
    let namespace = if served.resource.namespaced { info.namespace.as_str() } else { "" };
    Target { served, subresource: &info.subresource, namespace, name }
}

/// What a path under a resource names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// All objects of a cluster-wide resource, or those of one namespace.
    Collection,
    /// The objects of a namespaced resource in all namespaces.
    Everywhere,
    Object,
    Subresource,
}

impl Path {
    fn of(request: &Request, served: &Served) -> Option<Path> {
        let info = &request.info;
        // The router sees escaped slashes as slashes, and knows no such path.
        if info.parts.iter().any(|part| part.contains('/')) {
            return None;
        }
        let is_namespaced = served.resource.namespaced;
        let in_namespace = !info.namespace.is_empty();
        let is_root = info.resource == "namespaces" && info.group.is_empty();
        // `/api/v1/namespaces/ns/nodes` is nothing, and so is `/api/v1/pods/p`. Only a namespace's own path reads
        // as one within it.
        let fits =
            if is_root { in_namespace == (info.parts.len() > 1) } else { is_namespaced == in_namespace };
        let of_object = [Verbs::GET, Verbs::UPDATE, Verbs::PATCH, Verbs::DELETE];
        match info.parts.len() {
            1 if fits => Some(Path::Collection),
            1 if is_namespaced && served.has(Verbs::LIST) => Some(Path::Everywhere),
            2 if fits && of_object.iter().any(|verb| served.has(*verb)) => Some(Path::Object),
            3 if fits => Some(Path::Subresource),
            4.. if fits && info.subresource == "proxy" => Some(Path::Subresource),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Create,
    Update,
    Patch,
    Delete,
    None,
}

fn action(request: &Request) -> Action {
    match request.method {
        Method::GET => Action::Get,
        Method::POST => Action::Create,
        Method::PUT => Action::Update,
        Method::PATCH => Action::Patch,
        Method::DELETE => Action::Delete,
        _ => Action::None,
    }
}
