//! Subresources that lead through to a kubelet or a pod: log, exec, attach, portforward, proxy.
//!
//! Kubelets are not reached yet; everything that is decided before one would be is decided here.

use super::write_context;
use crate::app::App;
use crate::exchange::Exchange;
use crate::negotiate::{self, View};
use crate::request::Request;
use crate::response::Response;
use pintle_engine::{Served, Target};
use pintle_object::{FieldErrors, GroupKind, Path, Reason, Status, Value};

/// Everything but `log`. What the client sends is in the exchange.
pub async fn connect(
    app: &App,
    request: &Request,
    target: Target<'_>,
    _: &mut Exchange,
) -> Result<Response, Status> {
    let query = write_context::query(request);
    if query.all("dryRun").iter().any(|value| !value.is_empty()) {
        return Err(Status::bad_request("dryRun is not supported"));
    }
    match (target.served.resource.plural.as_ref(), target.subresource) {
        ("pods", "proxy") => proxy(app, request, target).await,
        ("pods", "portforward") => {
            let pod = object(app, &target, target.name).await?;
            Err(unreached(app, target.served, &pod).await)
        }
        ("pods", _) => {
            let pod = object(app, &target, target.name).await?;
            container(&pod, query.text("container"))?;
            Err(unreached(app, target.served, &pod).await)
        }
        _ => proxy(app, request, target).await,
    }
}

async fn object(app: &App, target: &Target<'_>, name: &str) -> Result<Value, Status> {
    let target = Target { name, ..*target };
    let found = app.engine.get(&target, pintle_engine::options::Query(&[])).await?;
    app.engine.tree(target.served, &found)
}

/// Why the kubelet of a pod cannot be asked.
async fn unreached(app: &App, served: &Served, pod: &Value) -> Status {
    let name = pod.str_at(&["metadata", "name"]);
    let node = pod.str_at(&["spec", "nodeName"]);
    if node.is_empty() {
        return Status::bad_request(format!("pod {name} does not have a host assigned"));
    }
    let Some(nodes) = app.engine.find("", "v1", "nodes") else { return no_kubelet(served, name) };
    let target = Target { served: &nodes, subresource: "", namespace: "", name: node };
    match object(app, &target, node).await {
        Ok(_) => no_kubelet(served, name),
        // Upstream looks the node up and passes the failure on as one of pods.
        Err(_) => Status::not_found(&served.group_resource(), node),
    }
}

fn no_kubelet(served: &Served, name: &str) -> Status {
    let about = served.group_resource();
    let message = format!("the kubelet of {about} \"{name}\" cannot be reached from here");
    Status::new(501, Reason::Unknown, message)
}

/// The container that is meant: the named one, the only one, or the annotated default.
fn container(pod: &Value, wanted: &str) -> Result<String, Status> {
    let name = pod.str_at(&["metadata", "name"]);
    let of = |field| pod.list_at(&["spec", field]).iter().map(|container| container.str_at(&["name"]));
    let main: Vec<&str> = of("containers").collect();
    let all: Vec<&str> =
        of("initContainers").chain(of("containers")).chain(of("ephemeralContainers")).collect();
    if !wanted.is_empty() {
        return match all.contains(&wanted) {
            true => Ok(wanted.into()),
            false => Err(Status::bad_request(format!("container {wanted} is not valid for pod {name}"))),
        };
    }
    match main.as_slice() {
        [only] => Ok((*only).into()),
        [] => Err(Status::bad_request(format!("a container name must be specified for pod {name}"))),
        _ => Err(Status::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            all.join(" ")
        ))),
    }
}

pub async fn log(app: &App, request: &Request, target: Target<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let query = write_context::query(request);
    let mut errors = FieldErrors::new();
    let (tail, limit) = (query.int("tailLines")?, query.int("limitBytes")?);
    let since = query.int("sinceSeconds")?;
    let pod = object(app, &target, target.name).await?;
    if tail.is_some_and(|lines| lines < 0) {
        errors.invalid(&Path::root("tailLines"), tail.unwrap_or(0), "must be greater than or equal to 0");
    }
    if limit.is_some_and(|bytes| bytes < 1) {
        errors.invalid(&Path::root("limitBytes"), limit.unwrap_or(0), "must be greater than 0");
    }
    if since.is_some() && !query.text("sinceTime").is_empty() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.forbidden(&Path::root("[]"), why);
    } else if since.is_some_and(|seconds| seconds < 1) {
        errors.invalid(&Path::root("sinceSeconds"), since.unwrap_or(0), "must be greater than 0");
    }
    if !query.text("stream").is_empty() {
        errors.forbidden(&Path::root("stream"), "may not be specified");
    }
    if !errors.is_empty() {
        return Err(Status::invalid(&GroupKind::new("", "PodLogOptions"), target.name, errors));
    }
    container(&pod, query.text("container"))?;
    if pod.str_at(&["spec", "nodeName"]).is_empty() {
        // A pod that runs nowhere has said nothing, and what it says is no object.
        return match accept.view {
            View::Object | View::Table => Ok(Response::empty(204)),
            View::Partial => {
                Err(Status::new(500, Reason::Unknown, "object does not implement the Object interfaces"))
            }
            View::PartialList => {
                let message = "you requested PartialObjectMetadataList, but the requested object is not a list \
                               (*rest.LocationStreamer)";
                Err(Status::new(406, Reason::NotAcceptable, message))
            }
        };
    }
    Err(unreached(app, target.served, &pod).await)
}

/// The address of what is proxied to is `[scheme:]name[:port]`.
async fn proxy(app: &App, _: &Request, target: Target<'_>) -> Result<Response, Status> {
    let singular = target.served.resource.singular.to_string();
    let parts: Vec<&str> = target.name.split(':').collect();
    let name = match parts.as_slice() {
        [name] | [name, _] => *name,
        ["http" | "https" | "", name, _] => *name,
        _ => {
            let quoted = pintle_object::field::quote(target.name);
            return Err(Status::bad_request(format!("invalid {singular} request {quoted}")));
        }
    };
    let found = object(app, &target, name).await?;
    match singular.as_str() {
        "node" => {
            let addresses = found.list_at(&["status", "addresses"]);
            if addresses.is_empty() {
                let message = "no preferred addresses found; known addresses: []";
                return Err(Status::new(500, Reason::Unknown, message));
            }
            Err(no_kubelet(target.served, name))
        }
        "pod" if found.str_at(&["status", "podIP"]).is_empty() => {
            Err(Status::bad_request("address not allowed"))
        }
        "service" if !has_endpoints(app, &target, name).await => Err(Status::new(
            503,
            Reason::ServiceUnavailable,
            format!("no endpoints available for service \"{name}\""),
        )),
        _ => Err(Status::new(
            501,
            Reason::Unknown,
            format!("{} \"{name}\" cannot be reached from here", target.served.group_resource()),
        )),
    }
}

/// Whether anything stands behind a service.
async fn has_endpoints(app: &App, target: &Target<'_>, name: &str) -> bool {
    let Some(endpoints) = app.engine.find("", "v1", "endpoints") else { return true };
    let of = Target { served: &endpoints, subresource: "", namespace: target.namespace, name };
    let Ok(found) = object(app, &of, name).await else { return false };
    found.list_at(&["subsets"]).iter().any(|subset| !subset.list_at(&["addresses"]).is_empty())
}
