//! `Backends`: the ways to kubelets, Pods and Services, for proxied requests.

use pintle_outbound::Transport;
use pintle_proxy::Kubelets;
use std::sync::Arc;

pub struct Backends {
    pub kubelets: Arc<Kubelets>,
    /// To Pods and Services, whose certificates are not verified: upstream's rule.
    pub transport: Arc<Transport>,
    pub gates: Gates,
}

/// Feature gates about streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gates {
    /// Opening a stream with GET also needs the verb `create` (AuthorizePodWebsocketUpgradeCreatePermission).
    pub asks_create: bool,
    /// Kubelets that say that they speak WebSocket get it as it is (ExtendWebSocketsToKubelet).
    pub extends: bool,
    /// Processes' web sockets are translated (TranslateStreamCloseWebsocketRequests).
    pub translates: bool,
    /// Ports are forwarded through web sockets (PortForwardWebsockets).
    pub tunnels: bool,
}
