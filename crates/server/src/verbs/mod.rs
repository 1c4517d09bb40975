//! From a resolved request to the verb that answers it: one file per verb.

mod component_status;
mod connect;
mod create;
mod delete;
mod get;
mod list;
mod patch;
mod review;
mod review_selector;
mod router;
mod subresource;
mod token;
mod update;
mod watch;
pub(crate) mod write_context;

use crate::app::App;
use crate::exchange::Exchange;
use crate::refusals::not_supported;
use crate::request::Request;
use crate::resolve::{Place, Route};
use crate::response::Response;
use crate::verbs::list::listed;
use pintle_engine::ObjectRef;
use pintle_kinds::deprecation;
use pintle_object::{Status, Verb};

/// To look through an object for a list is as much work as to read so many bytes: lists of more than some thousand
/// objects are large.
const LISTED_BYTES: usize = 4;

/// The size of the work: bytes of the body, and of the object that is read or changed, or of all that are looked
/// through.
pub fn bytes(app: &App, request: &Request, route: &Route) -> usize {
    let stored = match request.info.verb {
        Verb::Watch | Verb::DeleteCollection => 0,
        Verb::List => listed(app, request, route) * LISTED_BYTES,
        _ => {
            let target = target(request, route);
            app.engine.stored_bytes(target.served, target.namespace, target.name)
        }
    };
    request.body.len() + stored
}

/// Answers a request about a resource: the action of the authorized verb, on the resolved part.
pub async fn dispatch(app: &App, request: &Request, route: &Route) -> Result<Response, Status> {
    let served = route.served.as_ref();
    let warning = match &served.custom {
        None => {
            router::check(request, route)?;
            let deprecation = deprecation(&served.resource);
            if deprecation.is_some() {
                note_deprecated(app, request, served.resource.life.removed);
            }
            deprecation.map(String::from)
        }
        Some(custom) if request.info.verb == Verb::Create && custom.is_terminating() => {
            let refused = Status::method_not_supported(&served.group_resource(), request.info.verb.as_str());
            let message = "create not allowed while custom resource definition is terminating";
            return Err(Status { message: message.into(), ..refused });
        }
        Some(custom) => {
            if custom.deprecation.is_some() {
                note_deprecated(app, request, 0);
            }
            custom.deprecation.clone()
        }
    };
    // All but the many gets are boxed, so that these need no room for the others.
    let target = target(request, route);
    let result = match route.place {
        Place::Collection => collection(app, request, target, route).await,
        Place::Object => object(app, request, target, route).await,
        Place::Subresource => Box::pin(subresource::answer(app, request, target)).await,
        Place::Connect => Err(not_supported(request, target)),
    };
    write_context::with_warnings(app, request, warning.into_iter().collect(), result)
}

/// Answers a request of a proxied subresource: its body is passed on as it comes, and its connection may become a
/// stream of its own.
pub async fn tunnel(
    app: &App,
    request: &Request,
    route: &Route,
    exchange: &mut Exchange,
) -> Result<Response, Status> {
    router::check(request, route)?;
    let target = target(request, route);
    match target.subresource {
        "log" => connect::log(app, request, target, exchange).await,
        _ => connect::connect(app, request, target, exchange).await,
    }
}

/// Counts a request for a deprecated API, with the minor version that removes it, and annotates its audit event.
fn note_deprecated(app: &App, request: &Request, removed: u16) {
    let release = if removed > 0 { format!("1.{removed}") } else { String::new() };
    app.metrics.observe_deprecated(request, &release);
    request.audit.annotate_last("k8s.io/deprecated", "true");
    if removed > 0 {
        request.audit.annotate_last("k8s.io/removed-release", release);
    }
}

async fn collection(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    route: &Route,
) -> Result<Response, Status> {
    match request.info.verb {
        Verb::List if target.served.is_virtual() => component_status::list(app, request, target, route).await,
        Verb::Watch if target.served.is_virtual() => Err(not_supported(request, target)),
        Verb::List => Box::pin(list::list(app, request, target, route)).await,
        Verb::Watch => Box::pin(watch::watch(app, request, target, route)).await,
        Verb::Create => Box::pin(create::create(app, request, target)).await,
        Verb::DeleteCollection => Box::pin(delete::delete_collection(app, request, target, route)).await,
        Verb::Get | Verb::Update | Verb::Patch | Verb::Delete | Verb::Proxy | Verb::Other(_) => {
            Err(not_supported(request, target))
        }
    }
}

async fn object(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    route: &Route,
) -> Result<Response, Status> {
    match request.info.verb {
        Verb::Get if target.served.is_virtual() => component_status::get(app, request, target),
        Verb::Get => get::get(app, request, target).await,
        // The old way to watch, of one object.
        Verb::Watch => Box::pin(watch::watch(app, request, target, route)).await,
        Verb::Update => Box::pin(update::update(app, request, target)).await,
        Verb::Patch => Box::pin(patch::patch(app, request, target)).await,
        Verb::Delete => Box::pin(delete::delete(app, request, target)).await,
        Verb::List | Verb::Create | Verb::DeleteCollection | Verb::Proxy | Verb::Other(_) => {
            Err(not_supported(request, target))
        }
    }
}

/// The object that a request's path names; the query does not matter.
fn target<'a>(request: &'a Request, route: &'a Route) -> ObjectRef<'a> {
    let (info, served) = (&request.info, route.served.as_ref());
    // A namespace is not in itself.
    let namespace = if served.resource.namespaced { info.namespace.as_str() } else { "" };
    ObjectRef { served, subresource: &info.subresource, namespace, name: request.resource_path.name() }
}
