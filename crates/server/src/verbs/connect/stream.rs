//! Processes and ports of Pods: exec, attach, portforward.

use super::options::ConnectOptions;
use super::reply;
use crate::app::App;
use crate::exchange::Exchange;
use crate::metrics::observe_code;
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
    count(app, target.subresource, streams.is_some(), &kubelet);
    let reply = connect(app, incoming, &kubelet, location, streams).await?;
    reply::answer(reply, exchange)
}

/// Counts a request by the side that speaks WebSocket with the client. Upstream counts only where the server may do so.
fn count(app: &App, subresource: &str, has_streams: bool, kubelet: &Kubelet) {
    let gates = app.backends.gates;
    if if has_streams { gates.translates } else { gates.tunnels } {
        app.metrics.streams.observe_route(subresource, gates.extends && kubelet.speaks_websocket);
    }
}

/// Translates or tunnels protocols that the kubelet does not speak, and passes on the others.
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
        let translated = app.metrics.streams.translated.clone();
        return Ok(match translate::accept(&incoming.method, &incoming.headers) {
            Ok(head) => {
                let kubelets = kubelets.clone();
                let served = move |client| async move {
                    let code = translate::serve(client, kubelets, location, streams).await;
                    observe_code(&translated, code);
                };
                Reply::Upgrade(head, Box::new(move |client| Box::pin(served(client))))
            }
            Err(refusal) => {
                observe_code(&translated, 400);
                Reply::Answer(
                    refusal.map(|text| Full::from(text).map_err(|never| match never {}).boxed_unsync()),
                )
            }
        });
    }
    let forward = Forward { transport: &kubelets.transport, location, rewrites: false, must_upgrade: true };
    match tunnel::wanted(&incoming.headers) {
        Some(protocols) if streams.is_none() && can_change && gates.tunnels => {
            let reply = tunnel::open(forward, incoming, &protocols).await?;
            let code = match &reply {
                Reply::Upgrade(..) => 101,
                Reply::Answer(answer) => answer.status().as_u16(),
            };
            observe_code(&app.metrics.streams.tunnelled, code);
            Ok(reply)
        }
        _ => forward.send(incoming).await,
    }
}
