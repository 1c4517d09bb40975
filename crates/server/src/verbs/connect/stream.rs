//! Processes and ports of Pods: exec, attach, portforward.

use super::options::ConnectOptions;
use super::reply;
use crate::app::App;
use crate::exchange::Exchange;
use crate::request::Request;
use crate::response::Response;
use crate::verbs::connect::objects::{node, object};
use http_body_util::{BodyExt, Full};
use pintle_engine::ObjectRef;
use pintle_object::Status;
use pintle_proxy::pod::{self, Streams};
use pintle_proxy::{Forward, Incoming, Kubelet, Location, Reply, translate, tunnel};

/// Connects the client with the kubelet of a Pod.
pub async fn open(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    exchange: &mut Exchange,
    options: ConnectOptions,
) -> Result<Response, Status> {
    let found = object(app, &target, target.name).await?;
    let container = match &options {
        ConnectOptions::Exec { container, .. } | ConnectOptions::Attach { container, .. } => {
            pod::container(&found, container)?
        }
        ConnectOptions::PortForward { .. } | ConnectOptions::Proxy { .. } => String::new(),
    };
    let node = node(app, &target, pod::node(&found)?).await?;
    let kubelet = app.backends.kubelets.of(&node)?;
    let incoming = reply::incoming(request, exchange);
    let (location, streams) = match &options {
        ConnectOptions::Exec { streams, command, .. } => {
            (pod::exec(&kubelet, &found, &container, *streams, command), Some(*streams))
        }
        ConnectOptions::Attach { streams, .. } => {
            (pod::attach(&kubelet, &found, &container, *streams), Some(*streams))
        }
        ConnectOptions::PortForward { ports } => (pod::port_forward(&kubelet, &found, ports), None),
        ConnectOptions::Proxy { .. } => return Err(Status::internal("a proxy is no stream")),
    };
    let reply = connect(app, incoming, &kubelet, location, streams).await?;
    reply::answer(reply, exchange)
}

/// Translates or carries what the kubelet does not speak, and passes on what it does.
async fn connect(
    app: &App,
    incoming: Incoming,
    kubelet: &Kubelet,
    location: Location,
    streams: Option<Streams>,
) -> Result<Reply, Status> {
    let gates = app.backends.gates;
    let kubelets = &app.backends.kubelets;
    let speaks_websocket = gates.extends && kubelet.speaks_websocket;
    let can_change = incoming.can_upgrade && !speaks_websocket;
    if let Some(streams) = streams
        && can_change
        && gates.translates
        && translate::is_wanted(&incoming.headers)
    {
        return Ok(match translate::accept(&incoming.method, &incoming.headers) {
            Ok(head) => {
                let kubelets = kubelets.clone();
                Reply::Upgrade(
                    head,
                    Box::new(move |client| Box::pin(translate::serve(client, kubelets, location, streams))),
                )
            }
            Err(refusal) => Reply::Answer(
                refusal.map(|text| Full::from(text).map_err(|never| match never {}).boxed_unsync()),
            ),
        });
    }
    let forward = Forward { transport: &kubelets.transport, location, rewrites: false, must_upgrade: true };
    match tunnel::wanted(&incoming.headers) {
        Some(protocols) if streams.is_none() && can_change && gates.tunnels => {
            tunnel::open(forward, incoming, &protocols).await
        }
        _ => forward.send(incoming).await,
    }
}
