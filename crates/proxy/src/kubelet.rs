//! `Kubelets`: where nodes are reached, and by which certificates both sides are known:
//! `pkg/kubelet/client` upstream.

use crate::forward::plain;
use crate::location::Location;
use pintle_object::{Status, Value};
use pintle_outbound::{Dialer, Limits, Pem, Proxies, Settings, Tls, Transport};
use std::path::PathBuf;
use std::sync::Arc;

/// Requests to one kubelet at a time; each may last for hours.
const AT_ONCE_MAX: usize = 4096;
/// Requests that wait for one of these to end.
const WAITING_MAX: usize = 128;

/// Values of the flags `--kubelet-*`.
#[derive(Clone, Debug, Default)]
pub struct KubeletFlags {
    pub preferred_address_types: Vec<String>,
    /// The port of nodes without one in their status.
    pub port: u16,
    pub certificate_authority: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
}

/// Kubelets of all nodes.
pub struct Kubelets {
    preferred_address_types: Vec<String>,
    port: u16,
    /// Trusts the authority of the flags, or everybody without one.
    pub transport: Transport,
    /// Trusts everybody.
    pub insecure: Transport,
}

impl Kubelets {
    /// Certificates that cannot be used are an error.
    pub fn new(
        flags: KubeletFlags,
        dialer: Arc<dyn Dialer>,
        proxies: Arc<Proxies>,
    ) -> Result<Kubelets, String> {
        let identity = match (flags.client_certificate, flags.client_key) {
            (Some(certificate), Some(key)) => Some((Pem::File(certificate), Pem::File(key))),
            (None, None) => None,
            _ => {
                return Err(
                    "--kubelet-client-certificate and --kubelet-client-key are only useful together".into()
                );
            }
        };
        let authorities = flags.certificate_authority.map(Pem::File);
        let transport = |authorities: Option<Pem>| {
            let is_insecure = authorities.is_none();
            let tls = Tls { authorities, is_insecure, identity: identity.clone(), ..Tls::default() };
            let settings = Settings {
                tls,
                limits: limits(),
                dialer: dialer.clone(),
                proxies: proxies.clone(),
                ..Settings::default()
            };
            Transport::new(settings)
        };
        Ok(Kubelets {
            preferred_address_types: flags.preferred_address_types,
            port: flags.port,
            transport: transport(authorities)?,
            insecure: transport(None)?,
        })
    }

    /// The kubelet of a Node.
    pub fn of(&self, node: &Value) -> Result<Kubelet, Status> {
        let addresses = node.list_at(&["status", "addresses"]);
        let find = |kind: &String| {
            addresses
                .iter()
                .find(|address| address.str_at(&["type"]) == kind)
                .map(|address| address.str_at(&["address"]))
        };
        let Some(host) = self.preferred_address_types.iter().find_map(find) else {
            let known: Vec<String> = addresses
                .iter()
                .map(|address| format!("{{{} {}}}", address.str_at(&["type"]), address.str_at(&["address"])))
                .collect();
            return Err(plain(format!(
                "no preferred addresses found; known addresses: [{}]",
                known.join(" ")
            )));
        };
        let told = node.int_at(&["status", "daemonEndpoints", "kubeletEndpoint", "Port"]).unwrap_or(0);
        let port = u16::try_from(told).ok().filter(|port| *port > 0).unwrap_or(self.port);
        let features = node.list_at(&["status", "declaredFeatures"]);
        let speaks_websocket = features.iter().any(|one| one.as_str() == Some("ExtendWebSocketsToKubelet"));
        Ok(Kubelet { host: host.to_string(), port, speaks_websocket })
    }
}

/// The limits on requests that last.
pub fn limits() -> Limits {
    Limits { at_once_max: AT_ONCE_MAX, waiting_max: WAITING_MAX }
}

/// One node's kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubelet {
    pub host: String,
    pub port: u16,
    /// Whether it takes the web sockets that other kubelets have translated for them.
    pub speaks_websocket: bool,
}

impl Kubelet {
    pub fn location(&self) -> Location {
        Location::new(true, &self.host, &self.port.to_string())
    }

    /// Refuses a node whose name or address leads to this machine, its link, or no single host.
    pub async fn check_address(&self) -> Result<(), Status> {
        let found: Vec<std::net::SocketAddr> = match tokio::net::lookup_host((self.host.as_str(), 0)).await {
            Ok(found) => found.collect(),
            Err(_) => return Err(Status::bad_request(format!("lookup {}: no such host", self.host))),
        };
        if found.is_empty() {
            return Err(Status::bad_request("no addresses for hostname"));
        }
        match found.iter().all(|address| is_global_unicast(address.ip())) {
            true => Ok(()),
            false => Err(Status::bad_request("address not allowed")),
        }
    }
}

/// Go's `IP.IsGlobalUnicast`: no loopback, link-local, multicast, broadcast or unspecified address.
pub fn is_global_unicast(address: std::net::IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        std::net::IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        std::net::IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    };
    !(is_link_local || address.is_loopback() || address.is_multicast() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn kubelets() -> Kubelets {
        let flags = KubeletFlags {
            preferred_address_types: vec!["Hostname".into(), "InternalIP".into()],
            port: 10250,
            ..KubeletFlags::default()
        };
        Kubelets::new(flags, Arc::new(pintle_outbound::Direct), Arc::default()).unwrap()
    }

    fn of(status: &str) -> Result<Kubelet, Status> {
        kubelets().of(&json::parse(format!("{{\"status\":{status}}}").as_bytes()).unwrap())
    }

    #[test]
    fn nodes_are_called_at_the_preferred_address() {
        let found = of(r#"{"addresses":[{"type":"InternalIP","address":"10.0.0.1"},
            {"type":"Hostname","address":"n"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":1}}}"#);
        assert_eq!(found.unwrap(), Kubelet { host: "n".into(), port: 1, speaks_websocket: false });
        let found = of(r#"{"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],
            "declaredFeatures":["ExtendWebSocketsToKubelet"]}"#);
        assert_eq!(found.unwrap(), Kubelet { host: "10.0.0.1".into(), port: 10250, speaks_websocket: true });
        let refused = of(r#"{"addresses":[{"type":"ExternalIP","address":"1.2.3.4"}]}"#).unwrap_err();
        assert_eq!(refused.message, "no preferred addresses found; known addresses: [{ExternalIP 1.2.3.4}]");
    }

    #[test]
    fn only_hosts_of_a_network_are_proxied_to() {
        for (address, is_allowed) in [
            ("10.0.0.1", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("224.0.0.1", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", true),
            ("::ffff:127.0.0.1", false),
        ] {
            assert_eq!(is_global_unicast(address.parse().unwrap()), is_allowed, "{address}");
        }
    }
}
