//! Proxies of Nodes, Pods and Services: `[scheme:]name[:port]` and the rest of the path.

use super::reply;
use crate::app::App;
use crate::exchange::Exchange;
use crate::request::Request;
use crate::response::Response;
use crate::verbs::connect::objects::{object, other};
use pintle_engine::ObjectRef;
use pintle_object::field::quote;
use pintle_object::{Reason, Status, Value};
use pintle_outbound::Transport;
use pintle_proxy::url::join_keeping_slash;
use pintle_proxy::{Forward, Location, pod, split_scheme_name_port};
use std::hash::{BuildHasher, RandomState};

/// Passes a request on.
pub async fn proxy(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    exchange: &mut Exchange,
    path: &str,
) -> Result<Response, Status> {
    let (location, transport) = match target.served.resource.plural.as_ref() {
        "nodes" => of_node(app, target).await?,
        "pods" => {
            let (scheme, name, port) = pod::proxied_name(target.name)?;
            let found = object(app, &target, name).await?;
            (pod::proxied(&found, scheme, port)?, app.backends.transport.as_ref())
        }
        _ => (of_service(app, target).await?, app.backends.transport.as_ref()),
    };
    let location = location.with_path(join_keeping_slash("", path));
    let incoming = reply::incoming(request, exchange);
    let forward = Forward { transport, location, rewrites: true, must_upgrade: false };
    reply::answer(forward.send(incoming).await?, exchange)
}

/// The kubelet of a Node, or another port of the same host.
async fn of_node<'a>(app: &'a App, target: ObjectRef<'_>) -> Result<(Location, &'a Transport), Status> {
    let bad = || Status::bad_request(format!("invalid node request {}", quote(target.name)));
    let (scheme, name, port) = split_scheme_name_port(target.name).ok_or_else(bad)?;
    let kubelet = app.backends.kubelets.of(&object(app, &target, name).await?)?;
    kubelet.check_address().await?;
    if port.is_empty() || port == kubelet.port.to_string() {
        return Ok((kubelet.location(), &app.backends.kubelets.transport));
    }
    let location = Location::new(scheme == "https", &kubelet.host, port);
    Ok((location, app.backends.transport.as_ref()))
}

/// An endpoint of a Service that is a Pod.
async fn of_service(app: &App, target: ObjectRef<'_>) -> Result<Location, Status> {
    let bad = || Status::bad_request(format!("invalid service request {}", quote(target.name)));
    let (scheme, name, port) = split_scheme_name_port(target.name).ok_or_else(bad)?;
    let mut port_name = port.to_string();
    if let Ok(number) = port.parse::<i64>() {
        let service = object(app, &target, name).await?;
        let ports = service.list_at(&["spec", "ports"]);
        let found = ports.iter().find(|one| one.int_at(&["port"]) == Some(number));
        let none = || unavailable(format!("no service port {number} found for service {}", quote(name)));
        port_name = found.ok_or_else(none)?.str_at(&["name"]).to_string();
    }
    let endpoints = match other(app, "endpoints", target.namespace, name).await {
        Err(status) if status.code == 404 => {
            return Err(Status::not_found(&target.served.group_resource(), name));
        }
        found => found?,
    };
    let subsets = endpoints.list_at(&["subsets"]);
    if subsets.is_empty() {
        return Err(unavailable(format!("no endpoints available for service {}", quote(name))));
    }
    for subset in from_somewhere(subsets) {
        let ports = subset.list_at(&["ports"]).iter().filter(|one| one.str_at(&["name"]) == port_name);
        let addresses = subset.list_at(&["addresses"]);
        for port in ports.filter_map(|port| port.int_at(&["port"])) {
            for address in from_somewhere(addresses) {
                let ip = address.str_at(&["ip"]);
                if is_of_pod(app, target.namespace, address, ip).await {
                    return Ok(Location::new(scheme == "https", ip, &port.to_string()));
                }
            }
        }
    }
    Err(unavailable(format!("no endpoints available for service {}", quote(target.name))))
}

/// Whether an address is one of the Pod that it is said to be of: nothing else is proxied to.
async fn is_of_pod(app: &App, namespace: &str, address: &Value, ip: &str) -> bool {
    let name = address.str_at(&["targetRef", "name"]);
    if name.is_empty() || address.str_at(&["targetRef", "namespace"]) != namespace {
        return false;
    }
    let Ok(pod) = other(app, "pods", namespace, name).await else { return false };
    pod.list_at(&["status", "podIPs"]).iter().any(|one| one.str_at(&["ip"]) == ip)
}

/// All items, from a random one on.
fn from_somewhere(items: &[Value]) -> impl Iterator<Item = &Value> {
    let chance = usize::try_from(RandomState::new().hash_one(()) >> 33).unwrap_or_default();
    let (before, from) = items.split_at(chance % items.len().max(1));
    from.iter().chain(before)
}

fn unavailable(message: String) -> Status {
    Status::new(503, Reason::ServiceUnavailable, message)
}
